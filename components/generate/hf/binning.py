"""Batches of rows of like length, bounded in rows, tokens and logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.generate.hf.checkpoint import LoadedModel

ROWS = 256
TOKENS = {"cpu": 2048}
"""Tokens of a batch at most, per kind of device."""
TOKENS_ELSEWHERE = 16384
LOGITS = 2**27
"""Logits computed at once at most: 512 MiB in fp32."""
ENOUGH_TOKENS = 512
"""A batch as large as this is not worth padding for the sake of more rows."""
MOST_PADDING = 0.04


class Limits(NamedTuple):
    """What a batch may hold."""

    rows: int
    tokens: int
    positions: int
    """That go through the vocabulary projection."""


class Size(NamedTuple):
    """What a row brings to a batch."""

    tokens: int
    positions: int


def limits(loaded: LoadedModel, max_rows: int) -> Limits:
    """What suits the model's device; `max_rows` = 0 leaves the number of rows to us."""
    config = loaded.model.config.get_text_config()
    positions = max(1, LOGITS // int(getattr(config, "vocab_size", None) or 2**17))
    return Limits(max_rows or ROWS, TOKENS.get(loaded.device.type, TOKENS_ELSEWHERE), positions)


def bins(sizes: Sequence[Size], most: Limits, *, padded: bool) -> list[list[int]]:
    """Cut rows into batches, longest first, so that what does not fit memory shows at once.

    A row larger than the limits is a batch of its own.

    Args:
        sizes: Of each row.
        most: What a batch may hold.
        padded: Whether rows are padded to the longest of their batch. Every row then has the positions of all.

    Returns:
        Of each batch: indices of its rows.
    """
    made: list[list[int]] = []
    width = tokens = positions = 0
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i].tokens, -sizes[i].positions, i)):
        size, rows = sizes[index], len(made[-1]) if made else 0
        held = (rows + 1) * width if padded else tokens + size.tokens
        projected = (rows + 1) * max(positions, size.positions) if padded else positions + size.positions
        ragged = padded and tokens >= ENOUGH_TOKENS and held - tokens - size.tokens > MOST_PADDING * held
        if not made or rows >= most.rows or held > most.tokens or projected > most.positions or ragged:
            made.append([index])
            width, tokens, positions = size.tokens, size.tokens, size.positions
            continue
        made[-1].append(index)
        tokens += size.tokens
        positions = max(positions, size.positions) if padded else projected
    return made
