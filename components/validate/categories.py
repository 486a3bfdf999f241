"""Into which of Table 5's nine categories a query falls: weighted cues kept as data, no model, no labelled text.

Transparent on purpose: a share that looks odd can be traced to the cue behind it, and a reviewed sample corrects what
the cues get wrong (`category_shares`). How often they are right is measured on real queries by tests/golden.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from components.contracts.data_rows import CategoryName
from components.contracts.english import is_english
from components.contracts.yaml_documents import read_mapping

CUES_FILE = Path(__file__).parent / "data" / "category_cues.yaml"
HEAD_CHARS = 400
TAIL_CHARS = 250
TEXT_CHARS = 4_000
FALLBACK_WORDS = 12
"""Without any cue a text of at most so many words is taken for a question, a longer one for a paste without a task."""

_WORD = re.compile(r"\w+")


class Cue(NamedTuple):
    """One thing that speaks for a category."""

    category: CategoryName
    where: Literal["opening", "ask", "text"]
    weight: float
    pattern: re.Pattern[str]
    example: str


@cache
def cues() -> tuple[tuple[Cue, ...], re.Pattern[str]]:
    """Every cue in the order of the file, and the courtesies that may stand before an opening."""
    document = read_mapping(CUES_FILE)
    groups = document["categories"]
    assert isinstance(groups, dict)
    made = [
        Cue(category, cue["where"], float(cue["weight"]), re.compile(cue["pattern"], re.MULTILINE), cue["example"])
        for category, group in groups.items()
        for cue in group
    ]
    return tuple(made), re.compile(re.sub(r"\s*\n\s*", "", str(document["courtesies"])))


def classify(query: str, language: str = "") -> CategoryName:
    """The category of a query.

    Args:
        query: A dialogue's first user turn.
        language: The dialogue's ISO 639-1 code where it is known; it decides only where the query's own words do not
            say that they are English.
    """
    text = query[:TEXT_CHARS].lower().strip()
    words = _WORD.findall(text)
    if not words:
        return "Invalid"
    if not is_english(query, words) or _foreign_script(text):
        return "Non-English"
    if language not in {"", "en"} and not _ENGLISH_WORDS.intersection(words):
        return "Non-English"
    scores = score(query)
    if not scores:
        return "General QA" if len(words) <= FALLBACK_WORDS else "Invalid"
    best = max(scores.values())
    return next(category for category, value in scores.items() if value == best)


def _foreign_script(text: str) -> bool:
    # `is_english` leans to yes below 20 letters; four ideographs are few letters and plainly no English.
    if text.isascii():
        return False
    letters = [c for c in text if c.isalpha()]
    return sum(c >= "\u0250" for c in letters) > len(letters) / 2


_ENGLISH_WORDS = frozenset(
    {"the", "of", "and", "to", "is", "are", "what", "how", "why", "who", "when", "where", "which", "write", "give"}
    | {
        "my",
        "you",
        "your",
        "for",
        "with",
        "about",
        "please",
        "can",
        "does",
        "make",
        "create",
        "explain",
        "list",
        "this",
    }
)


def score(query: str) -> dict[CategoryName, float]:
    """Category -> sum of the weights of the cues that the query shows; categories without a cue are absent."""
    found: dict[CategoryName, float] = {}
    for cue in shown_cues(query):
        found[cue.category] = found.get(cue.category, 0.0) + cue.weight
    return found


def shown_cues(query: str) -> list[Cue]:
    """The cues that a query shows, in the order of the file."""
    text = query[:TEXT_CHARS].lower().strip()
    tail = query[-TAIL_CHARS:].lower().strip() if len(query) > HEAD_CHARS + TAIL_CHARS else text[HEAD_CHARS:]
    every, courtesies = cues()
    opened = courtesies.match(text)
    places = {"opening": text[opened.end() if opened else 0 :], "ask": f"{text[:HEAD_CHARS]}\n{tail}", "text": text}
    return [
        cue for cue in every if (cue.pattern.match if cue.where == "opening" else cue.pattern.search)(places[cue.where])
    ]
