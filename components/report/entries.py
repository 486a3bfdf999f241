"""Parts of a verdict with their numbers: each under an address, with what its fields are and which rows are meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from components.contracts.verdict import BenchmarkResult, Verdict
from components.report import measures
from components.report.measures import Measure
from components.report.wording import metric_number

Selection = tuple[tuple[str, str], ...]
"""Field -> value: which rows of a port."""


class Entry(NamedTuple):
    """A part of the verdict with its numbers."""

    address: str
    """First part of the addresses of its fields."""
    part: Any
    """What has the fields."""
    fields: Mapping[str, Measure]
    """Field -> what it is."""
    chosen: Selection = ()
    """Which rows of its ports are meant."""


def gathered(**values: object) -> Any:
    """Fields of several parts as those of one."""
    return SimpleNamespace(**values)


def measured(verdict: Verdict) -> Iterator[Entry]:
    """Scores and style: what the verdict is made of."""
    for b in verdict.benchmarks:
        yield Entry(b.name, b, _of_benchmark(b, verdict), (("benchmark", b.name),))
    for name in ("unsupported", "supported", "all"):
        yield Entry(f"pooled.{name}", getattr(verdict.pooled, name), {"gap_closed": measures.POOLED})
    for name, metric in verdict.style.metrics.items():
        yield Entry(f"style.{name}", metric, _of_metric(name))
    overall = measures.CLOSENESS._replace(what="mean over measurable metrics of their closeness")
    yield Entry("style", verdict.style, {"closeness": overall})


def _of_benchmark(b: BenchmarkResult, verdict: Verdict) -> dict[str, Measure]:
    """Its fields; where McNemar's test could be had, items are right or wrong and stand alone."""
    how: dict[str, str] = {}
    if b.p_mcnemar is not None:
        how = {**measures.SINGLES, **(measures.SINGLES_WITH_TARGET if items_given(verdict, b.name, "target") else {})}
    return {name: m._replace(how=how[name]) if name in how else m for name, m in measures.BENCHMARK.items()}


def items_given(verdict: Verdict, benchmark: str, role: str) -> bool | None:
    """Whether a role's scores on a benchmark are those of items; None where the verdict does not record its joins."""
    joins = verdict.provenance.get("joins")
    if not isinstance(joins, Mapping):
        return None
    join = joins.get(benchmark)
    given = join.get("given") if isinstance(join, Mapping) else None
    return bool(isinstance(given, Mapping) and given.get(role))


def _of_metric(name: str) -> dict[str, Measure]:
    agreement = measures.CLOSENESS._replace(text=metric_number(name), ci="", n="")
    says = {
        "base": "agreement of the base",
        "imitator": "agreement of the imitator",
        "ceiling": "agreement of the ceiling",
    }
    made = {role: agreement._replace(what=f"{words} with the target") for role, words in says.items()}
    return {**made, "closeness": measures.CLOSENESS._replace(n="")}


def attributed(verdict: Verdict) -> Iterator[Entry]:
    """What classifiers make of the texts."""
    for by in verdict.attribution.classifiers if verdict.attribution else ():
        start, classifier = f"attribution.{by.classifier}", ("classifier", str(by.classifier))
        for role in ("imitator", "base", "target", "target_second"):
            if (taken := getattr(by, role)) is not None:
                yield Entry(f"{start}.{role}", taken, measures.TAKEN, (classifier, ("author", role)))
        yield Entry(f"{start}.base_or_target", by.base_or_target, measures.RIGHT, (classifier,))
        if by.imitator_or_target is not None:
            yield Entry(f"{start}.imitator_or_target", by.imitator_or_target, measures.APART, (classifier,))


def explained(verdict: Verdict) -> Iterator[Entry]:
    """What stands beside the headline's reading."""
    for loss in verdict.format_loss:
        yield Entry(f"form.{loss.benchmark}", loss, measures.FORM, (("benchmark", loss.benchmark),))
    for place, reading in enumerate(verdict.readings, 1):
        chosen = (("benchmark", reading.benchmark), ("channel", reading.channel))
        yield Entry(f"readings.{place}", reading, measures.READING, chosen)
    for slope in verdict.support_map.benchmarks if verdict.support_map else ():
        items = (("benchmark", slope.benchmark),)
        yield Entry(f"support.{slope.benchmark}", slope, measures.SUPPORT, items)
        if len(slope.bins) > 1:
            for name, found in (("least", slope.bins[0]), ("most", slope.bins[-1])):
                yield Entry(f"support.{slope.benchmark}.{name}", found, measures.SUPPORT_END, items)
