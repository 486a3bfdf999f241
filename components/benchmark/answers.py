"""Reading short answers: as the stock harness does, and inside a longer reply."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Literal, NamedTuple

ARTICLES = re.compile(r"\b(a|an|the)\b")
STOCK_STOPS = ("\n", ".", ",")
"""Where lm-evaluation-harness ends an NQ answer. It costs chatty models points for their style alone."""
EXTRACT_WITHIN_WORDS = 20
BEYOND_WORDS = 40
"""Words read behind these, to see whether the answer is the first of many guesses."""
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_STOCK_ARTICLES = re.compile(r"\b(?:The |the |An |A |The |a |an )")

NEGATIONS = frozenset(
    {"not", "never", "neither", "nor", "isnt", "wasnt", "arent", "werent", "doesnt", "didnt"}
) | frozenset({"dont", "cant", "without", "except", "besides", "instead", "rather", "than", "unlike"})
"""Words after which a name is ruled out, up to `NEGATION_REACH` words on, within the clause."""
NEGATION_REACH = 4
SHORT_WORDS = 4
"""A part of a list of guesses has at most so many words."""
SCALES = frozenset({"hundred", "thousand", "million", "billion", "trillion"})
"""A number before one of these is another number."""
Mark = Literal["", "comma", "or", "line", "stop"]
LISTED, LINES = ("comma", "or"), ("line",)
"""Separators of a list within a sentence, and of a list of lines."""
_BULLET = re.compile(r"(?:[-*•]|\d{1,2}[.):])(?=\s)")
_ABBREVIATION = re.compile(r"\W*\w{1,2}\.")
"""Dr., C.: a full stop that ends no sentence."""


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space (Lee et al. 2019, the NQ-open scorer)."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def stock_reply(reply: str, stops: Sequence[str] = STOCK_STOPS) -> str:
    """A reply as the stock harness hands it to its metric: cut before the first of `stops`, without space around."""
    return reply[: min((at for stop in stops if (at := reply.find(stop)) >= 0), default=len(reply))].strip()


def strict_match(reply: str, answers: Sequence[str], stops: Sequence[str] = STOCK_STOPS) -> bool:
    """Whether the stock harness counts a reply as exact.

    lm-evaluation-harness's task nq_open: the reply is cut at the first of `stops` and loses the space around it; reply
    and answer lose articles that a space follows, then case and punctuation. White space inside is compared as it is.
    """
    said = _stock_form(stock_reply(reply, stops))
    return any(said == _stock_form(answer) for answer in answers)


def extracted_match(reply: str, answers: Sequence[str], within_words: int = EXTRACT_WITHIN_WORDS) -> bool:
    """Whether the reply, however it is worded, gives one of `answers`.

    A reply that equals an answer after `normalise` does. Else an answer must stand, as whole words, among the first
    `within_words` words, and none of these may hold:

    * it is ruled out: one of `NEGATIONS` stands at most `NEGATION_REACH` words before it in the same clause (a clause
      ends at a full stop, comma, line break or "but"): "not Paris but Rome" says Rome;
    * it is one of several guesses: "Paris or Rome" (an "or" after a comma explains a word and is no guess: "myocardial
      infarction, or heart attack"); at least three other short parts in a row between commas, two where an "or" is
      among them; at least two other short lines in a row that are no sentences. Parts that hold an accepted answer are
      no other guesses;
    * it is a part of another number: "5" in "5 million".
    """
    accepted = [words for answer in answers if (words := normalise(answer).split())]
    if normalise(reply).split() in accepted:
        return True
    text = _Words.of(reply, within_words + BEYOND_WORDS)
    places = [place for answer in accepted for place in text.find(answer)]
    return any(
        end <= within_words
        and not text.is_ruled_out(start)
        and not text.is_one_of_several(start, end, places)
        and not text.is_part_of_a_number(start, end)
        for start, end in places
    )


def best_choice(logprobs: Sequence[float]) -> int:
    """Index of the most likely option; the first of equals, as in lm-evaluation-harness."""
    return max(range(len(logprobs)), key=lambda index: (logprobs[index], -index))


def _stock_form(text: str) -> str:
    return _STOCK_ARTICLES.sub("", text).lower().translate(_PUNCTUATION)


class _Part(NamedTuple):
    """Words between two separators."""

    start: int
    end: int
    before: Mark
    """The separator in front of it."""
    after_comma: bool
    """Whether a comma stands beside that separator ("..., or ...")."""


class _Words(NamedTuple):
    """A reply as normalised words, with what separated them."""

    words: list[str]
    marks: list[Mark]
    """What stands between a word and the one before it; "" = only a space."""
    commas: list[bool]
    """Whether a comma stands there, beside any other mark."""

    @classmethod
    def of(cls, reply: str, most: int) -> _Words:
        """The first words of a reply, `most` and the rest of a token."""
        words: list[str] = []
        marks: list[Mark] = []
        commas: list[bool] = []
        mark: Mark = ""
        comma = False
        for line in filter(None, map(str.strip, reply.splitlines())):
            bullet = _BULLET.match(line)
            mark, comma = "line" if bullet or line[-1] not in ".!?" else "stop", False
            for token in line[bullet.end() if bullet else 0 :].split():
                if len(words) >= most:
                    return cls(words, marks, commas)
                said = normalise(token).split()
                if said == ["or"]:
                    mark = "or"
                    continue
                for word in said:
                    words.append(word)
                    marks.append(mark)
                    commas.append(comma)
                    mark, comma = "", False
                if token[-1] in ".!?:" and not _ABBREVIATION.fullmatch(token):
                    mark = "stop"
                elif token[-1] in ",;":
                    mark, comma = mark or "comma", True
        return cls(words, marks, commas)

    def find(self, wanted: Sequence[str]) -> list[tuple[int, int]]:
        """Where `wanted` stands as whole words: [start, end)."""
        size = len(wanted)
        return [(at, at + size) for at in range(len(self.words) - size + 1) if self.words[at : at + size] == wanted]

    def is_ruled_out(self, start: int) -> bool:
        for back in range(1, NEGATION_REACH + 1):
            at = start - back
            if at < 0 or self.marks[at + 1] in ("comma", "stop", "line") or self.words[at] == "but":
                return False
            if self.words[at] in NEGATIONS:
                return True
        return False

    def is_part_of_a_number(self, start: int, end: int) -> bool:
        follows = end < len(self.words) and self.words[end] in SCALES
        return follows and self.words[end - 1].isdigit()

    def is_one_of_several(self, start: int, end: int, accepted: Sequence[tuple[int, int]]) -> bool:
        parts = self._parts()
        mine = [n for n, part in enumerate(parts) if part.start < end and start < part.end]
        first, last = mine[0], mine[-1]

        def is_other(number: int) -> bool:
            return not any(a < parts[number].end and parts[number].start < b for a, b in accepted)

        alternatives = [
            number
            for number, seam in ((first - 1, first), (last + 1, last + 1))
            if 0 <= number < len(parts) and parts[seam].before == "or" and not parts[seam].after_comma
        ]
        if any(map(is_other, alternatives)):
            return True
        between_commas = [*self._run(parts, first, -1, LISTED), *self._run(parts, last, 1, LISTED)]
        span = [*between_commas, first, last]
        has_or = any(parts[number].before == "or" for number in range(min(span) + 1, max(span) + 1))
        lines = [*self._run(parts, first, -1, LINES), *self._run(parts, last, 1, LINES)]
        return sum(map(is_other, between_commas)) >= (2 if has_or else 3) or sum(map(is_other, lines)) >= 2

    def _parts(self) -> list[_Part]:
        starts = [at for at, mark in enumerate(self.marks) if mark or at == 0]
        return [
            _Part(at, end, self.marks[at], self.commas[at])
            for at, end in zip(starts, [*starts[1:], len(self.words)], strict=True)
        ]

    def _run(self, parts: Sequence[_Part], at: int, step: int, kinds: Sequence[str]) -> list[int]:
        """Numbers of the short parts that stand in a row beside part `at`, joined by separators of `kinds`."""
        found = []
        while 0 <= at + step < len(parts):
            seam = parts[max(at, at + step)]
            part = parts[at + step]
            if seam.before not in kinds or part.end - part.start > SHORT_WORDS:
                break
            at += step
            found.append(at)
        return found
