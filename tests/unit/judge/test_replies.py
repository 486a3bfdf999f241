"""Replies of judges, read strictly: exactly one verdict of the menu on the last line, or none."""

import pytest

from components.contracts.rows import Completion
from components.judge.replies import read_reply
from components.judge.template import ChoiceForm, GradesForm

CHOICE = ChoiceForm(form="choice")
GRADES = GradesForm(form="grades")


def said(text: str, **changes: object) -> Completion:
    return Completion.model_validate(
        {"prompt_id": "1", "model": "judge", "text": text, "finish": "stop", "num_tokens": 9, **changes}
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Both are right; A is clearer.\nVerdict: A", "first"),
        ("reasons\n\nverdict: b\n", "second"),
        ("**Verdict: TIE**", "tie"),
        ("reasons\n**Verdict:** B.", "second"),
        ("- Verdict: [A]\n```", "first"),
        ("Verdict\t: A\r\n", "first"),
        ("<think>Verdict: B? No. Verdict: A</think>\nVerdict: B", "second"),
    ],
)
def test_one_verdict_of_the_menu_is_read_whatever_its_dress(text: str, place: str) -> None:
    assert read_reply(CHOICE, said(text)).place == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the reply is empty"),
        (" \n\t", "the reply is empty"),
        ("A is better.", "no verdict in the reply"),
        ("The verdict is A", "no verdict in the reply"),
        ("Verdict: A\nOn reflection:\nVerdict: B", "2 verdicts in one reply"),
        ("Verdict: A\nVerdict: A", "2 verdicts in one reply"),
        # A reader that took the first word behind a keyword at a line's start would call this one A.
        ("Verdict: A would be too kind.\nFinal verdict: B", "2 verdicts in one reply"),
        ("Verdict: A or B", 'off the menu: "A or B"'),
        ("Verdict: both", 'off the menu: "both"'),
        ("Verdict:", 'off the menu: ""'),
        ("Verdict: Answer A", 'off the menu: "Answer A"'),
        ("My verdict: A", "the verdict does not stand on a line of its own"),
        ("Verdict: A\nStill, B has its merits.", "text follows the verdict"),
        ("<think>Verdict: A</think>", "the reply is empty"),
    ],
)
def test_anything_else_is_no_verdict_and_says_why(text: str, why: str) -> None:
    verdict = read_reply(CHOICE, said(text))
    assert (verdict.place, verdict.unscored) == (None, why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"finish": "length"}, "the reply was cut at its longest length"),
        ({"cut_tokens": 12}, "the judge's context cut off 12 tokens of what it was asked"),
        ({"unanswered": "refused: no"}, "the judge gave no reply: refused: no"),
    ],
)
def test_a_verdict_that_was_not_given_whole_or_on_the_whole_question_does_not_count(
    changes: dict[str, object], why: str
) -> None:
    assert read_reply(CHOICE, said("Verdict: A", **changes)).unscored == why


@pytest.mark.parametrize(
    ("text", "place", "grades"),
    [
        ("Grades: 7 / 8.5", "second", (7.0, 8.5)),
        ("fine\n**Grades: 10/1**", "first", (10.0, 1.0)),
        ("Grades: 6 / 6.0", "tie", (6.0, 6.0)),
    ],
)
def test_grades_decide_and_equal_grades_are_a_tie(text: str, place: str, grades: tuple[float, float]) -> None:
    verdict = read_reply(GRADES, said(text))
    assert (verdict.place, verdict.grades) == (place, grades)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Grades: 7", 'no two grades: "7"'),
        ("Grades: 7 / 8 / 9", 'no two grades: "7 / 8 / 9"'),
        ("Grades: -1 / 5", 'no two grades: "-1 / 5"'),
        ("Grades: 11 / 5", "the grade 11 is not between 1 and 10"),
        ("Grades: nan / 5", 'no two grades: "nan / 5"'),
    ],
)
def test_grades_off_the_scale_are_none(text: str, why: str) -> None:
    verdict = read_reply(GRADES, said(text))
    assert (verdict.place, verdict.unscored, verdict.grades) == (None, why, None)
