"""Word and phrase lists kept as text files beside the code: one phrase a line, `#` opens a comment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from components.style.words import split_words

FOLDER = Path(__file__).parent / "data"

Phrase = tuple[str, ...]


def read_lines(name: str) -> list[str]:
    """Lines of `data/NAME.txt` without comments and blank lines."""
    lines = (line.split("#", 1)[0].strip() for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines())
    return [line for line in lines if line]


@cache
def phrases(name: str) -> frozenset[Phrase]:
    """Phrases of a list, split by the same word rule as the texts they are looked for in."""
    return frozenset(tuple(split_words(line)) for line in read_lines(name))


@cache
def _by_first_word(names: tuple[str, ...]) -> dict[str, tuple[tuple[Phrase, str], ...]]:
    found: dict[str, list[tuple[Phrase, str]]] = {}
    for name in names:
        for phrase in phrases(name):
            found.setdefault(phrase[0], []).append((phrase, name))
    # Longest first, so that "not certain" (a hedge) is not read as "certain" (a booster).
    return {first: tuple(sorted(entries, key=lambda e: (-len(e[0]), e))) for first, entries in found.items()}


def count_phrases(words: Sequence[str], names: tuple[str, ...]) -> dict[str, int]:
    """Occurrences of each list's phrases in a text: longest match, from left to right, without overlap."""
    index = _by_first_word(names)
    counts = dict.fromkeys(names, 0)
    # Phrases are rare: only the places where one can begin are looked at.
    starts = [i for i, word in enumerate(words) if word in index]
    free_from = 0
    for start in starts:
        if start < free_from:
            continue
        for phrase, name in index[words[start]]:
            if tuple(words[start : start + len(phrase)]) == phrase:
                counts[name] += 1
                free_from = start + len(phrase)
                break
    return counts
