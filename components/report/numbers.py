"""Every number of a verdict by an address such as `nq.delta`: its value, its interval, and the rows it comes from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.contracts.errors import UsageError
from components.contracts.verdict import BenchmarkResult, Interval, Verdict
from components.report import measures
from components.report.measures import Measure
from components.report.wording import metric_number

Selection = tuple[tuple[str, str], ...]
"""Field -> value: which rows of a port."""


class Number(NamedTuple):
    """One number of one verdict."""

    address: str
    """What to give to `touchstone verdict --show`."""
    value: float | int | None
    """Null where it cannot be had."""
    ci: Interval | None
    """Its interval, where it has one."""
    n: int | None
    """What is counted behind it."""
    reason: str
    """Why the value is null, where that is known."""
    rows: tuple[tuple[str, Selection], ...]
    """Port and which of its rows, those that say most first."""
    measure: Measure
    """What it is."""

    @property
    def text(self) -> str:
        """As the page prints it."""
        return self.measure.text(self.value)


class _Entry(NamedTuple):
    """A part of the verdict with its numbers."""

    address: str
    part: Any
    fields: Mapping[str, Measure]
    chosen: Selection = ()
    """Which rows of its ports are meant."""


def numbers(verdict: Verdict) -> dict[str, Number]:
    """Address -> number, in the order of the page; those that cannot be had are among them."""
    return {number.address: number for entry in _entries(verdict) for number in _numbers(entry, verdict)}


def find(verdict: Verdict, address: str) -> Number:
    """One number.

    Raises:
        UsageError: there is none of this address.
    """
    known = numbers(verdict)
    if address not in known:
        close = difflib.get_close_matches(address, known, 3)
        raise UsageError(
            f"there is no number {address}",
            expected=f"perhaps {', '.join(close)}" if close else "an address such as style.closeness",
            remedy="--show all lists every address",
        )
    return known[address]


def _entries(verdict: Verdict) -> Iterator[_Entry]:
    for b in verdict.benchmarks:
        yield _Entry(b.name, b, measures.BENCHMARK, (("benchmark", b.name),))
    for name in ("unsupported", "supported", "all"):
        yield _Entry(f"pooled.{name}", getattr(verdict.pooled, name), {"gap_closed": measures.POOLED})
    for name, metric in verdict.style.metrics.items():
        yield _Entry(f"style.{name}", metric, _of_metric(name))
    overall = measures.CLOSENESS._replace(what="mean over measurable metrics of their closeness")
    yield _Entry("style", verdict.style, {"closeness": overall})
    yield from _opinions(verdict)
    yield from _explanations(verdict)


def _of_metric(name: str) -> dict[str, Measure]:
    agreement = measures.CLOSENESS._replace(text=metric_number(name), ci="", n="")
    says = {
        "base": "agreement of the base",
        "imitator": "agreement of the imitator",
        "ceiling": "agreement of the ceiling",
    }
    made = {role: agreement._replace(what=f"{words} with the target") for role, words in says.items()}
    return {**made, "closeness": measures.CLOSENESS._replace(n="")}


def _opinions(verdict: Verdict) -> Iterator[_Entry]:
    """What people, judges and classifiers make of the texts."""
    for place, row in enumerate(verdict.preference, 1):
        chosen = (("source", row.source), ("model", row.model), ("opponent", row.opponent))
        yield _Entry(f"preference.{place}", row, measures.PREFERENCE, chosen)
    for place, cell in enumerate(verdict.confidently_wrong, 1):
        yield _Entry(f"sure.{place}", cell, measures.SURE, (("benchmark", cell.benchmark),))
    for by in verdict.attribution.classifiers if verdict.attribution else ():
        start, classifier = f"attribution.{by.classifier}", ("classifier", str(by.classifier))
        for role in ("imitator", "base", "target", "target_second"):
            if (taken := getattr(by, role)) is not None:
                yield _Entry(f"{start}.{role}", taken, {"share": measures.TAKEN}, (classifier, ("author", role)))
        yield _Entry(f"{start}.base_or_target", by.base_or_target, {"accuracy": measures.RIGHT}, (classifier,))
        if by.imitator_or_target is not None:
            yield _Entry(
                f"{start}.imitator_or_target", by.imitator_or_target, {"accuracy": measures.APART}, (classifier,)
            )


def _explanations(verdict: Verdict) -> Iterator[_Entry]:
    """What stands beside the headline's reading."""
    for loss in verdict.format_loss:
        yield _Entry(f"form.{loss.benchmark}", loss, measures.FORM, (("benchmark", loss.benchmark),))
    for place, reading in enumerate(verdict.readings, 1):
        chosen = (("benchmark", reading.benchmark), ("channel", reading.channel))
        yield _Entry(f"readings.{place}", reading, measures.READING, chosen)
    for slope in verdict.support_map.benchmarks if verdict.support_map else ():
        yield _Entry(f"support.{slope.benchmark}", slope, measures.SUPPORT, (("benchmark", slope.benchmark),))


def _numbers(entry: _Entry, verdict: Verdict) -> Iterator[Number]:
    for name, measure in entry.fields.items():
        counted = getattr(entry.part, measure.n, None) if measure.n else None
        yield Number(
            address=f"{entry.address}.{name}",
            value=getattr(entry.part, name),
            ci=getattr(entry.part, measure.ci) if measure.ci else None,
            n=verdict.style.n if measure.unit == "prompts" and counted is None else counted,
            reason=_reason(entry.part, name),
            rows=tuple(_rows(port, entry, verdict) for port in measure.ports),
            measure=measure,
        )


def _rows(port: str, entry: _Entry, verdict: Verdict) -> tuple[str, Selection]:
    """The port and which of its rows; of a role without item scores the number that was published."""
    role, _, kind = port.partition("_")
    if kind != "scores" or not isinstance(entry.part, BenchmarkResult):
        return port, entry.chosen
    joins = verdict.provenance.get("joins")
    if not isinstance(joins, Mapping):
        return port, entry.chosen
    join = joins.get(entry.part.name)
    given = join.get("given") if isinstance(join, Mapping) else None
    scored = isinstance(given, Mapping) and given.get(role)
    return (port, entry.chosen) if scored else ("published", (*entry.chosen, ("role", role)))


def _reason(part: Any, name: str) -> str:
    if getattr(part, name) is not None:
        return ""
    return getattr(part, f"{name}_reason", None) or getattr(part, "reason", None) or getattr(part, "note", None) or ""
