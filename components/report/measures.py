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
_JUDGED = ("judgments",)
_PREFERRING = "components/report/preferring"
PREFERENCE: Mapping[str, Measure] = {
    "n": Measure("prompts with a readable outcome", count, f"{_PREFERRING}/preference.py", _JUDGED, unit="prompts"),
    "unscored": Measure("prompts without", count, f"{_PREFERRING}/preference.py", _JUDGED, unit="prompts"),
    "wins": Measure("prompts won", count, f"{_PREFERRING}/preference.py", _JUDGED, unit="prompts"),
    "ties": Measure("prompts tied", count, f"{_PREFERRING}/preference.py", _JUDGED, unit="prompts"),
    "losses": Measure("prompts lost", count, f"{_PREFERRING}/preference.py", _JUDGED, unit="prompts"),
    "at_least_target": Measure(
        "share of prompts won or tied", percent, f"{_PREFERRING}/preference.py", _JUDGED, "ci", unit="prompts"
    ),
    "adjusted": Measure(
        "expected share, were both texts alike on the surface",
        percent,
        f"{_PREFERRING}/style_preference.py",
        (*_JUDGED, "features"),
        unit="prompts",
    ),
    "style_share": Measure(
        "part of the preference explained by style",
        percent,
        f"{_PREFERRING}/style_preference.py",
        (*_JUDGED, "features"),
        unit="prompts",
    ),
    "order_flips": Measure(
        "prompts judged differently in the two orders", count, f"{_PREFERRING}/preference.py", _JUDGED, unit="prompts"
    ),
}
_SHARES = "components/attribution/shares.py (interval by resampling prompts)"
TAKEN = Measure(
    "share of answers taken for the target's", percent, _SHARES, ("attributed", "attributions"), "ci", unit="answers"
)
RIGHT = Measure(
    "share of texts given to the one who wrote them",
    percent,
    _SHARES,
    ("attributed", "attributions"),
    "ci",
    unit="texts",
)
APART = RIGHT._replace(ports=("told_apart_texts", "told_apart"))
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
_TONED = ("imitator_tones", "imitator_scores")
SURE: Mapping[str, Measure] = {
    "n": Measure(
        "answers with a tone and a score", count, f"{_PREFERRING}/confidently_wrong.py", _TONED, unit="answers"
    ),
    "unscored": Measure("answers that lack one", count, f"{_PREFERRING}/confidently_wrong.py", _TONED, unit="answers"),
    "wrong": Measure("share that is wrong", percent, f"{_PREFERRING}/confidently_wrong.py", _TONED, unit="answers"),
    "sure": Measure("share that sounds sure", percent, f"{_PREFERRING}/confidently_wrong.py", _TONED, unit="answers"),
    "sure_and_wrong": Measure(
        "share that is sure and wrong", percent, f"{_PREFERRING}/confidently_wrong.py", _TONED, "ci", unit="answers"
    ),
    "wrong_given_sure": Measure(
        "share of wrong answers among the sure ones",
        percent,
        f"{_PREFERRING}/confidently_wrong.py",
        _TONED,
        "wrong_given_sure_ci",
        unit="answers",
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
}
