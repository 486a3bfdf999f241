"""Which queries are the same, and which come first when only a part is wanted."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence

from components.contracts.dialogue_rows import Dialogue, Removal


def normalise_query(text: str) -> str:
    """The form in which two queries are compared: NFKC, case folded, white space collapsed, end marks dropped.

    Inner punctuation stays: "x+y" and "x-y" are two queries.
    """
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(folded.casefold().split()).rstrip(" .?!")


def first_query(dialogue: Dialogue) -> str:
    """The first user turn; empty when there is none."""
    return next((turn.text for turn in dialogue.turns if turn.speaker == "user"), "")


def query_key(dialogue: Dialogue) -> str:
    """What two dialogues share when they ask the same: all their user turns, normalised.

    All turns and not the first: "hi" opens many different conversations.
    """
    return "\n".join(normalise_query(turn.text) for turn in dialogue.turns if turn.speaker == "user")


def stable_rank(text: str, seed: int) -> str:
    """A random-looking but fixed place for a text: the same on every machine, whatever else is in the data."""
    return hashlib.sha256(f"{seed}\0{text}".encode(errors="surrogatepass")).hexdigest()


def content_rank(dialogue: Dialogue) -> str:
    """Decides which of several dialogues that ask the same is kept: a hash of what was said, by whom, in which dump.

    Neither of the id nor of the passport, which say where in a file it stood.
    """
    spoken = [[turn.speaker, turn.text] for turn in dialogue.turns]
    return stable_rank(json.dumps([dialogue.source, dialogue.target, spoken]), 0)


def drop_duplicates(dialogues: Iterable[Dialogue]) -> tuple[list[Dialogue], list[Removal]]:
    """Keep one dialogue of each query (exact match of `query_key`).

    Which one is kept does not depend on the order: the one whose content hashes lowest, so that no habit of the file
    (longest first, newest first) decides. The kept come sorted by id.
    """
    groups: dict[str, list[Dialogue]] = {}
    for dialogue in dialogues:
        groups.setdefault(query_key(dialogue), []).append(dialogue)
    kept: list[Dialogue] = []
    removed: list[Removal] = []
    for group in groups.values():
        chosen, *rest = sorted(group, key=lambda d: (content_rank(d), d.id))
        kept.append(chosen)
        removed += [removal(dialogue, "duplicate", f"asks the same as {chosen.id}") for dialogue in rest]
    return sorted(kept, key=lambda d: d.id), sorted(removed, key=lambda r: (r.id, r.raw))


def in_subset_order(dialogues: Sequence[Dialogue], seed: int) -> list[Dialogue]:
    """Dialogues in an order whose every prefix is a random subset; so a smaller subset lies within a larger one.

    The order hangs on the queries alone: another target's replies to the same prompts give the same subsets.
    """
    return sorted(dialogues, key=lambda d: (stable_rank(query_key(d), seed), d.id))


def removal(dialogue: Dialogue, reason: str, detail: str) -> Removal:
    """A dialogue set aside, with its turns as text for a person to look at."""
    raw = "\n\n".join(f"{turn.speaker}: {turn.text}" for turn in dialogue.turns)
    return Removal(id=dialogue.id, reason=reason, detail=detail, raw=raw)
