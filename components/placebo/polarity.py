"""Sentences made to say the contrary: negations taken out or put in, and words given way to their opposites."""

from __future__ import annotations

import re
from random import Random

from components.placebo.alterations import Change
from components.placebo.lexicon import opposites
from components.placebo.numbers import like

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]*")
_AUXILIARY = "is|are|was|were|does|do|did|has|have|had|could|should|would|will|must|may|might"
# What is left when "not" is taken out must still be a sentence: not "not only ... but", not a refusal.
_NEGATED = re.compile(
    rf"\b(?:(?P<spaced>{_AUXILIARY}|can)(?P<gap> not)(?! only| just| necessarily| to\b| a lot| yet)"
    rf"|(?P<joined>{_AUXILIARY})(?P<nt>n['’]t)|(?P<irregular>cannot|can['’]t|won['’]t|never|without|no longer))\b",
    re.IGNORECASE,
)
_PLAIN = {"cannot": "can", "can't": "can", "won't": "will", "never": "always", "without": "with", "no longer": "still"}
_NOT_AFTER = r"(?<=[a-z\"”] )(?<![Hh]ere )(?<![Ww]hat )(?<![Ww]ho )(?<![Hh]ow )(?<![Ff]ollowing )"
_STATED = re.compile(
    _NOT_AFTER + r"(?P<verb>is|are|was|were|can|should|must|will)"
    r"(?= (?:a|an|the|one of|made|used|known|located|called|found|considered|based|caused|responsible|required|able"
    r"|likely|needed|recommended|often|be|also be|have|help|take|use|lead|cause|make|improve|provide|include|reach|keep"
    r"|avoid)\b)"
)
_STATED_AT_ALL = re.compile(_NOT_AFTER + r"(?P<verb>is|are|was|were|could|should)(?= (?!more|to\b|there)[\w\"“])")
_YES_OR_NO = re.compile(r"[\s\"“*]*(?P<word>[Yy]es|[Nn]o)(?=[,.!]|$)")
_WORD = re.compile(r"(?<![\w'’-])[a-zA-Z]+(?![\w'’]|-\w)")
# "It is important to note that": no statement of its own.
_FIXED_AFTER = re.compile(r" (?:to (?:note|mention|remember|keep in mind)|and (?:more|most)|enough)\b")
_FIXED_BEFORE = re.compile(r"\b(?:as|so|in|how|too|at|all|one|any|every) $")
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I’m|we|let's)\b")
_STATES_ABSENCE = re.compile(
    r"\b(?:not|never|no|nor|neither|cannot|without|nothing|nobody|hardly)\b|n['’]t\b", re.IGNORECASE
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Begin and end of every sentence; a line end closes one."""
    return [match.span() for match in _SENTENCE.finditer(text) if match.group().strip()]


def contrary(
    text: str, begin: int, end: int, rng: Random, *, keep: frozenset[str], at_any_cost: bool = False
) -> Change | None:
    """The one change that makes a sentence say the contrary, or None where there is no sure way.

    A negation is taken out first, or yes and no change places; then a word gives way to its opposite; then "not" is put
    in. Questions and what is said in the first person ("I cannot", "we will") are left alone: they state no fact.

    Args:
        text: The answer.
        begin: Where the sentence begins in it.
        end: Where it ends.
        rng: Chooses among opposites.
        keep: Words that do not give way.
        at_any_cost: Put in "not" where it may read less well, too.
    """
    sentence = text[begin:end]
    if sentence.rstrip().endswith("?") or _FIRST_PERSON.search(sentence):
        return None
    if at_any_cost:
        return _with_negation(sentence, begin, _STATED_AT_ALL)
    return (
        _yes_or_no(sentence, begin)
        or _without_negation(sentence, begin)
        or _opposite(sentence, begin, rng, keep)
        or _with_negation(sentence, begin, _STATED)
    )


def _yes_or_no(sentence: str, begin: int) -> Change | None:
    match = _YES_OR_NO.match(sentence)
    if match is None:
        return None
    other = {"yes": "no", "no": "yes"}[match["word"].lower()]
    return Change(begin + match.start("word"), begin + match.end("word"), "negation", like(match["word"], other))


def _without_negation(sentence: str, begin: int) -> Change | None:
    match = _NEGATED.search(sentence)
    # "Never Gonna Give You Up": a capital inside a sentence is a title's.
    if match is None or (match.group()[0].isupper() and sentence[: match.start()].strip()):
        return None
    if match["spaced"]:
        return Change(begin + match.start("gap"), begin + match.end("gap"), "negation", "")
    if match["joined"]:
        return Change(begin + match.start("nt"), begin + match.end("nt"), "negation", "")
    word = match["irregular"]
    plain = _PLAIN[word.lower().replace("’", "'")]
    return Change(begin + match.start(), begin + match.end(), "negation", like(word, plain))


def _opposite(sentence: str, begin: int, rng: Random, keep: frozenset[str]) -> Change | None:
    places: list[re.Match[str]] = []
    for number, match in enumerate(_WORD.finditer(sentence)):
        word, small = match.group(), match.group().lower()
        # Capitals inside a sentence are names (South Africa, Cold War).
        if small not in opposites() or small in keep or not (word.islower() or (number == 0 and word.istitle())):
            continue
        before = sentence[max(0, match.start() - 8) : match.start()]
        if not _FIXED_BEFORE.search(before) and not _FIXED_AFTER.match(sentence, match.end()):
            places.append(match)
    if not places:
        return None
    match = rng.choice(places)
    other = opposites()[match.group().lower()]
    return Change(begin + match.start(), begin + match.end(), "opposite", like(match.group(), other))


def _with_negation(sentence: str, begin: int, stated: re.Pattern[str]) -> Change | None:
    if _STATES_ABSENCE.search(sentence):
        return None
    match = stated.search(sentence)
    if match is None:
        return None
    place = begin + match.end()
    return Change(place, place, "negation", "not" if match["verb"] == "can" else " not")
