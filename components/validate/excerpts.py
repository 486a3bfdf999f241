"""What a reader is shown of a failing dialogue: how it opens, what was replied, and what the check stumbled over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from components.contracts.dialogue_rows import Dialogue
from components.validate.gate import Held
from components.validate.suite import Expectation
from components.validate.table import normalise
from components.validate.tables import Tables
from components.validate.toxicity import Scorer, local_scorer, worst_piece

HEAD_CHARS = 200
_SPACE = re.compile(r"\s+")
SILENT = frozenset({"row", "id", "queries", "alternates", "is_duplicate", "english"})
"""Columns whose value says nothing that the excerpt does not."""


class Excerpt(NamedTuple):
    """One failing dialogue as the page lists it."""

    row: int
    id: str
    value: str
    """What the checked column holds; empty where that says nothing."""
    query: str
    """The first 200 characters of the first user turn, or of the one that repeats a held-out text."""
    reply: str
    """The first 200 characters of the first reply, or the sentence for which it counts as toxic."""


def excerpts(
    dialogues: Iterable[Dialogue],
    suite: Sequence[Expectation],
    held: Sequence[Held],
    tables: Tables,
    protected: Mapping[str, str],
) -> list[list[Excerpt]]:
    """For each expectation the failing dialogues that the gate lists, in the order of the data.

    Args:
        dialogues: The data once more; only the listed ones are kept.
        suite: The expectations.
        held: What came of them, in the same order.
        tables: For the values that failed.
        protected: `heldout_texts`, to show the very turn that repeats one.
    """
    wanted = {row for one in held for row in one.rows}
    last = max(wanted, default=-1)
    texts: dict[int, Dialogue] = {}
    for row, dialogue in enumerate(dialogues):
        if row > last:
            break
        if row in wanted:
            texts[row] = dialogue
    toxic = any("toxicity" in expected.columns and one.rows for expected, one in zip(suite, held, strict=True))
    sight = _Sight(tables, protected, _scorer() if toxic else None)
    return [
        [_excerpt(row, texts[row], expected, sight) for row in one.rows]
        for expected, one in zip(suite, held, strict=True)
    ]


def _scorer() -> Scorer | None:
    try:
        return local_scorer()
    except Exception:  # it scored a moment ago; without it the reply's head is shown
        return None


class _Sight(NamedTuple):
    tables: Tables
    protected: Mapping[str, str]
    scorer: Scorer | None


def _excerpt(row: int, dialogue: Dialogue, expected: Expectation, sight: _Sight) -> Excerpt:
    column = (*expected.columns, "")[0]
    queries = [turn.text for turn in dialogue.turns if turn.speaker == "user"]
    query = queries[0] if queries else ""
    if column == "leaked":
        query = next((text for text in queries if normalise(text) in sight.protected), query)
    replies = [turn.text for turn in dialogue.turns if turn.speaker == "assistant"]
    reply = replies[0] if replies else ""
    if column == "toxicity" and sight.scorer and (worst := worst_piece("\n".join(replies), sight.scorer)):
        reply = worst.text
    return Excerpt(row, dialogue.id, _value(column, row, sight.tables), head(query), head(reply))


def _value(column: str, row: int, tables: Tables) -> str:
    dialogues = tables.dialogues
    if column in SILENT:
        return ""
    if column == "reply":
        return f"{dialogues.numbers['reply_repeats'][row]} others with this reply"
    if column in dialogues.texts:
        return dialogues.texts[column][row]
    if column in dialogues.numbers:
        return f"{dialogues.numbers[column][row]:.6g}"
    return ""


def head(text: str) -> str:
    """The first 200 characters on one line, with how many are left out."""
    whole = _SPACE.sub(" ", text[: 4 * HEAD_CHARS]).strip()
    if len(whole) <= HEAD_CHARS and len(text) <= 4 * HEAD_CHARS:
        return whole
    return f"{whole[:HEAD_CHARS]}… ({len(text):,} characters)"
