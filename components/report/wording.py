"""Numbers and words as a reader sees them: one spelling for the page, the figures and the terminal.

Nothing here decides anything. A number that cannot be had prints as an em dash, never as `None` or `nan`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

from components.contracts.judge_policy import DEMANDS
from components.contracts.verdict import BenchmarkResult, Interval, Pooled, PooledSets, Verdict

MISSING = "—"
MINUS = "−"

VERDICT_TITLES: Mapping[str, str] = {
    "CAPABILITY": "Capability",
    "LOCAL": "Local capability",
    "STYLE_ONLY": "Style only",
    "REGRESSION": "Regression",
    "INCONCLUSIVE": "Inconclusive",
}
VERDICT_MEANINGS: Mapping[str, str] = {
    "CAPABILITY": "The imitator does better than the base on tasks its training data did not cover.",
    "LOCAL": "The imitator does better on particular benchmarks, which are named, and nowhere else.",
    "STYLE_ONLY": "The imitator sounds like the target and does no better than the base.",
    "REGRESSION": "The imitator lost what the base could do.",
    "INCONCLUSIVE": "These data cannot tell. What is missing is listed.",
}
METRIC_TITLES: Mapping[str, str] = {
    "list_agreement": "Lists where the target lists",
    "summary_agreement": "Closing summary where the target has one",
    "length_correlation": "Length, correlation with the target",
    "authoritative": "Authoritative tone",
    "unigram_f1": "Words shared with the target (F1)",
}
_CORRELATIONS = frozenset({"length_correlation"})
_HUNDREDS = frozenset({"unigram_f1"})
# XML allows no control characters besides these; a model name may carry any.
_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_NEGATIVE = re.compile(r"(?<![\w.,/=+~^$#@&%:-])-(?=\.?\d)")


def typeset(text: str) -> str:
    """A sentence of ours as pages set it, with true minus signs; verdict.json and its like have hyphens.

    A hyphen is taken for a minus where a number follows and no word, number or sign precedes. Not for texts of models.
    """
    return _NEGATIVE.sub(MINUS, text)


def untypeset(text: str) -> str:
    """The same sentence for files that programs read."""
    return text.replace(MINUS, "-")


def clean(text: str) -> str:
    """Text without the characters that neither XML nor a terminal can show."""
    return _CONTROL.sub("\ufffd", text)


def finite(value: float | None) -> float | None:
    """The value, or None when it is null, NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def finite_interval(ci: Interval | None) -> Interval | None:
    """The interval, or None unless both ends are finite."""
    return ci if ci is not None and all(math.isfinite(end) for end in ci) else None


def _fixed(value: float | None, digits: int, *, signed: bool = False) -> str:
    if value is None or not math.isfinite(value):
        return MISSING
    rounded = round(value, digits) + 0.0  # a rounded -0.0 would print a sign that means nothing
    body = f"{abs(rounded):,.{digits}f}"
    if rounded < 0:
        return MINUS + body
    return f"+{body}" if signed and rounded > 0 else body


def ratio(value: float | None) -> str:
    """Gap closed, closeness, support: two decimals."""
    return _fixed(value, 2)


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal and its sign."""
    return MISSING if finite(value) is None else f"{bare_percent(value)}%"


def bare_percent(value: float | None) -> str:
    """A share as a percentage, without the sign: for axes and columns that say so."""
    return MISSING if value is None else _fixed(100 * value, 1)


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return MISSING if value is None else _fixed(100 * value, 1, signed=True)


def count(value: int | None) -> str:
    """A whole number with thousands separated."""
    return MISSING if value is None else f"{value:,}"


def p_value(value: float | None) -> str:
    """Three decimals, or the bound below which nobody reads on."""
    if finite(value) is None:
        return MISSING
    return "<0.001" if value is not None and value < 0.001 else _fixed(value, 3)


def grade(value: float | None) -> str:
    """A judge's grade in its own unit: one decimal."""
    return _fixed(value, 1)


def interval(ci: Interval | None, number: Callable[[float | None], str]) -> str:
    """`low to high`, or an empty string when there is none."""
    return "" if finite_interval(ci) is None or ci is None else f"{number(ci[0])} to {number(ci[1])}"


def metric_title(name: str) -> str:
    """A style metric in words."""
    return METRIC_TITLES.get(name, name)


def metric_number(name: str) -> Callable[[float | None], str]:
    """How values of a style metric are printed: correlation, 0-100 score, or share."""
    if name in _CORRELATIONS:
        return ratio
    return grade if name in _HUNDREDS else percent


def support_words(result: BenchmarkResult) -> str:
    """Whether the imitation data cover a benchmark, and how that is known."""
    if result.support_source in ("unknown", "behaviour"):
        return {"unknown": "unknown", "behaviour": "behaviour"}[result.support_source]
    word = "unknown" if result.supported is None else "covered" if result.supported else "not covered"
    measured = "" if finite(result.support) is None else f" {ratio(result.support)}"
    return f"{word} ({result.support_source}{measured})"


def distinct_pools(pooled: PooledSets) -> tuple[tuple[str, Pooled], ...]:
    """The pooled sets worth a row: non-empty, and not a repetition of the whole."""
    parts = (("Pooled, not covered by the data", pooled.unsupported), ("Pooled, covered by the data", pooled.supported))
    whole = set(pooled.all.benchmarks)
    kept = tuple((name, part) for name, part in parts if part.benchmarks and set(part.benchmarks) != whole)
    return (("Pooled, all", pooled.all), *kept)


def model_names(verdict: Verdict, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Names of base, imitator and target: as given, else from the provenance, else the role itself."""
    known = verdict.provenance.get("models")
    names: dict[str, str] = {}
    for role in ("base", "imitator", "target", "target_second"):
        found: object = (given or {}).get(role)
        if not found and isinstance(known, Mapping):
            found = known.get(role)
            if isinstance(found, Mapping):
                found = found.get("name")
        if isinstance(found, str) and found.strip():
            names[role] = clean(found)
        elif role != "target_second":
            names[role] = role
    return names


def gate_words(verdict: Verdict) -> str:
    """Whether the verdict passed, by which policy; of one that lets every verdict pass there is nothing to pass."""
    rules = verdict.provenance.get("policy")
    if verdict.gate == "pass" and isinstance(rules, Mapping) and not _requires(rules):
        return f"Policy {clean(verdict.policy.name)}, which sets no gate"
    passed = "Gate passed" if verdict.gate == "pass" else "Gate not passed"
    return f"{passed}, policy {clean(verdict.policy.name)}"


def _requires(rules: Mapping[str, object]) -> bool:
    """Whether a recorded policy demands a verdict, or a preference."""
    judges = rules.get("judges")
    preferred = isinstance(judges, Mapping) and any(judges.get(demand) is not None for demand in DEMANDS)
    return bool(rules.get("require")) or preferred


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
