"""Dialogues set down on disk until it is known which of them stay: a hundred bytes of memory each, however long."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from components.contracts.dialogue_rows import Dialogue, Removal
from components.ingest.cleaning import Cleaned
from components.ingest.queries import removal
from components.ingest.scratch import Scratch

Ints = npt.NDArray[np.int64]
RECENT_QUERIES = 100_000
NO_SIGNATURE = -1
ID_MARK_CHARS = 12


class Decision(NamedTuple):
    """Which dialogues of a spool stay, as row numbers."""

    kept: Ints
    """In the order of their keys: every prefix is a random subset."""
    duplicates: Ints
    """Grouped by query."""
    same_as: Ints
    """Of each duplicate: the dialogue that was preferred."""
    near: Ints
    """In the order of their keys."""
    like: Ints
    """Of each near-duplicate: the kept dialogue it is like."""


class Spool:
    """Cleaned rows on disk. A context manager: the files go with it.

    Raises:
        TouchstoneError: the disk is full or may not be written.
    """

    def __init__(self, folder: Path) -> None:
        """Put scratch files into `folder`."""
        self._stack = ExitStack()
        self._rows, self._words, self._shingles = (self._stack.enter_context(Scratch(folder)) for _ in range(3))
        # Of a dialogue: both halves of its key, rank, identity, place and length of its row, place of its signature.
        self._high, self._low, self._rank, self._identity = array("Q"), array("Q"), array("Q"), array("Q")
        self._place, self._length, self._signature = array("Q"), array("I"), array("q")
        # Of a removal: reason, digests to sort by, place and length.
        self._gone = array("Q")
        self._reasons: dict[str, int] = {}
        self._word_counts, self._shingle_counts = array("I"), array("I")
        self._recent: set[bytes] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def reasons(self) -> Counter[str]:
        """Removals taken, by reason."""
        counts = np.bincount(self._removals()[:, 0].astype(np.int64), minlength=len(self._reasons))
        return Counter({reason: int(counts[code]) for reason, code in self._reasons.items()})

    @property
    def num_signatures(self) -> int:
        """Signatures of queries on disk; at least one of each query."""
        return len(self._word_counts)

    def add(self, cleaned: Cleaned) -> None:
        """Take one row."""
        place = self._rows.append(cleaned.row)
        if cleaned.reason:
            code = self._reasons.setdefault(cleaned.reason, len(self._reasons))
            self._gone.extend((code, cleaned.identity, cleaned.rank, place, len(cleaned.row)))
        else:
            self._add_dialogue(cleaned, place)

    def _add_dialogue(self, cleaned: Cleaned, place: int) -> None:
        self._high.append(int.from_bytes(cleaned.key[:8], "big"))
        self._low.append(int.from_bytes(cleaned.key[8:], "big"))
        self._rank.append(cleaned.rank)
        self._identity.append(cleaned.identity)
        self._place.append(place)
        self._length.append(len(cleaned.row))
        if not cleaned.shingles or cleaned.key in self._recent:
            # One query a million times has one signature on disk, or one for every 100,000 other queries.
            self._signature.append(NO_SIGNATURE)
            return
        if len(self._recent) >= RECENT_QUERIES:
            self._recent.clear()
        self._recent.add(cleaned.key)
        self._signature.append(len(self._word_counts))
        self._word_counts.append(len(cleaned.words) // 8)
        self._shingle_counts.append(len(cleaned.shingles) // 8)
        self._words.append(cleaned.words)
        self._shingles.append(cleaned.shingles)

    def decide(self, threshold: float | None) -> Decision:
        """Find duplicates, and near-duplicates above a threshold.

        Of those that ask the same, the one whose content hashes lowest stays; of near-duplicates likewise.
        """
        high, low, rank, identity = (
            np.frombuffer(column, np.uint64) for column in (self._high, self._low, self._rank, self._identity)
        )
        order = np.lexsort((identity, rank, low, high))
        opens = np.ones(len(order), np.bool_)
        opens[1:] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
        starts = np.flatnonzero(opens)
        chosen = order[starts]
        group = np.cumsum(opens) - 1
        like = np.full(len(chosen), -1, np.int64)
        if threshold is not None and len(chosen) > 1:
            signatures = np.maximum.reduceat(np.frombuffer(self._signature, np.int64)[order], starts)
            like = self._like(signatures, np.lexsort((identity[chosen], rank[chosen])), threshold)
        is_kept = like < 0
        return Decision(
            kept=chosen[is_kept],
            duplicates=order[~opens],
            same_as=chosen[group[~opens]],
            near=chosen[~is_kept],
            like=chosen[like[~is_kept]],
        )

    def _like(self, signatures: Ints, order: Ints, threshold: float) -> Ints:
        from components.ingest.set_join import Sets, join  # compiles

        found = join(
            Sets(self._words.hashes(), _starts(self._word_counts)),
            Sets(self._shingles.hashes(), _starts(self._shingle_counts)),
            signatures[order],
            threshold,
        )
        group_of = np.full(len(self._word_counts), -1, np.int64)
        group_of[signatures] = np.arange(len(signatures))
        like = found[signatures]
        return np.where(like < 0, -1, group_of[like])

    def kept(self, decision: Decision) -> Iterator[Dialogue]:
        """The dialogues that stay, each with an id of its own."""
        return map(self._dialogue, decision.kept.tolist())

    def removed(self, decision: Decision) -> Iterator[Removal]:
        """Everything else, sorted by reason."""
        for reason in sorted({*self._reasons, "duplicate", "near_duplicate"}):
            if reason in self._reasons:
                yield from self._set_aside(self._reasons[reason])
            if reason == "duplicate":
                yield from self._like_another(reason, "asks the same as", decision.duplicates, decision.same_as)
            elif reason == "near_duplicate":
                yield from self._like_another(reason, "asks nearly the same as", decision.near, decision.like)

    def _like_another(self, reason: str, how: str, numbers: Ints, others: Ints) -> Iterator[Removal]:
        other, named = -1, ""
        for number, its_other in zip(numbers.tolist(), others.tolist(), strict=True):
            if its_other != other:
                other, named = its_other, self._dialogue(its_other).id
            yield removal(self._dialogue(number), reason, f"{how} {named}")

    def _set_aside(self, code: int) -> Iterator[Removal]:
        removals = self._removals()
        ours = removals[removals[:, 0] == code]
        for index in np.lexsort((ours[:, 2], ours[:, 1])):
            yield Removal.model_validate_json(self._rows.read(int(ours[index, 3]), int(ours[index, 4])))

    def _removals(self) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self._gone, np.uint64).reshape(-1, 5)

    @cached_property
    def _ids_taken_twice(self) -> frozenset[int]:
        """Hashes of ids that dialogues of different content share: two dumps may both count from 1."""
        identity, rank = np.frombuffer(self._identity, np.uint64), np.frombuffer(self._rank, np.uint64)
        order = np.lexsort((rank, identity))
        again = (identity[order[1:]] == identity[order[:-1]]) & (rank[order[1:]] != rank[order[:-1]])
        return frozenset(identity[order[1:]][again].tolist())

    def _dialogue(self, number: int) -> Dialogue:
        found = Dialogue.model_validate_json(self._rows.read(self._place[number], self._length[number]))
        if self._identity[number] in self._ids_taken_twice:
            mark = f"{self._rank[number]:016x}"[:ID_MARK_CHARS]
            return found.model_copy(update={"id": f"{found.id}~{mark}"})
        return found


def _starts(counts: array[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(np.frombuffer(counts, np.uint32), dtype=np.int64)])
