"""How alike the queries are: for each, the other query that comes nearest to it by sentence BLEU.

The mean of those scores is the diversity number of the study (8 for ShareGPT-Mix; 100 = every query is asked twice).
A query is left out of its own search, its duplicates are not. Queries are kept in a file, one JSON array a line, and
searched in blocks, so memory does not grow with them; work grows with their square, less what the bounds leave out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.overlap.bleu_nearest import NearestByBleu, Place, Standing
from components.overlap.streaming import in_order, pieces
from components.overlap.windows import Best

BLOCK_CHARS = 4 << 20
"""Characters of queries searched for at once: about a million tokens, 250 MB of index."""


class Query(NamedTuple):
    """A query and where it stands."""

    dialogue_id: str
    turn: int
    text: str


class SimilarQuery(NamedTuple):
    """A query, and the most similar other one."""

    query: Query
    bleu: float
    place: Place
    """The other's place; empty when no token is shared."""


def write_query(query: Query) -> str:
    """A line of a file of queries."""
    return json.dumps(query) + "\n"


def nearest_queries(added: Path, out: Path, *, earlier: Path | None = None, threads: int = 0) -> Iterator[SimilarQuery]:
    """Search every query among all others; those of `earlier` go on from what is known of them.

    Args:
        added: File of new queries, by `write_query`.
        out: Receives all queries with their standing; give it as `earlier` when there are more.
        earlier: What an earlier search wrote.
        threads: See `OverlapIndex`.

    Yields:
        Earlier queries, then the new ones, in their order; `out` is whole when all have been taken.
    """
    with out.open("w", encoding="utf-8") as log:
        count = 0
        if earlier is not None:
            known = sum(1 for _ in _lines(earlier))
            for block in _blocks(_standing(earlier)):
                # The others among `earlier` have been searched; only new ones can come nearer.
                yield from _search(block, lambda: _queries(added), known, None, threads, log.write)
                count += len(block)
        for block in _blocks((query, None) for query in _queries(added)):
            everything = (lambda: chain(_queries(earlier), _queries(added))) if earlier else (lambda: _queries(added))
            yield from _search(block, everything, 0, count, threads, log.write)
            count += len(block)


Known = tuple[Query, Standing | None]


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as stream:
        yield from stream


def _queries(path: Path) -> Iterator[Query]:
    return (Query(*json.loads(line)[:3]) for line in _lines(path))


def _standing(path: Path) -> Iterator[Known]:
    for line in _lines(path):
        *query, score, counts, place = json.loads(line)
        yield Query(*query), Standing(score, tuple(counts), Place(*place))


def _blocks(known: Iterable[Known]) -> Iterator[list[Known]]:
    block: list[Known] = []
    chars = 0
    for entry in known:
        if block and chars + len(entry[0].text) > BLOCK_CHARS:
            yield block
            block, chars = [], 0
        block.append(entry)
        chars += len(entry[0].text)
    if block:
        yield block


def _search(
    block: list[Known],
    others: Callable[[], Iterator[Query]],
    first_other: int,
    first_own: int | None,
    threads: int,
    write: Callable[[str], object],
) -> Iterator[SimilarQuery]:
    """Search one block among `others`, numbered from `first_other`; `first_own` = the block's first number there."""
    own = None if first_own is None else np.arange(first_own, first_own + len(block), dtype=np.int64)
    standings = [standing for _, standing in block if standing is not None]
    nearest = NearestByBleu([query.text for query, _ in block], own)
    if standings:
        nearest.resume(standings)
    submitted = absorbed = first_other

    def work(piece: list[Query]) -> Callable[[], Best]:
        nonlocal submitted
        first, submitted = submitted, submitted + len(piece)
        return nearest.work([query.text for query in piece], first)

    def absorb(piece: list[Query], found: Best) -> None:
        nonlocal absorbed
        nearest.absorb(found, lambda k: Place(piece[k].dialogue_id, piece[k].turn), absorbed)
        absorbed += len(piece)

    in_order(pieces(others(), lambda query: len(query.text)), work, absorb, threads)
    for (query, _), standing, (bleu, place) in zip(block, nearest.standings(), nearest.scores(), strict=True):
        write(json.dumps([*query, *standing]) + "\n")
        yield SimilarQuery(query, bleu, place)
