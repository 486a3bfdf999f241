"""What the numbers of people, judges and tones are: in words, by which formula, and from which rows."""

from __future__ import annotations

from collections.abc import Mapping

from components.report.measures import Measure
from components.report.rater_sheets import change_of_time, seconds
from components.report.wording import count, grade, percent, ratio

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
    "score_total": Measure("sum of the judge's grades of the model", grade, f"{_PREFERRING}/preference.py", _JUDGED),
    "opponent_score_total": Measure(
        "sum of the judge's grades of the opponent", grade, f"{_PREFERRING}/preference.py", _JUDGED
    ),
}
PULL = Measure(
    "change of the log-odds of being preferred per typical difference",
    ratio,
    f"{_PREFERRING}/style_fit.py, style_intervals.py (Bradley and Terry 1952)",
    (*_JUDGED, "features"),
    "ci",
    unit="prompts",
)
_AGREEING = f"{_PREFERRING}/agreement.py"
_CORRECTING = f"{_PREFERRING}/corrected_rates.py"
AGREEMENT: Mapping[str, Measure] = {
    "num_raters": Measure("voices in all", count, _AGREEING, _JUDGED, n=""),
    "num_items": Measure("pairs with two voices or more", count, _AGREEING, _JUDGED, n=""),
    "raw": Measure("share of equal pairs of votes", ratio, _AGREEING, _JUDGED, n="num_items", unit="pairs"),
    "alpha": Measure(
        "Krippendorff's alpha, nominal", ratio, _AGREEING, _JUDGED, "alpha_ci", n="num_items", unit="pairs"
    ),
    "fleiss": Measure("Fleiss' kappa", ratio, _AGREEING, _JUDGED, n="num_items", unit="pairs"),
    "at_least_target": Measure(
        "share of prompts won or tied, interval with other raters too",
        percent,
        f"{_PREFERRING}/rater_resampling.py",
        _JUDGED,
        "ci_raters",
        n="num_prompts",
        unit="prompts",
    ),
    "ppi": Measure(
        "the share by people's labels, PPI++",
        percent,
        f"{_CORRECTING} (Angelopoulos et al. 2023)",
        (*_JUDGED, "gold"),
        "ppi_ci",
        n="ppi_labelled",
        unit="labelled prompts",
    ),
    "rogan_gladen": Measure(
        "the share by people's labels, Rogan-Gladen",
        percent,
        f"{_CORRECTING} (Rogan and Gladen 1978)",
        (*_JUDGED, "gold"),
        "rogan_gladen_ci",
        n="rogan_gladen_labelled",
        unit="labelled prompts",
    ),
}
_QUALITY = f"{_PREFERRING}/rater_quality.py"
POOL: Mapping[str, Measure] = {
    "num_raters": Measure("raters, those left out included", count, _QUALITY, _JUDGED, n=""),
    "num_left_out": Measure("raters left out by a rule fixed before the data", count, _QUALITY, _JUDGED, n=""),
    "num_left_out_votes": Measure("their votes", count, _QUALITY, _JUDGED, n=""),
    "first_share": Measure("share of picks that went to the first", percent, _QUALITY, _JUDGED, "first_ci", n=""),
    "time_trend": Measure(
        "change of the time a vote over the session",
        change_of_time,
        _QUALITY,
        _JUDGED,
        "time_trend_ci",
        "num_timed",
        "raters",
    ),
    "num_timed": Measure("raters with three timed votes or more", count, _QUALITY, _JUDGED, n=""),
}
RECORD: Mapping[str, Measure] = {
    "n": Measure("votes that count", count, _QUALITY, _JUDGED, n=""),
    "agreement": Measure(
        "share of votes that agree with the others' majority",
        percent,
        f"{_QUALITY} (Wilson 1927)",
        _JUDGED,
        "agreement_ci",
        "num_shared",
        "pairs",
    ),
    "first_share": Measure(
        "share of picks that went to the first", percent, _QUALITY, _JUDGED, "first_ci", unit="votes"
    ),
    "tie_share": Measure("share of ties", percent, _QUALITY, _JUDGED, unit="votes"),
    "median_seconds": Measure("median seconds a vote", seconds, _QUALITY, _JUDGED, unit="votes"),
    "time_trend": Measure(
        "change of the time a vote over the session", change_of_time, _QUALITY, _JUDGED, "time_trend_ci", unit="votes"
    ),
}
_TRYING = f"{_PREFERRING}/qualification.py"
_TRIED = ("placebo_judgments", "judgments")
PLACEBO: Mapping[str, Measure] = {
    "n": Measure("prompts judged", count, _TRYING, _TRIED, n=""),
    "unscored": Measure("prompts without a verdict", count, _TRYING, _TRIED, n=""),
    "opponent_preferred": Measure(
        "share of prompts on which the real answer was preferred, ties as half",
        percent,
        _TRYING,
        _TRIED,
        "ci",
        unit="prompts",
    ),
}
GOLD = Measure(
    "share of pairs on which the judge agrees with people",
    percent,
    _TRYING,
    ("judgments", "gold"),
    "gold_ci",
    "num_gold",
    "labelled pairs",
)
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
