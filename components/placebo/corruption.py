"""The target's answer with its facts changed and everything else as it was: what a judge of facts must not prefer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from components.placebo.alterations import Change, without_overlap
from components.placebo.lexicon import read_yaml
from components.placebo.names import Names, Pools
from components.placebo.numbers import Numbers
from components.placebo.polarity import contrary, sentence_spans
from components.placebo.untouched import Span, untouched_spans

_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_DIGITS = re.compile(r"\d[\d,.]*")
_NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def corrupt(text: str, pools: Pools, rng: Random, *, prompt: str, contrary_share: float) -> list[Change]:
    """Changes that make a text say other things; none where nothing in it can be changed.

    Every name of a known kind is swapped with another of its kind and every number for one of its shape, the same one
    the same way throughout; a unit changes where its number cannot. Of the sentences that this leaves as they were,
    some are made to say the contrary. What the prompt names stays, so that the answer remains one to its question,
    unless nothing else can be changed. Code, addresses and the numbering of lists stay always.

    Args:
        text: The answer.
        pools: Names of other answers.
        rng: Makes every choice; seeded by prompt.
        prompt: The instruction; empty = not known.
        contrary_share: Share of the untouched sentences to be turned, where they can be; one at least where nothing
            else was changed.
    """
    changes = _corrupt(text, pools, rng, prompt, contrary_share)
    return changes or _corrupt(text, pools, rng, "", contrary_share)


def _corrupt(text: str, pools: Pools, rng: Random, prompt: str, contrary_share: float) -> list[Change]:
    words = frozenset(re.findall(r"[a-z]+", prompt.lower()))
    numbers = frozenset({*(found.rstrip(",.") for found in _DIGITS.findall(prompt)), *_own_length(text)})
    wanted = [
        *Names(text, pools, rng, prompt=prompt).changes(),
        *Numbers(text, rng, keep=numbers | words).changes(),
        *_units(text, rng, words),
    ]
    taken = untouched_spans(text)
    facts = without_overlap([matching_article(text, change) for change in wanted], taken)
    return without_overlap([*facts, *_turned(text, facts, taken, rng, contrary_share, words)])


def _own_length(text: str) -> set[str]:
    """How many list items the answer has, in digits and as a word: "here are 5 tips" must stay true."""
    count = len(_ITEM.findall(text))
    return {str(count), *_NUMBER_WORDS[count : count + 1]} if count else set()


def _turned(
    text: str, facts: Sequence[Change], taken: Sequence[Span], rng: Random, share: float, keep: frozenset[str]
) -> list[Change]:
    """Of the sentences without a change, the chosen ones, each with one change: two could cancel out."""
    sentences = _untouched(text, facts)

    def possible(*, at_any_cost: bool) -> list[Change]:
        found = (contrary(text, begin, end, rng, keep=keep, at_any_cost=at_any_cost) for begin, end in sentences)
        return without_overlap([matching_article(text, change) for change in found if change is not None], taken)

    turned = possible(at_any_cost=False)
    chosen = [change for change in turned if rng.random() < share]
    if chosen or facts:
        return chosen
    turned = turned or possible(at_any_cost=True)
    return [rng.choice(turned)] if turned else []


def _untouched(text: str, facts: Sequence[Change]) -> list[tuple[int, int]]:
    """Sentences, as (begin, end), in which no change falls."""
    places = iter(facts)
    place = next(places, None)
    found = []
    for begin, end in sentence_spans(text):
        touched = False
        while place is not None and place.begin < end:
            touched = touched or place.end > begin
            place = next(places, None)
        if not touched:
            found.append((begin, end))
    return found


@cache
def _unit_pattern() -> tuple[dict[str, list[str]], re.Pattern[str]]:
    """Unit -> the units of its measure; and units after "one", "a", "per" ("one day" begins a story)."""
    families = {unit: family for family in read_yaml("units") for unit in family}
    listed = "|".join(sorted(families, key=len, reverse=True))
    return families, re.compile(rf"\b(?:1|[Oo]ne(?! day)|[Aa]n?|[Pp]er|[Ee]ach|[Ee]very) (?P<unit>{listed})\b")


def _units(text: str, rng: Random, keep: frozenset[str]) -> Iterator[Change]:
    """Other units where the number is left alone."""
    families, pattern = _unit_pattern()
    for match in pattern.finditer(text):
        unit = match["unit"]
        if unit not in keep:
            family, place = families[unit], families[unit].index(unit)
            # A neighbour: nobody would believe that what happens every day happens every century.
            other = rng.choice([*family[max(0, place - 2) : place], *family[place + 1 : place + 3]])
            yield Change(*match.span("unit"), "unit", other)


_ARTICLE_BEFORE = re.compile(r"(?<![\w'’.-])(?P<article>[Aa]n?)[ \n][\"“*]*\Z")
_VOWEL_SOUND = re.compile(
    r"(?!uni(?!n|m)|us[ae]|eu|one\b|once\b|U\.|UK|US)(?:[aeiou]|8|1[18](?!\d)|hour|honest|honou?r|heir)",
    re.IGNORECASE,
)


def matching_article(text: str, change: Change) -> Change:
    """The change, with an "a" or "an" before it made to agree with what it puts in."""
    match = _ARTICLE_BEFORE.search(text, max(0, change.begin - 8), change.begin)
    if match is None or not change.after.strip():
        return change
    article = match["article"]
    fitting = article[0] + ("n" if _VOWEL_SOUND.match(change.after) else "")
    if fitting == article:
        return change
    between = text[match.end("article") : change.begin]
    return change._replace(begin=match.start("article"), after=fitting + between + change.after)
