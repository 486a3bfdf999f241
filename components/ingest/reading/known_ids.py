"""Which ids a dump has had, and with which content: 16 bytes each, where a dict takes 130."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FRESH_IDS = 1 << 17
"""So many of the last ids stand in a dict; the others in a few sorted arrays."""
STEP = 4
"""An array is merged with the next as long as it is no larger than so many times it."""

Keys = npt.NDArray[np.uint64]


class _Run(NamedTuple):
    keys: Keys
    contents: Keys


class KnownIds:
    """From 64 bits of an id to 64 bits of the content it had.

    Two ids that share their 64 bits cost nothing worse than a longer id for the second.
    """

    def __init__(self) -> None:
        """Know none."""
        self._fresh: dict[int, int] = {}
        self._runs: list[_Run] = []

    def content(self, identity: str) -> int | None:
        """What was said to be the id's content; None for a new id."""
        key = _key(identity)
        found = self._fresh.get(key)
        if found is not None or not self._runs:
            return found
        wanted = np.uint64(key)
        for keys, contents in self._runs:
            place = int(keys.searchsorted(wanted))
            if place < len(keys) and keys[place] == wanted:
                return int(contents[place])
        return None

    def add(self, identity: str, content: int) -> None:
        """Remember a new id."""
        self._fresh[_key(identity)] = content
        if len(self._fresh) >= FRESH_IDS:
            self._fold()

    def _fold(self) -> None:
        run = _sorted(
            np.fromiter(self._fresh.keys(), np.uint64, len(self._fresh)),
            np.fromiter(self._fresh.values(), np.uint64, len(self._fresh)),
        )
        self._fresh = {}
        while self._runs and len(self._runs[-1].keys) <= STEP * len(run.keys):
            last = self._runs.pop()
            run = _sorted(np.concatenate((last.keys, run.keys)), np.concatenate((last.contents, run.contents)))
        self._runs.append(run)


def _sorted(keys: Keys, contents: Keys) -> _Run:
    # Stable: it finds the runs that are sorted already and merges them.
    order = np.argsort(keys, kind="stable")
    return _Run(keys[order], contents[order])


def _key(identity: str) -> int:
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "big")
