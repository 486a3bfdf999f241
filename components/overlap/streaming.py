"""Work on a stream, piece by piece in threads, with a result that does not depend on how many there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

FIRST_TEXTS = 64
"""The first piece is small, so that the best of every item is soon good enough to leave most of the rest out."""
MOST_TEXTS = 8_192
MOST_CHARS = 4 << 20

T = TypeVar("T")
Result = TypeVar("Result")


def num_threads(wanted: int) -> int:
    """`wanted`, or where it is 0 the processors this process may use."""
    if wanted:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pieces(texts: Iterable[T], length: Callable[[T], int]) -> Iterator[list[T]]:
    """Cut a stream into pieces of bounded size; a text longer than the bound is a piece of its own.

    Args:
        texts: The stream.
        length: Characters of one.
    """
    piece: list[T] = []
    chars, most = 0, FIRST_TEXTS
    for text in texts:
        if piece and (len(piece) == most or chars + length(text) > MOST_CHARS):
            yield piece
            piece, chars, most = [], 0, min(2 * most, MOST_TEXTS)
        piece.append(text)
        chars += length(text)
    if piece:
        yield piece


def in_order(
    stream: Iterable[T], work: Callable[[T], Callable[[], Result]], absorb: Callable[[T, Result], None], threads: int
) -> None:
    """Work on the pieces of `stream` in threads, and absorb their results in the stream's order.

    Args:
        stream: Pieces; at most two a thread are held.
        work: Called here, in order, with a piece: what is to be done in a thread. It may look at all that was absorbed
            so far, which always comes from earlier pieces.
        absorb: Called here, in order, with a piece and what its work gave.
        threads: How many; 0 = one for each processor.
    """
    count = num_threads(threads)
    with ThreadPoolExecutor(count, thread_name_prefix="overlap") as pool:
        pending: deque[tuple[T, Future[Result]]] = deque()

        def settle() -> None:
            piece, future = pending.popleft()
            absorb(piece, future.result())

        try:
            for piece in stream:
                if len(pending) > count:
                    settle()
                pending.append((piece, pool.submit(work(piece))))
            while pending:
                settle()
        finally:
            for _, future in pending:
                future.cancel()
