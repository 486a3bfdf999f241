"""Lists and closing summaries: the two shapes of an assistant's answer that Table 2 counts."""

from __future__ import annotations

import re

from components.style.lexicon import phrases
from components.style.words import split_words

# A marker must be followed by white space. Without that, "1.5 million", "**bold**" and "---" read as list items, and
# so does "1.Foo": text_davinci_001 goes from 34% to 40.5% list agreement on AlpacaEval, and the study's rule is 34%.
# Indentation is allowed (nested lists); three digits are enough for a list and keep "1998. That year ..." out.
_MARKER = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n\s*")
_LONGEST_OPENING_CHARS = 80


def has_list(text: str) -> bool:
    """At least two lines begin with a bullet (-, *, •) or a number marker (`1.` or `1)`)."""
    first = _MARKER.search(text)
    return first is not None and _MARKER.search(text, first.end()) is not None


def list_items(text: str) -> int:
    """Lines that begin with such a marker."""
    return len(_MARKER.findall(text))


def has_summary(text: str) -> bool:
    """The last of at least two paragraphs opens with a closing marker (`data/closing_markers.txt`)."""
    paragraphs = _PARAGRAPH_BREAK.split(text.strip())
    if len(paragraphs) < 2:
        return False
    # Markdown in front of the marker ("**Overall**", "## Conclusion") is no word, so the word rule skips it.
    opening = split_words(paragraphs[-1][:_LONGEST_OPENING_CHARS])
    markers = phrases("closing_markers")
    return any(tuple(opening[:length]) in markers for length in range(1, 5))
