"""FastChat reviews: two answers, two grades, and who was shown first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from components.collect.prompts import id_text
from components.contracts import files
from components.contracts.files import Record

UNPARSED = -1.0
"""FastChat's grade for a reply in which no two numbers were found."""
UNREADABLE = "the judge's reply could not be parsed"
_FILE_NAME = re.compile(r"review_(?P<first>[^_]+)_(?P<second>[^_.]+(?:\.\d[^_.]*)*)")


class Review(NamedTuple):
    """One review."""

    prompt_id: str
    reviewer: str
    first: str
    """Name of the model shown first."""
    second: str
    scores: tuple[float, float] | None
    """Grades of first and second; None when the reply could not be parsed."""


def read_review(
    path: Path,
    record: Record,
    by_answer: Mapping[str, tuple[str, str]],
    named: Callable[[str], str | None],
) -> Review:
    """Read a review.

    Args:
        path: Its file. `review_FIRST_SECOND` names the models only where the answer ids are unknown.
        record: question_id, score [first, second], and answer1_id and answer2_id, or model_1 and model_2.
        by_answer: answer_id -> (model, prompt id), from the answer files.
        named: Finds a model by a name.

    Raises:
        TouchstoneError: malformed grades, or an answer that belongs to another question.
    """
    prompt_id = id_text(record, "question_id")
    first = _model(path, record, 1, by_answer, named, prompt_id)
    second = _model(path, record, 2, by_answer, named, prompt_id)
    return Review(prompt_id, _reviewer(record), first, second, _scores(record))


def _model(
    path: Path,
    record: Record,
    place: int,
    by_answer: Mapping[str, tuple[str, str]],
    named: Callable[[str], str | None],
    prompt_id: str,
) -> str:
    given = record.value.get(f"model_{place}")
    if isinstance(given, str):
        return given
    answer_id = record.text(f"answer{place}_id")
    if answer_id in by_answer:
        model, answered = by_answer[answer_id]
        if answered != prompt_id:
            raise record.error(
                f"answer{place}_id {answer_id} answers question {answered}, the review is of question {prompt_id}",
                expected="a review of two answers to one question",
                remedy="give the answer files that were reviewed",
            )
        return model
    match = _FILE_NAME.match(path.name)
    name = match["first" if place == 1 else "second"] if match else ""
    return name if named(name) else f"the author of answer {answer_id}"


def _scores(record: Record) -> tuple[float, float] | None:
    value = record.value["score"]
    if not isinstance(value, list) or len(value) != 2:
        raise record.error(f"score is {files.show(value)}", expected="two grades: [first, second]", remedy="correct it")
    first, second = (Record(record.where, {"score": part}).number("score") for part in value)
    if UNPARSED in (first, second):
        return None
    if min(first, second) < 0:
        raise record.error(
            f"score is {files.show(value)}",
            expected="two grades of at least 0, or -1 for unparsed",
            remedy="correct it",
        )
    return first, second


def _reviewer(record: Record) -> str:
    """The judge's name. FastChat gives one judge a reviewer id for each kind of question: `gpt-4-0328-coding`."""
    value = record.value.get("reviewer_id")
    if isinstance(value, str) and value:
        for kind in ("-default", "-generic", "-general", "-coding", "-math"):
            value = value.removesuffix(kind)
        return value
    return "reviewer"
