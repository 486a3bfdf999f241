"""What the numbers of a verdict are: in words, by which formula, and from which rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from components.report.support_map import STEP
from components.report.wording import count, p_value, percent, points, ratio

Text = Callable[[Any], str]
SCORES = ("imitator_scores", "base_scores", "target_scores")
_ESTIMATES = "components/report/estimates.py, clustered.py (interval by dependent items)"


class Measure(NamedTuple):
    """What one field of the verdict is."""

    what: str
    """In words."""
    text: Text
    """How it is printed."""
    how: str
    """Where its formula stands, with its literature."""
    ports: tuple[str, ...]
    """Rows it comes from, those that say most first."""
    ci: str = ""
    """Field with its interval."""
    n: str = "n"
    """Field with what is counted behind it."""
    unit: str = "items"
    """What that counts."""


BENCHMARK: Mapping[str, Measure] = {
    "n": Measure("items with a score for base and imitator", count, "components/report/joining.py", SCORES[:2]),
    "unscored": Measure("items whose answer could not be scored", count, "components/report/joining.py", SCORES),
    "base": Measure("mean score of the base", percent, _ESTIMATES, ("base_scores",)),
    "imitator": Measure("mean score of the imitator", percent, _ESTIMATES, ("imitator_scores",)),
    "target": Measure("mean score of the target", percent, _ESTIMATES, ("target_scores",), n="n_gap"),
    "delta": Measure("imitator minus base on the same items, points", points, _ESTIMATES, SCORES[:2], "delta_ci"),
    "gap": Measure(
        "target minus base on the same items, points",
        points,
        _ESTIMATES,
        ("target_scores", "base_scores"),
        "gap_ci",
        "n_gap",
    ),
    "gap_closed": Measure(
        "change divided by gap",
        ratio,
        "components/report/fieller.py (Fieller 1954)",
        SCORES,
        "gap_closed_ci",
        "n_gap",
    ),
    "p": Measure("two-sided p for no change", p_value, "components/report/paired_tests.py", SCORES[:2]),
    "p_gain_holm": Measure(
        "one-sided p for no gain, adjusted over benchmarks",
        p_value,
        "components/report/paired_tests.py (Holm 1979)",
        SCORES[:2],
    ),
    "p_regression_holm": Measure(
        "one-sided p for no loss beyond the margin, adjusted over benchmarks",
        p_value,
        "components/report/paired_tests.py (Holm 1979)",
        SCORES[:2],
    ),
    "p_mcnemar": Measure(
        "exact p of items won and lost", p_value, "components/report/paired_tests.py (McNemar 1947)", SCORES[:2]
    ),
    "num_clusters": Measure("independent groups of items", count, "components/report/clustered.py", SCORES[:2]),
    "mde": Measure(
        "smallest change found with 80% power at this n, points",
        lambda value: points(value).removeprefix("+"),
        "components/report/paired_tests.py",
        SCORES[:2],
    ),
    "n_needed": Measure("items that would settle it", count, "components/report/demands.py", SCORES),
}
_SCORED = "components/report/score_intervals.py (score tests of right-or-wrong items: Tango 1998)"
SINGLES: Mapping[str, str] = {
    "delta": _SCORED,
    "p": _SCORED,
    "p_gain_holm": f"{_SCORED}, paired_tests.py (Holm 1979)",
    "p_regression_holm": f"{_SCORED}, paired_tests.py (Holm 1979)",
}
"""Where formulas stand for right-or-wrong items that stand alone."""
SINGLES_WITH_TARGET: Mapping[str, str] = {
    "gap": _SCORED,
    "gap_closed": "components/report/score_intervals.py (the same principle with three models)",
}
"""The same where the target's scores are such too."""
POOLED = Measure(
    "sum of changes over sum of gaps",
    ratio,
    "components/report/pooling.py, fieller.py",
    (*SCORES, "published"),
    "ci",
)
CLOSENESS = Measure(
    "(imitator - base) / (ceiling - base)",
    ratio,
    "components/report/closeness.py (interval by resampling prompts)",
    ("profiles", "published_style"),
    "ci",
    unit="prompts",
)
_SHARES = "components/attribution/shares.py (interval by resampling prompts)"
_ANSWERS = Measure("answers asked about", count, _SHARES, ("attributed", "attributions"), n="", unit="answers")
TAKEN: Mapping[str, Measure] = {
    "share": Measure(
        "share of answers taken for the target's",
        percent,
        _SHARES,
        ("attributed", "attributions"),
        "ci",
        unit="answers",
    ),
    "n": _ANSWERS,
}
RIGHT: Mapping[str, Measure] = {
    "accuracy": Measure(
        "share of texts given to the one who wrote them",
        percent,
        _SHARES,
        ("attributed", "attributions"),
        "ci",
        unit="texts",
    ),
}
_APART = ("told_apart_texts", "told_apart")
APART: Mapping[str, Measure] = {
    "accuracy": RIGHT["accuracy"]._replace(ports=_APART),
    "chance": Measure("share right by always naming the author with the most texts", percent, _SHARES, _APART),
    "n": _ANSWERS._replace(what="texts asked about", ports=_APART),
}
_CHANGED = ("imitator_variants", "base_variants", "imitator_scores", "base_scores")
READING: Mapping[str, Measure] = {
    "n": Measure("items with a score of both models", count, "components/report/readings.py", _CHANGED),
    "base": Measure(
        "mean score of the base", percent, "components/report/readings.py", ("base_variants", "base_scores")
    ),
    "imitator": Measure(
        "mean score of the imitator", percent, "components/report/readings.py", ("imitator_variants", "imitator_scores")
    ),
    "delta": Measure("imitator minus base, points", points, "components/report/readings.py", _CHANGED, "delta_ci"),
}
FORM: Mapping[str, Measure] = {
    "n": Measure("items with both readings of both models", count, "components/report/readings.py", _CHANGED),
    "strict": Measure("strict change, points", points, "components/report/readings.py", _CHANGED, "strict_ci"),
    "knowledge": Measure(
        "change of the answers inside replies, points",
        points,
        "components/report/readings.py",
        _CHANGED,
        "knowledge_ci",
    ),
    "form": Measure(
        "the rest: how replies are written, points", points, "components/report/readings.py", _CHANGED, "form_ci"
    ),
}
SUPPORT: Mapping[str, Measure] = {
    "n": Measure(
        "items with scores and a support", count, "components/report/support_map.py", ("support", *SCORES[:2])
    ),
    "slope": Measure(
        f"change of the gain per {STEP:g} of support, points",
        lambda value: points(None if value is None else STEP * value),
        "components/report/slopes.py (Bell and McCaffrey 2002)",
        ("support", *SCORES[:2]),
        "slope_ci",
    ),
    "p": Measure("two-sided p for no slope", p_value, "components/report/slopes.py", ("support", *SCORES[:2])),
    "without_support": Measure(
        "items with scores whose support is not known",
        count,
        "components/report/support_map.py",
        ("support", *SCORES[:2]),
    ),
    "num_clusters": Measure(
        "independent groups of items behind the interval", count, "components/report/slopes.py", SCORES[:2]
    ),
}
SUPPORT_END: Mapping[str, Measure] = {
    "gain": Measure(
        "mean change of items at this end of support, points",
        points,
        "components/report/support_map.py, clustered.py",
        ("support", *SCORES[:2]),
        "ci",
    ),
}
