"""What the numbers about the imitation data and about costs are: in words, by which formula, and from which rows."""

from __future__ import annotations

from collections.abc import Mapping

from components.report.cost_sheet import dollars
from components.report.measures import SCORES, Measure
from components.report.wording import count, grade, percent, points, ratio

_FIGURES = ("figures",)
_COUNTING = "components/validate/figures.py"
DATA: Mapping[str, Measure] = {
    "dialogues": Measure("dialogues kept", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "removed": Measure("dialogues set aside", count, _COUNTING, ("removed", *_FIGURES), n=""),
    "turns": Measure("turns in them", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "imitation_words": Measure("words by the target", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "sources": Measure("dialogues with a source", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "targets": Measure("dialogues with a target model", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "languages": Measure("dialogues by language", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "terms": Measure("dialogues by terms of use", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "redacted": Measure("placeholders for personal data and secrets", count, _COUNTING, ("dialogues", *_FIGURES), n=""),
    "diversity": Measure(
        "mean BLEU of a query to the nearest other",
        grade,
        "components/overlap (sacrebleu's sentence BLEU, exact search)",
        _FIGURES,
        n="queries",
        unit="queries",
    ),
    "toxic": Measure(
        "share of dialogues with a toxic reply", percent, "components/validate/toxicity.py", _FIGURES, unit="dialogues"
    ),
}
"""Rows of the table of the imitation data, in their order."""
_SEARCHING = "components/overlap (exact search, sacrebleu's sentence BLEU)"
_SEARCHED = ("overlap",)
_SPLIT = ("overlap", *SCORES[:2])
LEAKAGE: Mapping[str, Measure] = {
    "n": Measure("items searched for", count, _SEARCHING, _SEARCHED, n=""),
    "dirty": Measure("items that count as leaked", count, _SEARCHING, _SEARCHED),
    "bleu_mean": Measure("mean over items of the highest BLEU", grade, _SEARCHING, _SEARCHED),
    "bleu_above_20": Measure("items with a BLEU above 20", count, _SEARCHING, _SEARCHED),
    "ngram8_found": Measure("items of which an 8-gram is found", count, _SEARCHING, _SEARCHED),
    "ngram13_found": Measure("items of which a 13-gram is found", count, _SEARCHING, _SEARCHED),
    "support": Measure(
        "mean highest cosine to 1,000 prompts of the data", ratio, "components/overlap/support.py", ("support",)
    ),
    "delta_clean": Measure(
        "imitator minus base without leaked items, points",
        points,
        "components/report/imitation_data.py",
        _SPLIT,
        "delta_clean_ci",
        "n_clean",
    ),
    "delta_dirty": Measure(
        "imitator minus base on leaked items, points",
        points,
        "components/report/imitation_data.py",
        _SPLIT,
        "delta_dirty_ci",
        "n_dirty",
    ),
}
CATEGORY: Mapping[str, Measure] = {
    "share": Measure(
        "share of queries, estimated", percent, "components/validate/category_shares.py", _FIGURES, "ci", n=""
    ),
    "classified": Measure(
        "share by the classifier alone", percent, "components/validate/categories.py", _FIGURES, n=""
    ),
    "reviewed": Measure("queries read by a person", count, "components/validate/category_shares.py", _FIGURES, n=""),
}
COST: Mapping[str, Measure] = {
    "replies": Measure("texts generated", count, "counted as they were read", (), n=""),
    "tokens": Measure(
        "tokens generated", count, "sum over the texts, as their server counted them", (), n="replies", unit="texts"
    ),
    "usd": Measure("US dollars billed", dollars, "sum of the ledger of requests", (), n="replies", unit="texts"),
}
