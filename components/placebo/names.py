"""Names and kinds of things, each swapped with another of its kind that some other answer speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from random import Random
from typing import NamedTuple

from components.placebo.alterations import Change
from components.placebo.lexicon import first_names, kinds, well_known
from components.placebo.numbers import like

_WORD = re.compile(r"(?<![\w'’])[A-Za-z]+")
_SURNAME = r"[A-Z]\w*(?:[-'’][A-Z]\w*)*"
_PERSON = re.compile(
    rf"(?<![\w'’.-])(?P<first>[A-Z]\w+(?:-[A-Z]\w+)?)(?: [A-Z]\.){{0,2}}"
    rf"(?: (?:van|von|de|da|di|del|der|la|le|bin)){{0,2}}(?: {_SURNAME}){{1,2}}"
)
_AUTHOR = re.compile(
    rf"(?<=[ ,]by )(?:[A-Z]\.[ ]?)*(?:[A-Z]\w+ )?(?:[A-Z]\. )?{_SURNAME}(?: {_SURNAME})?(?=[\s.,;:)\"]|$)"
)
_WORK = re.compile(r"(?<=[\"“*])[A-Z0-9][^\"”“*\n]{1,60}(?=,?[\"”*]+,? (?:by |\(?(?:19|20)\d\d\b|is a |was a ))")
PEOPLE = ("man", "woman", "author")
"""Kinds of full names."""
SHORTEST_ALONE = 4
"""A first or last name of fewer letters is not looked for by itself: too many are words."""


class Name(NamedTuple):
    """A name in a text."""

    begin: int
    end: int
    kind: str
    text: str


def find_names(text: str) -> list[Name]:
    """All names of known kind, in order of place and without overlap; people and titles come before single words."""
    found = [*_works(text), *_people(text), *_listed(text)]
    kept: list[Name] = []
    taken = bytearray(len(text))
    for name in found:
        if not any(taken[name.begin : name.end]):
            taken[name.begin : name.end] = b"\x01" * (name.end - name.begin)
            kept.append(name)
    return sorted(kept)


def _works(text: str) -> Iterator[Name]:
    for match in _WORK.finditer(text):
        words = match.group().split()
        # A title has capitals: a quoted sentence has few.
        if sum(word[:1].isupper() or word[:1].isdigit() for word in words) * 2 > len(words):
            yield Name(*match.span(), "work", match.group())


def _people(text: str) -> Iterator[Name]:
    for match in _PERSON.finditer(text):
        gender = first_names().get(match["first"])
        if gender and not _is_of_people(match.group().split()[-1]):
            yield Name(*match.span(), gender, match.group())
    for match in _AUTHOR.finditer(text):
        if (" " in match.group() or "." in match.group()) and not _is_of_people(match.group().split()[0]):
            yield Name(*match.span(), "author", match.group())


def _is_of_people(word: str) -> bool:
    """Whether it says of which people or faith someone is: "by African Americans", "Sophia Jewish Centre"."""
    return any(word in kinds()[kind] for kind in ("nationality", "continental", "believer"))


@cache
def _people_by_one_name() -> Mapping[str, tuple[str, ...]]:
    """Kinds of names by which people are called in short."""
    firsts = {
        f"first_name_of_a_{gender}": tuple(name for name, its in first_names().items() if its == gender)
        for gender in ("man", "woman")
    }
    return {"surname": well_known()["surname"], **firsts}


@cache
def _by_first_word() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """First letters of a listed name -> (name, kind), the longest first."""
    index: dict[str, list[tuple[str, str]]] = {}
    for kind, members in {**kinds(), **_people_by_one_name()}.items():
        for member in members:
            match = _WORD.match(member)
            assert match, member
            index.setdefault(match.group(), []).append((member, kind))
    return {first: tuple(sorted(entries, key=lambda e: (-len(e[0]), e))) for first, entries in index.items()}


def _listed(text: str) -> Iterator[Name]:
    index = _by_first_word()
    for match in _WORD.finditer(text):
        begin, word = match.start(), match.group()
        small = word[0].lower() + word[1:]
        entries = index.get(word, ()) or (index.get(small, ()) if _opens_sentence(text, begin) else ())
        for member, kind in entries:
            end = begin + len(member)
            if text[begin:end] in (member, like(word, member)) and not text[end : end + 1].isalnum():
                yield Name(begin, end, kind, member)
                break


def _opens_sentence(text: str, begin: int) -> bool:
    before = text[max(0, begin - 8) : begin].rstrip(' \t*_"“(')
    return not before or before[-1] in ".!?:\n-•"


class Pools:
    """Names of each kind in a set of answers, to be swapped in."""

    def __init__(self, answers: Iterable[str]) -> None:
        """Collect.

        Args:
            answers: All of them, those that will be changed too.
        """
        seen: dict[str, dict[str, None]] = {}
        for text in answers:
            for name in find_names(text):
                seen.setdefault(name.kind, {})[name.text] = None
        seen["author"] = {name: None for kind in ("author", "man", "woman") for name in seen.get(kind, ())}
        # Sorted: a pool must not hang on the order of the answers.
        self._seen = {kind: tuple(sorted(found)) for kind, found in seen.items()}

    def others(self, kind: str, but: frozenset[str]) -> tuple[str, ...]:
        """Names of a kind that are not among `but`: those that answers speak of, or else those of the lists."""
        found = tuple(name for name in self._seen.get(kind, ()) if name not in but)
        if len(found) >= FEWEST:
            return found
        listed = {**well_known(), **_people_by_one_name(), **kinds()}.get(kind, ())
        return found + tuple(name for name in listed if name not in but and name not in found)


FEWEST = 5
"""Where answers speak of fewer names of a kind, the lists are asked too."""


class Names:
    """Replacements within one answer: the same name always becomes the same other one."""

    def __init__(self, text: str, pools: Pools, rng: Random, *, prompt: str) -> None:
        """Prepare an answer.

        Args:
            text: The answer.
            pools: Where other names come from.
            rng: Chooses.
            prompt: Names in it stay; empty = none do.
        """
        self._text, self._pools, self._rng = text, pools, rng
        self._found = find_names(text)
        self._keep = frozenset(name.text for name in self._found if name.text.lower() in prompt.lower())
        # Neither names of the answer itself, which would only change places, nor those of the prompt.
        self._used = {name.text for name in self._found} | {name.text for name in find_names(prompt)}
        self._became: dict[tuple[str, str], str] = {}

    def changes(self) -> list[Change]:
        """Every name that can be replaced."""
        made = [change for name in self._found if name.kind in PEOPLE for change in self._swap(name)]
        short = self._short()
        for name in self._found:
            if name.kind not in PEOPLE and name.text not in short:
                made += self._swap(name)
        return made + [
            Change(*match.span(), "name", short[match.group()])
            for match in _WORD.finditer(self._text)
            if match.group() in short
        ]

    def _swap(self, name: Name) -> list[Change]:
        other = None if name.text in self._keep else self._other(name)
        if other is None:
            return []
        word = self._text[name.begin : name.end]
        return [Change(name.begin, name.end, "name", other if word == name.text else like(word, other))]

    def _other(self, name: Name) -> str | None:
        key = (name.kind, name.text)
        if key not in self._became:
            choices = self._pools.others(name.kind, frozenset(self._used))
            if name.kind == "vitamin":
                choices = tuple(choice for choice in choices if choice[0] == name.text[0])
            if not choices:
                return None
            self._became[key] = self._rng.choice(choices)
            self._used.add(self._became[key])
        return self._became[key]

    def _short(self) -> dict[str, str]:
        """First and last names by themselves, of people who were replaced."""
        parts: dict[str, str] = {}
        for (kind, old), new in self._became.items():
            for place in (0, -1):
                word = old.split()[place]
                if kind in PEOPLE and len(word) >= SHORTEST_ALONE and word.isalpha():
                    parts[word] = new.split()[place]
        return parts
