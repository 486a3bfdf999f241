"""Tokens as sacrebleu's default tokenizer (13a) gives them, found in UTF-8 bytes in one pass.

sacrebleu rewrites the line by four regular expressions and splits it at white space. All that their substitutions do
is put spaces in, so every token is a slice of the prepared line, and one look at the neighbours of a byte tells where
the slices end:

- `{|}~ [\\]^_` and the backtick, `!"#$%&()*+/:;<=>?@` stand alone;
- a period or comma stands alone, except the last one of a run that is followed by a digit and that the second
  expression, which takes two characters at a time, has not set apart: it begins the next token (`..5` -> `. .5`), or,
  alone between digits, joins them (`5.5`);
- a dash after a digit stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Bytes, Ints, inlined, kernel

_OTHER, _DIGIT, _SPACE, _MARK, _STOP, _DASH, _LEAD = range(7)


def _kinds() -> Bytes:
    kinds = np.full(256, _OTHER, dtype=np.uint8)
    kinds[list(b'{|}~[\\]^_`!"#$%&()*+:;<=>?@/')] = _MARK
    kinds[list(b"0123456789")] = _DIGIT
    kinds[list(b"\t\n\v\f\r\x1c\x1d\x1e\x1f ")] = _SPACE
    kinds[list(b".,")] = _STOP
    kinds[list(b"-")] = _DASH
    # First bytes of the white space beyond ASCII: U+0085, U+00A0, U+1680, U+2000-200A, 2028, 2029, 202F, 205F, 3000.
    kinds[[0xC2, 0xE1, 0xE2, 0xE3]] = _LEAD
    return kinds


_KINDS = _kinds()


class Buffer(NamedTuple):
    """Some texts in a row, as UTF-8."""

    text: Bytes
    offsets: Ints
    """(texts + 1): text k is text[offsets[k]:offsets[k + 1]]."""


def buffer(texts: Iterable[str]) -> Buffer:
    """Texts as they are; halves of surrogate pairs stay, as three bytes."""
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return Buffer(np.frombuffer(b"".join(parts), dtype=np.uint8), offsets)


def prepared(text: str) -> str:
    """What sacrebleu does to a line before its regular expressions, but for line ends, which are white space anyway."""
    line = text.rstrip()
    if "<skipped>" in line:
        line = line.replace("<skipped>", "")
    if "-\n" in line:
        line = line.replace("-\n", "")
    if "&" in line:
        # The line ends go first: they could stand inside what would look like an entity without them.
        line = line.replace("\n", " ")
        for entity, character in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
            line = line.replace(entity, character)
    return line


@inlined
def _space_at(text: Bytes, i: int, end: int) -> int:
    """Bytes of the white space character beyond ASCII that begins at i; 0 when there is none."""
    left = end - i
    a = text[i]
    if a == 0xC2:
        return 2 if left > 1 and (text[i + 1] == 0x85 or text[i + 1] == 0xA0) else 0
    if left < 3:
        return 0
    b, c = text[i + 1], text[i + 2]
    if a == 0xE1:
        found = b == 0x9A and c == 0x80
    elif a == 0xE3:
        found = b == 0x80 and c == 0x80
    else:
        found = (b == 0x80 and (0x80 <= c <= 0x8A or c == 0xA8 or c == 0xA9 or c == 0xAF)) or (b == 0x81 and c == 0x9F)
    return 3 if found else 0


@inlined
def _piece(text: Bytes, begin: int, i: int, end: int) -> tuple[int, int, int]:
    """What begins at byte i, which is no letter and no digit.

    Returns:
        Its bytes; how many of them are tokens of their own, -1 = part of a word; how many begin the next token.
    """
    kind = _KINDS[text[i]]
    if kind == _SPACE:
        return 1, 0, 0
    if kind == _MARK:
        return 1, 1, 0
    if kind == _LEAD:
        width = _space_at(text, i, end)
        return (width, 0, 0) if width else (1, -1, 0)
    after_digit = i > begin and _KINDS[text[i - 1]] == _DIGIT
    if kind == _DASH:
        return 1, 1 if after_digit else -1, 0
    width = 1
    while i + width < end and _KINDS[text[i + width]] == _STOP:
        width += 1
    before_digit = i + width < end and _KINDS[text[i + width]] == _DIGIT
    if not before_digit or ((width & 1) == 1) != after_digit:
        return width, width, 0
    return (1, -1, 0) if width == 1 else (width, width - 1, 1)


@kernel
def scan(text: Bytes, begin: int, end: int, limit: int, bounds: Ints) -> int:
    """Find the tokens of text[begin:end], a prepared line.

    Args:
        text: UTF-8.
        begin: First byte.
        end: One past the last.
        limit: Tokens wanted at most.
        bounds: (limit + 2 or more, 2): receives begin and end of each token.

    Returns:
        How many tokens there are, or limit + 1 when there are more than `limit`.
    """
    count = 0
    opened = -1
    i = begin
    while i < end and count <= limit:
        width, singles, joined = 1, -1, 0
        if _KINDS[text[i]] > _DIGIT:
            width, singles, joined = _piece(text, begin, i, end)
        if singles < 0:
            if opened < 0:
                opened = i
            i += 1
            # Most bytes are letters: over those in one go.
            while i < end and _KINDS[text[i]] <= _DIGIT:
                i += 1
            continue
        if opened >= 0:
            bounds[count, 0], bounds[count, 1] = opened, i
            count += 1
            opened = -1
        for k in range(i, min(i + singles, i + limit + 1 - count)):
            bounds[count, 0], bounds[count, 1] = k, k + 1
            count += 1
        i += width
        if joined:
            opened = i - 1
    if opened >= 0 and count <= limit:
        bounds[count, 0], bounds[count, 1] = opened, end
        count += 1
    return count


@kernel
def _all_bounds(text: Bytes, offsets: Ints, bounds: Ints, counts: Ints) -> int:
    total = 0
    for k in range(len(counts)):
        limit = offsets[k + 1] - offsets[k] + 1
        counts[k] = scan(text, offsets[k], offsets[k + 1], limit, bounds[total:])
        total += counts[k]
    return total


def all_tokens(lines: Buffer) -> tuple[Ints, Ints]:
    """Begin and end of every token of every line, and the number of tokens of each line."""
    # A line has no more tokens than bytes; `scan` may touch two entries more.
    bounds = np.empty((len(lines.text) + 3, 2), dtype=np.int64)
    counts = np.zeros(len(lines.offsets) - 1, dtype=np.int64)
    total = _all_bounds(lines.text, lines.offsets, bounds, counts)
    return bounds[:total].copy(), counts


def tokenise(text: str) -> list[str]:
    """One text's tokens, as sacrebleu's BLEU would split it."""
    line = buffer([prepared(text)])
    bounds, _ = all_tokens(line)
    return [line.text[a:b].tobytes().decode("utf-8", "surrogatepass") for a, b in bounds]
