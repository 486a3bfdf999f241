"""The base's answer in the target's dress: opening, list, headings, bold, closing paragraph, and not one fact more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from components.placebo.alterations import Change
from components.placebo.lexicon import read_yaml
from components.placebo.untouched import code_spans

_MARKER = re.compile(r"^[ \t]*(?P<marker>[-*•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*")
_PARAGRAPH_BREAK = re.compile(r"\n[ \t]*\n")
# Between two sentences: the blank that follows a full stop and precedes a capital, not after "Dr." or a single letter.
_BETWEEN = re.compile(
    r"(?<=[a-z0-9)\"'”’%][.!?])(?<!Mr\.)(?<!Dr\.)(?<!Ms\.)(?<!Mrs\.)(?<!St\.)(?<!vs\.)[ \n]+(?=[A-Z\"“])"
)
_FIRST_WORDS = re.compile(r"[^\s*_`#.,:;!?]+(?: [^\s*_`.,:;!?]+){0,2}")
_UP_TO_COLON = re.compile(r"[^\s*_`#:.!?][^*_`:.!?\n]{0,40}(?=:)")
# "... include A, B, and C." at the end of an answer: a list within a sentence.
_ENUMERATION = re.compile(
    r"(?:\b(?:includ(?:e|es|ing)|are|such as)|:) (?P<items>[^,.:;\n]{1,60}(?:, [^,.:;\n]{1,60}){1,20}?,? (?:and|or) "
    r"[^,.:;\n]{1,60})[.;]?\s*\Z"
)
_ITEM_END = re.compile(r",? (?:and|or) |, ")

FEWEST_ITEMS = 2


class Dress(NamedTuple):
    """What an answer wears."""

    marker: str
    """How its list items begin: "-", "1." and so on; empty = no list."""
    headings: bool
    bold: bool
    closing: bool
    """Two paragraphs or more: there is room for a closing one."""


FULL_DRESS = Dress(marker="1.", headings=True, bold=True, closing=True)


def dress_of(text: str) -> Dress:
    """What the target wears in an answer; code is looked past."""
    prose = _outside_code(text)
    markers = [match["marker"] for match in _MARKER.finditer(prose)]
    marker = markers[0] if len(markers) >= FEWEST_ITEMS else ""
    return Dress(
        marker="1." if marker[:1].isdigit() else "-" if marker else "",
        headings=bool(_HEADING.search(prose)),
        bold=bool(_BOLD.search(prose)),
        closing=bool(_PARAGRAPH_BREAK.search(prose.strip())),
    )


def restyle(text: str, dress: Dress, rng: Random) -> list[Change]:
    """Changes that dress a text; none for a text without words.

    The words of the answer stay as they are and in their order: everything is put in before, between and after them,
    or takes the place of blank space. An answer with code, or with a list of its own, keeps its lines.

    Args:
        text: The base's answer.
        dress: What the target wears on the same prompt.
        rng: Chooses among phrases.
    """
    if not re.search(r"\w", text):
        return []
    phrases = read_yaml("dress")
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    heading = f"## {rng.choice(phrases['headings'])}\n\n" if dress.headings else ""
    opening = Change(begin, begin, "opening", f"{rng.choice(phrases['openings'])}\n\n")
    items = _item_places(text, begin, end, dress)
    changes = [opening]
    if heading:
        changes.append(Change(begin, begin, "heading", heading))
    changes += _listed(text, items, begin, dress)
    if dress.closing:
        changes.append(Change(end, end, "closing", f"\n\n{rng.choice(phrases['closings'])}"))
    return sorted(changes, key=lambda change: change.begin)


def _outside_code(text: str) -> str:
    parts, done = [], 0
    for begin, end in code_spans(text):
        parts.append(text[done:begin])
        done = end
    return "".join([*parts, text[done:]])


def _item_places(text: str, begin: int, end: int, dress: Dress) -> list[tuple[int, int]]:
    """What gives way to list markers, as (begin, end): the blanks between sentences, or the commas of an enumeration.

    Empty where the target wrote no list, the answer has one, or there is too little to list.
    """
    if not dress.marker or code_spans(text) or len(_MARKER.findall(text)) >= FEWEST_ITEMS:
        return []
    found = _ENUMERATION.search(text, max(begin, end - LONGEST_ENUMERATION))
    if found:
        first, last = found.span("items")
        commas = [match.span() for match in _ITEM_END.finditer(text, first, last)]
        return [(first - 1, first), *commas] if len(commas) >= FEWEST_ITEMS else []
    places = [match.span() for match in _BETWEEN.finditer(text, begin, end)]
    return places if len(places) >= FEWEST_ITEMS else []


LONGEST_ENUMERATION = 1500
"""Characters from the end within which an enumeration is looked for."""


def _listed(text: str, items: Sequence[tuple[int, int]], begin: int, dress: Dress) -> list[Change]:
    """List markers and bold lead words, those of the first sentence aside: it introduces the list."""
    changes = []
    for number, (space, start) in enumerate(items, 1):
        marker = f"{number}." if dress.marker[0].isdigit() else dress.marker
        introduced = ":" if number == 1 and text[space - 1] not in ":.!?\"'”’)%" else ""
        gap = introduced + ("\n\n" if number == 1 else "\n")
        changes.append(Change(space, start, "list", f"{gap}{marker} "))
    if dress.bold:
        starts = [start for _, start in items] or [match.end() for match in _MARKER.finditer(_blanked(text))] or [begin]
        for start in starts:
            # "Step one: ..." up to its colon, else the first three words.
            words = _UP_TO_COLON.match(text, start) or _FIRST_WORDS.match(text, start)
            if words:
                changes += [Change(place, place, "bold", "**") for place in words.span()]
    return changes


def _blanked(text: str) -> str:
    """The text with its code blanked out, every character in its place."""
    parts, done = [], 0
    for begin, end in code_spans(text):
        parts += [text[done:begin], " " * (end - begin)]
        done = end
    return "".join([*parts, text[done:]])
