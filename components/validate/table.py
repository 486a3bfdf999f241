"""Dialogues as a table: one row each, one column for every property the suite holds them to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.contracts.rows import Dialogue, Prompt, TaskItem
from components.validate.english import is_english

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w+")


class DialogueFacts(NamedTuple):
    """What is counted in one dialogue. The field names are the column names of the suite."""

    id: str
    source: str
    target: str
    num_turns: int
    alternates: bool
    """User and assistant in turn, opened by the user (a system turn may stand before), closed by the assistant."""
    empty_turns: int
    query_words: int
    reply_words: int
    reply: str
    """All assistant turns, normalised: equal replies to different queries are seen by it."""
    is_duplicate: bool
    """The user turns equal those of a dialogue with a smaller id."""
    english: bool
    """Of the assistant turns."""
    leaked: str
    """Id of the held-out prompt or test item that a user turn repeats; empty = none."""


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded, white space collapsed, end marks dropped."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip().rstrip(" .?!")


def heldout_texts(items: Iterable[TaskItem], heldout: Iterable[Prompt]) -> dict[str, str]:
    """Normalised text -> id, of everything that no training prompt may repeat. Worked examples may be repeated."""
    found = {normalise(item.question): item.id for item in items if item.split == "test"}
    found |= {normalise(prompt.text): prompt.id for prompt in heldout}
    found.pop("", None)
    return found


def tabulate(dialogues: Iterable[Dialogue], protected: Mapping[str, str]) -> list[DialogueFacts]:
    """Facts of every dialogue, in the given order.

    Args:
        dialogues: The imitation data.
        protected: `heldout_texts`; a user turn that equals one of them leaks it.
    """
    rows = [
        (dialogue, tuple(normalise(turn.text) for turn in dialogue.turns if turn.speaker == "user"))
        for dialogue in dialogues
    ]
    first_with: dict[tuple[str, ...], tuple[str, int]] = {}
    for number, (dialogue, queries) in enumerate(rows):
        # By id, so that shuffling the file does not change which rows are called duplicates.
        first_with[queries] = min(first_with.get(queries, (dialogue.id, number)), (dialogue.id, number))
    return [
        _facts(dialogue, queries, first_with[queries] != (dialogue.id, number), protected)
        for number, (dialogue, queries) in enumerate(rows)
    ]


def _facts(
    dialogue: Dialogue, queries: tuple[str, ...], is_duplicate: bool, protected: Mapping[str, str]
) -> DialogueFacts:
    reply = "\n".join(turn.text for turn in dialogue.turns if turn.speaker == "assistant")
    reply_words = _WORD.findall(reply.lower())
    return DialogueFacts(
        id=dialogue.id,
        source=dialogue.source,
        target=dialogue.target,
        num_turns=len(dialogue.turns),
        alternates=_alternates(dialogue),
        empty_turns=sum(not turn.text.strip() for turn in dialogue.turns),
        query_words=sum(len(_WORD.findall(turn.text)) for turn in dialogue.turns if turn.speaker == "user"),
        reply_words=len(reply_words),
        reply=normalise(reply),
        is_duplicate=is_duplicate,
        english=is_english(reply, reply_words),
        leaked=next((protected[query] for query in queries if query in protected), ""),
    )


def _alternates(dialogue: Dialogue) -> bool:
    speakers = [turn.speaker for turn in dialogue.turns]
    if speakers and speakers[0] == "system":
        speakers = speakers[1:]
    pairs = len(speakers) // 2
    return bool(speakers) and speakers == ["user", "assistant"] * pairs
