"""Does a text decline to do what it was asked? Openings as data (`data/refusals.yaml`), no model.

Only the beginning is read, and only a refusal that opens it, or follows "As an AI ...", counts: in the middle of a
story "I can't answer that" is somebody's line. A disclaimer before an answer ("As an AI language model I have no
opinions, but here are some") is no refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from components.contracts.yaml_documents import read_mapping

DATA_FILE = Path(__file__).parent / "data" / "refusals.yaml"
OPENING_CHARS = 400
"""Characters of a text that are read."""
SHORT_CHARS = 250
"""A text up to this length that only says what the machine lacks has declined."""
LONG_CHARS = 350
"""In a longer text every "however" after the refusal leads to an answer."""
SENTENCES = 2
"""Sentences that may hold the refusal: what the machine is, then what it does not do."""

_OPENERS = " \"'([*_>-\u201c"
_BETWEEN = r"[\s,;:.!\-–—]*"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_COLON = re.compile(r":\s+\S")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "`": "'"})
_SPACES = re.compile(r"\s+")


class Phrases(BaseModel):
    """The file's lists; what each is for stands there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lead_ins: tuple[str, ...]
    machine_lead_ins: tuple[str, ...]
    inability: tuple[str, ...]
    adverbs: tuple[str, ...]
    acts: tuple[str, ...]
    exceptions: tuple[str, ...]
    phrases: tuple[str, ...]
    lacks: tuple[str, ...]
    turns: tuple[str, ...]
    offers: tuple[str, ...]


class Rules(NamedTuple):
    """The phrase lists, compiled; each pattern is anchored where the sentence begins or goes on."""

    lead_in: re.Pattern[str]
    machine: re.Pattern[str]
    inability: re.Pattern[str]
    act: re.Pattern[str]
    exception: re.Pattern[str]
    phrase: re.Pattern[str]
    lack: re.Pattern[str]
    turn: re.Pattern[str]
    offer: re.Pattern[str]


@cache
def rules() -> Rules:
    """The rules of `data/refusals.yaml`."""
    lists = Phrases.model_validate(read_mapping(DATA_FILE))
    adverbs = rf"(?:{_any_of(lists.adverbs)}\s+){{0,2}}"
    return Rules(
        lead_in=re.compile(_any_of(lists.lead_ins) + _BETWEEN),
        machine=re.compile(_any_of(lists.machine_lead_ins) + _BETWEEN),
        inability=re.compile(_any_of(lists.inability) + r"\s+"),
        act=re.compile(adverbs + _any_of(lists.acts)),
        exception=re.compile(_any_of(lists.exceptions)),
        phrase=re.compile(_any_of(lists.phrases)),
        lack=re.compile(_any_of(lists.lacks)),
        turn=re.compile(r"\b" + _any_of(lists.turns) + r"[\s,:]*"),
        offer=re.compile(_any_of(lists.offers)),
    )


def _any_of(phrases: Iterable[str]) -> str:
    # Longest first: "as an ai language model" must not match as "as an ai".
    ordered = sorted(phrases, key=len, reverse=True)
    return "(?:" + "|".join(re.escape(phrase).replace(r"\ ", r"[\s,]+") for phrase in ordered) + r")\b"


def declines(text: str) -> bool:
    """Whether the text opens by declining."""
    found = rules()
    rest = _SPACES.sub(" ", text[:OPENING_CHARS].translate(_QUOTES).lower()).lstrip(_OPENERS)
    machine = False
    for _ in range(SENTENCES):
        rest, said = _after_lead_ins(rest, found)
        machine |= said
        end = _declining(rest, found, machine, short=len(text) <= SHORT_CHARS)
        if end is not None:
            return not _answers_after_all(rest[end:], found, long=len(text) > LONG_CHARS)
        if not said:
            # The first sentence with a content of its own decides.
            return False
        rest = next(iter(_SENTENCE_END.split(rest, maxsplit=1)[1:]), "")
    return False


def _after_lead_ins(sentence: str, found: Rules) -> tuple[str, bool]:
    machine = False
    # "That goes against my programming" begins with a lead-in, and is a phrase.
    while sentence and not found.phrase.match(sentence):
        match = found.machine.match(sentence)
        machine |= match is not None
        match = match or found.lead_in.match(sentence)
        if match is None:
            break
        sentence = sentence[match.end() :]
    return sentence, machine


def _declining(rest: str, found: Rules, machine: bool, *, short: bool) -> int | None:
    """Where the declining words end; None when there are none."""
    if found.exception.match(rest):
        return None
    unable = found.inability.match(rest)
    act = found.act.match(rest, unable.end()) if unable else None
    lack = found.lack.match(rest) if machine and short else None
    end = act or found.phrase.match(rest) or (unable if machine else None) or lack
    return end.end() if end else None


def _answers_after_all(rest: str, found: Rules, *, long: bool) -> bool:
    # "However, I can describe it." ends there in a refusal; in a long text, or after a colon, the description follows.
    return _COLON.search(rest) is not None or any(
        long or not found.offer.match(rest, turn.end()) for turn in found.turn.finditer(rest)
    )
