"""Other numbers of the same shape: years stay years, percentages percentages, and digits keep their commas."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from random import Random

from components.placebo.alterations import Change

_NUMBER = re.compile(
    r"(?<![\w.,/:#^_=-])(?P<digits>\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,9})?|\d{1,15}(?:\.\d{1,9})?)"
    r"(?P<tail>st|nd|rd|th|s|am|pm|AM|PM|km|cm|mm|kg|mg|ml|lbs?|oz|[gmKMBFC])?(?![\w/^]|[.,:-]\d|-\d)"
)
_DIGITS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_RANGE = re.compile(r"(?<![\w.,/:#-])(?P<low>\d{1,4})(?P<dash> ?[-–] ?)(?P<high>\d{1,4})(?![\w/^]|[.,:-]\d|[-–] ?\d)")
_CLOCK = re.compile(r"(?<![\w.,/:#-])(?P<hour>\d{1,2})(?=:\d\d(?!\d|:))")
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|by|until|till|from|to|of|year|around|circa|before|after|during|and|late|early|mid"
    r"|January|February|March|April|May|June|July|August|September|October|November|December)|[(–,-])[ ]?$",
    re.IGNORECASE,
)
_DAY_BEFORE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December) $"
)
# "1. Title" within a line: a list that lost its line breaks.
_NUMBERING_AFTER = re.compile(r"[.)] +[A-Z\"*]")

YEARS = range(1000, 2100)
LIKELY_YEARS = range(1500, 2031)
"""Years even where no word says so, unless a word follows that is counted ("2000 calories")."""
SMALL = 12
LEFT_ALONE = frozenset({"0", "1"})
"""One of a thing has a grammar of its own."""
SCALES = (0.4, 0.5, 0.6, 0.7, 1.3, 1.5, 1.6, 2.0, 2.5, 3.0)

_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_LARGE_WORDS = ("thousand", "million", "billion")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# "The two", "the other three": no number but a word for what was named before.
_NUMBER_WORD = re.compile(
    r"(?<![\w-])(?<!\b[Tt]he )(?<!\b[Tt]hese )(?<!\b[Tt]hose )(?<!\bother )"
    rf"(?:{'|'.join((*_WORDS, *_LARGE_WORDS, *_TENS))})(?![\w-])",
    re.IGNORECASE,
)


class Numbers:
    """Replacements within one answer: the same number always becomes the same other one, and years keep their order."""

    def __init__(self, text: str, rng: Random, *, keep: frozenset[str]) -> None:
        """Prepare an answer.

        Args:
            text: The answer.
            rng: Chooses.
            keep: Numbers, as written, that must stay (those of the prompt, and the length of the answer's own list).
        """
        self._text, self._rng, self._keep = text, rng, keep
        self._became: dict[tuple[str, str], str] = {}
        # Numbers of the answer itself would only change places.
        self._own = frozenset(_DIGITS.findall(text))
        # One shift for all years: what came first still comes first.
        self._shift = -rng.randint(3, 19)
        self._decades = -10 * rng.randint(1, 3)

    def changes(self) -> Iterator[Change]:
        """Every number that can be replaced; ranges before their ends."""
        yield from self._ranges()
        yield from self._clocks()
        yield from self._digits()
        for match in _NUMBER_WORD.finditer(self._text):
            word = match.group()
            if word.lower() not in self._keep:
                yield Change(*match.span(), "number", like(word, self._once("word", word.lower(), self._other_word)))

    def _ranges(self) -> Iterator[Change]:
        for match in _RANGE.finditer(self._text):
            low, high = int(match["low"]), int(match["high"])
            if low >= high or {match["low"], match["high"]} & self._keep:
                continue
            if low in YEARS and high in YEARS:
                new_low, new_high = low + self._shift, high + self._shift
            else:
                new_low = int(self._once("plain", match["low"], self._plain))
                # The distance between the ends changes as their size does.
                new_high = new_low + max(1, round((high - low) * new_low / low)) if low else new_low + high
            yield Change(*match.span(), "number", f"{new_low}{match['dash']}{new_high}")

    def _clocks(self) -> Iterator[Change]:
        for match in _CLOCK.finditer(self._text):
            if match["hour"] not in self._keep and 0 < int(match["hour"]) <= SMALL:
                yield Change(*match.span(), "number", self._once("hour", match["hour"], self._other_hour))

    def _digits(self) -> Iterator[Change]:
        for match in _NUMBER.finditer(self._text):
            digits, tail, begin = match["digits"], match["tail"] or "", match.start()
            before, after = self._text[max(0, begin - 12) : begin], self._text[match.end() : match.end() + 4]
            if digits in LEFT_ALONE or {digits, digits + tail} & self._keep:
                continue
            if not tail and float(digits.replace(",", "")) <= 30 and _NUMBERING_AFTER.match(after):
                continue
            new = self._other(digits, tail, before, after)
            if new != digits + tail:
                yield Change(*match.span(), "number", new)

    def _other(self, digits: str, tail: str, before: str, after: str) -> str:
        if tail in {"st", "nd", "rd", "th"}:
            return self._once("ordinal", digits, self._other_ordinal)
        if len(digits) == 4 and digits.isdigit() and int(digits) in YEARS:
            if tail == "s":
                return f"{int(digits) + self._decades}s"
            if _YEAR_BEFORE.search(before) or (int(digits) in LIKELY_YEARS and not re.match(" [a-z]", after)):
                return str(int(digits) + self._shift)
        if after.startswith("%") or after.startswith(" per"):
            return self._once("percent", digits, self._percent) + tail
        if tail.lower() in {"am", "pm"} or (re.match(r" ?[ap]\.?m", after, re.IGNORECASE) and not tail):
            return self._once("hour", digits, self._other_hour) + tail
        if digits.isdigit() and _DAY_BEFORE.search(before):
            return self._once("day", digits, self._other_day) + tail
        return self._once("plain", digits, self._plain) + tail

    def _once(self, kind: str, value: str, choose: Callable[[str], str]) -> str:
        if (kind, value) not in self._became:
            self._became[kind, value] = choose(value)
        return self._became[kind, value]

    def _from(self, values: Iterable[int | str], but: int | str) -> str:
        return str(self._rng.choice([value for value in values if value != but]))

    def _other_word(self, word: str) -> str:
        family = next(words for words in (_WORDS, _LARGE_WORDS, _TENS) if word in words)
        # No "two" from "three" and back: neighbours read like a slip, and lists of two have a grammar of their own.
        return self._from(tuple(other for other in family if other != "two"), word)

    def _other_hour(self, hour: str) -> str:
        return self._from(range(1, SMALL + 1), int(hour)) if hour.isdigit() else hour

    def _other_day(self, day: str) -> str:
        return self._from(range(2, 29), int(day))

    def _other_ordinal(self, digits: str) -> str:
        if not digits.isdigit():
            return digits
        value = int(digits)
        near = range(max(2, value - 4), value + 5) if value > 1 else range(2, 6)
        new = int(self._from(near, value))
        ending = "th" if 10 <= new % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(new % 10, "th")
        return f"{new}{ending}"

    def _percent(self, digits: str) -> str:
        value = float(digits.replace(",", ""))
        if value > 100 or "." in digits:
            return self._plain(digits)
        # Away from the old value by at least 10 points, and never 0 or 100.
        return str(self._rng.choice([share for share in range(2, 99) if abs(share - value) >= 10]))

    def _plain(self, digits: str) -> str:
        value = float(digits.replace(",", ""))
        if digits.isdigit() and value <= SMALL:
            near = range(2, min(SMALL, 2 * int(value) + 3) + 1)
            return self._from([new for new in near if str(new) not in self._own] or near, int(value))
        decimals = len(digits.partition(".")[2])
        for scale in self._rng.sample(SCALES, len(SCALES)):
            new = self._shaped(value * scale, digits, decimals)
            if new not in self._own and float(new.replace(",", "")) > 1:
                return new
        return digits

    @staticmethod
    def _shaped(value: float, like_digits: str, decimals: int) -> str:
        """The value with as many decimals, and as many trailing zeros, as the number it replaces."""
        if decimals:
            text = f"{value:,.{decimals}f}"
        else:
            whole = like_digits.replace(",", "")
            zeros = min(len(whole) - len(whole.rstrip("0")), max(0, len(str(int(value))) - 1))
            text = f"{round(value / 10**zeros) * 10**zeros:,d}"
        return text if "," in like_digits or value >= 100_000 else text.replace(",", "")


def like(word: str, other: str) -> str:
    """`other` with the capitals of `word`: the first letter's, or all."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
