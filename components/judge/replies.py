"""What a judge's reply says, read strictly: what is not exactly one verdict of the menu is none."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, NamedTuple

from components.contracts.files import show
from components.contracts.rows import Completion
from components.judge.template import ChoiceForm, GradesForm

Place = Literal["first", "second", "tie"]
END_OF_THOUGHT = "</think>"
"""A reasoning model behind a server without reasoning parser thinks aloud before this; none of that is read."""
_DECORATION = " \t*_`#>[]()\"'-"
_NUMBER = r"(\d{1,3}(?:\.\d{1,3})?)"
_GRADES = re.compile(rf"{_NUMBER}\s*/\s*{_NUMBER}")


class Verdict(NamedTuple):
    """What was read: the preferred place, with its grades where there are some, or the reason why it was not."""

    place: Place | None
    unscored: str | None = None
    grades: tuple[float, float] | None = None
    """Of the answers shown first and second."""


def read_reply(form: ChoiceForm | GradesForm, reply: Completion) -> Verdict:
    """The verdict in a reply.

    A verdict counts when its keyword with a colon occurs once after the thoughts, opens the last line, and is followed
    by a choice of the menu. A more forgiving reader would take up a verdict that the judge only weighed.
    """
    if reply.unanswered is not None:
        return _none(f"the judge gave no reply: {reply.unanswered}")
    if reply.cut_tokens:
        return _none(f"the judge's context cut off {reply.cut_tokens} tokens of what it was asked")
    if reply.finish == "length":
        return _none("the reply was cut at its longest length")
    said = reply.text.rpartition(END_OF_THOUGHT)[2].strip()
    if not said:
        return _none("the reply is empty")
    found = list(_opening(form.keyword).finditer(said))
    if len(found) != 1:
        return _none(f"{len(found)} verdicts in one reply" if found else "no verdict in the reply")
    line_start = said.rfind("\n", 0, found[0].start()) + 1
    if said[line_start : found[0].start()].strip(_DECORATION):
        return _none("the verdict does not stand on a line of its own")
    value, _, after = said[found[0].end() :].partition("\n")
    if after.strip(_DECORATION + "\n\r"):
        return _none("text follows the verdict")
    return _choice(form, value) if isinstance(form, ChoiceForm) else _graded(form, value)


@cache
def _opening(keyword: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(keyword)}\b[ \t*_`]*:", re.IGNORECASE)


def _choice(form: ChoiceForm, value: str) -> Verdict:
    said = _bare(value).casefold()
    menu: dict[str, Place] = {
        form.first.casefold(): "first",
        form.second.casefold(): "second",
        form.tie.casefold(): "tie",
    }
    if said in menu:
        return Verdict(menu[said])
    return _none(f"off the menu: {show(_bare(value))}")


def _graded(form: GradesForm, value: str) -> Verdict:
    match = _GRADES.fullmatch(_bare(value))
    if match is None:
        return _none(f"no two grades: {show(_bare(value))}")
    first, second = float(match[1]), float(match[2])
    for grade in (first, second):
        if not form.lowest <= grade <= form.highest:
            return _none(f"the grade {grade:g} is not between {form.lowest:g} and {form.highest:g}")
    return Verdict("tie" if first == second else "first" if first > second else "second", None, (first, second))


def _bare(value: str) -> str:
    # A dash opens a list item before the keyword; behind it, it would be the sign of a grade.
    dress = _DECORATION.replace("-", "") + "\r"
    return value.strip(dress).removesuffix(".").strip(dress)


def _none(why: str) -> Verdict:
    return Verdict(None, why)
