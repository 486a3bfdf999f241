"""A verdict for machines: JUnit's XML for a CI, and Prometheus' text format for a textfile collector."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

from components.contracts.verdict import BenchmarkResult, Verdict, VerdictWord
from components.report.wording import clean, finite, model_names, points, untypeset

UNDECIDED = ("cannot tell", "gap not measurable", "unusable")


def junit(verdict: Verdict) -> str:
    """One case for the gate and one a benchmark.

    The gate alone can fail, so that a CI reading this file and one reading the exit code agree. A benchmark that says
    nothing is skipped, with its reason.
    """
    name = model_names(verdict)["imitator"]
    cases = [_gate(verdict, name), *(_case(b, name) for b in verdict.benchmarks)]
    skipped = sum(case.find("skipped") is not None for case in cases)
    suite = ET.Element(
        "testsuite",
        name="touchstone",
        tests=str(len(cases)),
        failures=str(int(verdict.gate == "fail")),
        errors="0",
        skipped=str(skipped),
    )
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _gate(verdict: Verdict, name: str) -> ET.Element:
    case = ET.Element("testcase", classname=f"touchstone.{name}", name="gate", time="0")
    if verdict.gate == "fail":
        why = "; ".join(verdict.gate_missing) or f"the verdict is {verdict.verdict}"
        found = ET.SubElement(case, "failure", type=verdict.verdict, message=clean(why))
        found.text = clean("\n".join((verdict.reason, *verdict.would_change)))
    else:
        ET.SubElement(case, "system-out").text = clean(f"{verdict.verdict}: {verdict.reason}")
    return case


def _case(b: BenchmarkResult, name: str) -> ET.Element:
    case = ET.Element("testcase", classname=f"touchstone.{name}", name=clean(b.name), time="0")
    if b.label in UNDECIDED:
        needed = f"{b.n_needed:,} items would settle it" if b.n_needed else ""
        why = "; ".join(filter(None, (b.label, b.gap_closed_reason, needed)))
        ET.SubElement(case, "skipped", message=clean(why))
    ET.SubElement(case, "system-out").text = clean(f"{b.label}; change {untypeset(points(b.delta))} points, n {b.n:,}")
    return case


class Sample(NamedTuple):
    """One line of a metric."""

    labels: Mapping[str, str]
    value: float


METRICS: Mapping[str, str] = {
    "touchstone_verdict": "1 for the verdict that was reached, 0 for the others.",
    "touchstone_gate_passed": "1 when everything that the policy requires was shown.",
    "touchstone_gap_closed": "Share of the gap from base to target that was closed, pooled over benchmarks.",
    "touchstone_benchmark_score": "Mean score of a model on a benchmark.",
    "touchstone_benchmark_gap_closed": "Share of a benchmark's gap that was closed.",
    "touchstone_benchmark_items": "Items with a score of base and imitator.",
    "touchstone_benchmark_unscored": "Items that could not be scored.",
    "touchstone_style_closeness": "How much of the target's style was taken on; 0 = base, 1 = ceiling.",
    "touchstone_taken_for_target": "Share of a model's answers that a classifier takes for the target's.",
    "touchstone_preferred_share": "Share of prompts on which the model was found at least as good.",
}
"""Metric -> what it says. `touchstone_gate_passed` is that of the steps, here with the imitator's name."""


def prometheus(verdict: Verdict) -> str:
    """The verdict's numbers as gauges; a number that cannot be had has no line, for 0 would be a claim."""
    name = model_names(verdict)["imitator"]
    lines: list[str] = []
    for metric, samples in _samples(verdict).items():
        known = [s for s in samples if finite(s.value) is not None]
        if known:
            lines += [f"# HELP {metric} {METRICS[metric]}", f"# TYPE {metric} gauge"]
            lines += [f"{metric}{_labels({'imitator': name, **s.labels})} {s.value:.10g}" for s in known]
    return "\n".join(lines) + "\n"


def _samples(verdict: Verdict) -> dict[str, list[Sample]]:
    pools = {"all": verdict.pooled.all, "uncovered": verdict.pooled.unsupported, "covered": verdict.pooled.supported}
    return {
        "touchstone_verdict": [
            Sample({"verdict": word}, float(word == verdict.verdict)) for word in get_args(VerdictWord)
        ],
        "touchstone_gate_passed": [Sample({"name": "verdict"}, float(verdict.gate == "pass"))],
        "touchstone_gap_closed": [_sample({"set": name}, part.gap_closed) for name, part in pools.items()],
        "touchstone_benchmark_score": list(_scores(verdict.benchmarks)),
        "touchstone_benchmark_gap_closed": [_sample({"benchmark": b.name}, b.gap_closed) for b in verdict.benchmarks],
        "touchstone_benchmark_items": [Sample({"benchmark": b.name}, b.n) for b in verdict.benchmarks],
        "touchstone_benchmark_unscored": [Sample({"benchmark": b.name}, b.unscored) for b in verdict.benchmarks],
        "touchstone_style_closeness": [_sample({}, verdict.style.closeness)],
        "touchstone_taken_for_target": list(_taken(verdict)),
        "touchstone_preferred_share": [
            _sample({"source": row.source, "model": row.model, "opponent": row.opponent}, row.at_least_target)
            for row in verdict.preference
        ],
    }


def _scores(results: Sequence[BenchmarkResult]) -> Iterator[Sample]:
    for b in results:
        for role, value in (("base", b.base), ("imitator", b.imitator), ("target", b.target)):
            yield _sample({"benchmark": b.name, "role": role}, value)


def _taken(verdict: Verdict) -> Iterator[Sample]:
    for by in verdict.attribution.classifiers if verdict.attribution else ():
        for role in ("base", "imitator", "target", "target_second"):
            if (taken := getattr(by, role)) is not None:
                yield Sample({"classifier": by.classifier, "role": role}, taken.share)


def _sample(labels: Mapping[str, str], value: float | None) -> Sample:
    return Sample(labels, float("nan") if value is None else value)


def _labels(labels: Mapping[str, str]) -> str:
    def quoted(text: str) -> str:
        return clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in labels.items()) + "}"
