"""Words (lower-cased runs of letters, digits and underscores, as Python's `\\w+` finds them) in UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np

from components.contracts.compiled import Bytes, Ints, inlined, kernel
from components.overlap.tokens import Buffer, buffer

_UNICODE_END = 0x110000


@cache
def word_characters() -> Bytes:
    """(0x110000): 1 where a code point is a word character to Python's `re` (a letter, a digit of any kind, or _)."""
    found = np.fromiter((chr(code).isalnum() for code in range(_UNICODE_END)), dtype=np.uint8, count=_UNICODE_END)
    found[ord("_")] = 1
    return found


def lowered(texts: Iterable[str]) -> Buffer:
    """Texts in lower case, by Python's own rules for all of Unicode."""
    return buffer(text.lower() for text in texts)


@inlined
def next_word(text: Bytes, i: int, end: int, is_word: Bytes) -> tuple[int, int]:
    """Begin and end of the first word at or after byte i; (end, end) when there is none."""
    begin = -1
    while i < end:
        a = text[i]
        if a < 0x80:
            code, width = np.int64(a), 1
        elif a < 0xE0:
            code, width = (np.int64(a & 0x1F) << 6) | (text[i + 1] & 0x3F), 2
        elif a < 0xF0:
            code, width = (np.int64(a & 0x0F) << 12) | (np.int64(text[i + 1] & 0x3F) << 6) | (text[i + 2] & 0x3F), 3
        else:
            code = (np.int64(a & 0x07) << 18) | (np.int64(text[i + 1] & 0x3F) << 12)
            code |= (np.int64(text[i + 2] & 0x3F) << 6) | (text[i + 3] & 0x3F)
            width = 4
        if is_word[code]:
            if begin < 0:
                begin = i
        elif begin >= 0:
            return begin, i
        i += width
    return (begin, end) if begin >= 0 else (end, end)


@kernel
def _all_words(text: Bytes, offsets: Ints, is_word: Bytes, bounds: Ints, counts: Ints) -> int:
    total = 0
    for k in range(len(counts)):
        i, end = offsets[k], offsets[k + 1]
        while True:
            begin, i = next_word(text, i, end, is_word)
            if begin == end:
                break
            bounds[total, 0], bounds[total, 1] = begin, i
            total += 1
            counts[k] += 1
    return total


def all_words(lines: Buffer) -> tuple[Ints, Ints]:
    """Begin and end of every word of every text, and the number of words of each text."""
    bounds = np.empty((len(lines.text) + 1, 2), dtype=np.int64)
    counts = np.zeros(len(lines.offsets) - 1, dtype=np.int64)
    total = _all_words(lines.text, lines.offsets, word_characters(), bounds, counts)
    return bounds[:total].copy(), counts


def words_of(text: str) -> list[str]:
    """One text's words: `re.findall(r"\\w+", text.lower())`."""
    line = lowered([text])
    bounds, _ = all_words(line)
    return [line.text[a:b].tobytes().decode() for a, b in bounds]
