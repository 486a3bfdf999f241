"""Is a text English? Counted function words and scripts: no model, no dependency, a few microseconds a text.

It answers one question only, English or not, and leans to yes: code, tables and names have no function words of any
language and count as English, as do texts too short to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

MIN_LETTERS = 20
MAX_FOREIGN_LETTER_SHARE = 0.4
MIN_FOREIGN_HITS = 3
HEAD_CHARS = 4_000


@cache
def _function_words() -> dict[str, frozenset[str]]:
    lists = {}
    for line in (Path(__file__).with_name("function_words.txt")).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            language, *words = line.split()
            lists[language] = frozenset(words)
    english = lists["en"]
    # A word that English shares ("die", "was", "on") says nothing against English; single letters are found in code,
    # chess moves and chords.
    return {
        language: words if language == "en" else frozenset(w for w in words - english if len(w) > 1)
        for language, words in lists.items()
    }


def is_english(text: str, words: Sequence[str]) -> bool:
    """False when the letters are mostly of another script, or another language's function words outnumber English's.

    Args:
        text: The text; its first 4,000 characters are looked at.
        words: The same text's lower-cased `\\w+` runs.

    Fewer than 20 letters, or fewer than 3 different function words of the other language, count as English.
    """
    head = text[:HEAD_CHARS]
    if not head.isascii():
        letters = [c for c in head if c.isalpha()]
        # Latin letters with accents lie below U+0250; Greek, Cyrillic, Arabic, Indic and East Asian letters above.
        foreign = sum(c >= "\u0250" for c in letters)
        if len(letters) >= MIN_LETTERS and foreign > MAX_FOREIGN_LETTER_SHARE * len(letters):
            return False
    elif len(head) < MIN_LETTERS:
        return True
    # Distinct words: a URL or a song repeats one of them a hundred times.
    present = set(words[: HEAD_CHARS // 5])
    hits = {language: len(members & present) for language, members in _function_words().items()}
    english = hits.pop("en")
    most = max(hits.values())
    return most < MIN_FOREIGN_HITS or most <= english
