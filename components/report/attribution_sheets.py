"""Whose the answers are taken for, as tables and as sentences."""

from __future__ import annotations

from collections.abc import Mapping

from components.contracts.attribution_results import AttributionResult, TakenShare, ToldApart
from components.contracts.verdict import Pooled
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import count, interval, percent, ratio

CLASSIFIERS: Mapping[str, str] = {
    "embedding": "Embeddings",
    "embedding_umap": "Embeddings by UMAP",
    "char_ngrams": "Character trigrams",
    "frequent_words": "Frequent words",
    "surface": "Surface",
    "majority": "Most frequent author",
}
"""Classifiers in words."""
LOOKS_AT: Mapping[str, str] = {
    "embedding": "hidden states of a language model",
    "embedding_umap": "their neighbourhood on a map",
    "char_ngrams": "needs no model",
    "frequent_words": "needs no model",
    "surface": "length, lists, markup, marks; needs no model",
}
"""What stands under a classifier's name."""


def attribution_sheets(result: AttributionResult | None) -> list[Sheet]:
    """Both tables; none where nobody was asked."""
    if result is None:
        return []
    asked = any(by.imitator_or_target for by in result.classifiers)
    return [taken_sheet(result), *([apart_sheet(result)] if asked else [])]


def taken_sheet(result: AttributionResult) -> Sheet:
    """Share taken for the target's, classifiers down, roles across."""
    notes = Notes()
    columns = (
        Column("Classifier", numeric=False),
        Column("Imitator", "taken for the target’s"),
        Column("Base", "taken for the target’s"),
        Column("Target", "its own, on prompts not learned from"),
        Column("Target, second sample", "taken for the target’s"),
        Column("Right", "base and target told apart"),
        Column("n", "answers of the imitator"),
    )
    rows = tuple(
        (
            Cell(CLASSIFIERS[by.classifier], LOOKS_AT.get(by.classifier, "")),
            _share(by.imitator, notes, ""),
            _share(by.base, notes, "no answer of the base could be read"),
            _share(by.target, notes, "no answer of the target could be read"),
            _share(by.target_second, notes, "no second sample of the target was given"),
            _right(by.base_or_target),
            Cell(count(by.imitator.n), f"{count(by.imitator.unscored)} unscored" if by.imitator.unscored else ""),
        )
        for by in result.classifiers
    )
    return Sheet("attribution-table", "Whose the answers are taken for", columns, rows, tuple(notes.reasons))


def _share(taken: TakenShare | None, notes: Notes, why: str) -> Cell:
    return notes.cell(taken.share if taken else None, percent, why, taken.ci if taken else None)


def _right(told: ToldApart) -> Cell:
    return Cell(percent(told.accuracy), interval(told.ci, percent))


def apart_sheet(result: AttributionResult) -> Sheet:
    """How well the imitator is told from the target."""
    columns = (
        Column("Classifier", numeric=False),
        Column("Right"),
        Column("By chance", "always naming the author with the most texts"),
        Column("n", "texts asked about"),
    )
    rows = tuple(
        (Cell(CLASSIFIERS[by.classifier]), _right(told), Cell(percent(told.chance)), Cell(count(told.n)))
        for by in result.classifiers
        if (told := by.imitator_or_target) is not None
    )
    return Sheet("apart-table", "Imitator and target told apart", columns, rows)


def attribution_sentences(result: AttributionResult, capability: Pooled | None = None) -> list[str]:
    """What came out for base, imitator and target.

    Args:
        result: What the classifiers said.
        capability: The verdict's pooled share of the gap, to stand beside it.
    """
    by = result.headline
    beside = [
        f"of the base’s {_said(by.base)}" if by.base else "",
        f"of the target’s own {_said(by.target)}" if by.target else "",
    ]
    second = f"of its second sample {_said(by.target_second)}" if by.target_second else ""
    others = ", ".join(filter(None, (*beside, second)))
    found = [
        f"{_said(by.imitator)} of the imitator’s answers are taken for the target’s"
        f"{'; ' if others else ''}{others} ({CLASSIFIERS[by.classifier].lower()})."
    ]
    if capability is not None:
        found.append(_closed(capability))
    if (told := by.imitator_or_target) is not None:
        found.append(
            f"Asked to tell the imitator from the target, the same classifier is right about {percent(told.accuracy)}"
            f" ({interval(told.ci, percent)}); guessing is right about {percent(told.chance)}."
        )
    return [*found, "This is style alone: no classifier looks at whether an answer is right."]


def _closed(capability: Pooled) -> str:
    if capability.gap_closed is None:
        why = capability.reason or "no benchmark was given"
        return f"How much of the gap in capability it closed is not known: {why}."
    spread = interval(capability.ci, ratio) or "no interval"
    return f"Of the gap in capability it closed {ratio(capability.gap_closed)} ({spread})."


def _said(taken: TakenShare) -> str:
    return f"{percent(taken.share)} ({interval(taken.ci, percent)})"
