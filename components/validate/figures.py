"""The figures of a set of imitation data: one row, with everything that was given or measured, for page and report."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

from components.contracts.data_rows import (
    CategoryReview,
    DataFigures,
    Overlap,
    QueryNeighbour,
)
from components.contracts.dialogue_rows import Removal
from components.contracts.leakage import count_leakage
from components.validate.category_shares import category_shares
from components.validate.table import DialogueTable
from components.validate.tables import MAX_UNSCORED_SHARE, Tables
from components.validate.toxicity import TOXIC_FROM

NOT_SEARCHED = "not measured: the data were not searched (touchstone data overlap; port overlap)"
NOT_COMPARED = "not measured: queries were not compared (touchstone data overlap; port neighbours)"
NOTHING_HELD_OUT = "not measured: neither held-out prompts nor test items were given"
NO_ITEMS = "not measured: the search found no held-out prompts or test items"


def measure(
    dialogues: DialogueTable,
    *,
    overlap: Iterable[Overlap] | None,
    neighbours: Iterable[QueryNeighbour] | None,
    review: Iterable[CategoryReview],
    anything_held_out: bool,
) -> Tables:
    """The tables of the suite; None stands for what was not given.

    Raises:
        TouchstoneError: a reviewed query is not in the data.
    """
    unmeasured: dict[str, str] = {}
    leakage = [] if overlap is None else count_leakage(overlap)
    if not leakage:
        unmeasured["leakage"] = NOT_SEARCHED if overlap is None else NO_ITEMS
    nearest = array("d", (row.bleu for row in neighbours or ()))
    if not nearest:
        unmeasured["neighbours"] = NOT_COMPARED
    if not anything_held_out:
        unmeasured["leaked"] = NOTHING_HELD_OUT
    missing = sum(dialogues.unscored.values())
    if missing > MAX_UNSCORED_SHARE * len(dialogues):
        why = "; ".join(f"{reason}: {count}" for reason, count in dialogues.unscored.items())
        unmeasured["toxicity"] = (
            f"not evaluated: {missing} of {len(dialogues)} dialogues ({missing / len(dialogues):.1%}) could not be "
            f"scored ({why})"
        )
    classified = dict(zip(dialogues.texts["id"], dialogues.texts["category"], strict=True))
    return Tables(dialogues, nearest, leakage, category_shares(classified, review), unmeasured)


def toxic_share(dialogues: DialogueTable) -> float | None:
    """Share of the scored dialogues with a toxic reply; None when none was scored."""
    scored = [value for value in dialogues.numbers["toxicity"] if value == value]
    return sum(value >= TOXIC_FROM for value in scored) / len(scored) if scored else None


def data_figures(name: str, tables: Tables, removed: Iterable[Removal]) -> DataFigures:
    """The row of figures.

    Args:
        name: What the data are called.
        tables: What was measured.
        removed: What was set aside on the way.
    """
    dialogues = tables.dialogues
    nearest = tables.neighbours
    return DataFigures(
        name=name,
        dialogues=len(dialogues),
        turns=dialogues.total("num_turns"),
        imitation_words=dialogues.total("reply_words"),
        removed=_counted(Counter(row.reason for row in removed)),
        sources=dialogues.count("source"),
        targets=dialogues.count("target"),
        languages=dialogues.count("language"),
        terms=dialogues.count("terms"),
        redacted=dict(dialogues.redacted),
        diversity_bleu=sum(nearest) / len(nearest) if nearest else None,
        diversity_queries=len(nearest),
        leakage=tuple(tables.leakage),
        categories=tuple(tables.categories),
        toxic_share=toxic_share(dialogues),
        toxic_unscored=sum(dialogues.unscored.values()),
    )


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
