"""A record of a user's own task as a TaskItem; what cannot be one is said with the record's place."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from string import Formatter
from typing import Literal

from components.benchmark.answers import normalise
from components.benchmark.prompting import STYLE_MARK, letter
from components.benchmark.task_declaration import TaskFile
from components.contracts import files
from components.contracts.files import Record
from components.contracts.rows import TaskItem


def item_of(record: Record, read: TaskFile, split: Literal["shots", "test"]) -> TaskItem:
    """The item that a record is.

    Raises:
        TouchstoneError: it lacks a field that the task names, or its right answer is none of its options.
    """
    fields = read.fields
    question = _text(record, fields.question)
    choices = _choices(record, fields.choices) if read.kind == "choice" else ()
    right = _right(record, fields.right, choices) if read.kind == "choice" else None
    answers = (choices[right],) if right is not None else _answers(record, read)
    name = _plain(record, fields.id) if fields.id else _digest(question, choices)
    if STYLE_MARK in name:
        raise record.error(f"the id {name} holds {STYLE_MARK}", expected=f"ids without {STYLE_MARK}")
    item_id = f"{read.name}/{name}"
    return TaskItem(
        id=item_id,
        benchmark=read.name,
        kind=read.kind,
        question=question,
        choices=choices,
        answers=answers,
        right=right,
        tests=record.text(fields.tests) if read.kind == "program" else "",
        entry_point=record.text(fields.entry_point) if read.kind == "program" else "",
        cluster=_plain(record, fields.cluster) if fields.cluster else item_id,
        split=split,
    )


def value_of(record: Record, key: str) -> object:
    """A field that the task names."""
    if key not in record.value:
        raise record.error(
            f"no field {key}, only {', '.join(map(str, record.value)) or 'nothing'}",
            expected=f"the field {key}, which the task file names",
            remedy="correct the record, or the name in the task file",
        )
    return record.value[key]


def _plain(record: Record, key: str) -> str:
    value = value_of(record, key)
    if isinstance(value, str):
        return record.text(key)
    if isinstance(value, int | float):
        return str(value)
    raise record.error(f"{key} is {files.show(value)}", expected=f"{key} as a text or number")


def _text(record: Record, pattern: str) -> str:
    if "{" not in pattern and "}" not in pattern:
        return _plain(record, pattern)
    named = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    return pattern.format(**{name: _plain(record, name) for name in named})


def _choices(record: Record, given: str | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(given, str):
        return tuple(_plain(record, key) for key in given)
    value = value_of(record, given)
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(v, str | int | float) for v in value):
        raise record.error(f"{given} is {files.show(value)}", expected="a list of at least two options")
    return tuple(map(str, value))


def _right(record: Record, key: str, choices: Sequence[str]) -> int:
    value = value_of(record, key)
    letters = [letter(place) for place in range(len(choices))]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
        return value
    if isinstance(value, str):
        # CSV has text everywhere, so an index may come as one; the options' own texts go first.
        for known in (choices, letters, [str(place) for place in range(len(choices))]):
            if value.strip() in known:
                return known.index(value.strip())
    raise record.error(
        f"{key} is {files.show(value)}, which is none of its {len(choices)} options ({', '.join(choices)})",
        expected=f"an option's text, a letter up to {letters[-1]}, or an index from 0 to {len(choices) - 1}",
        remedy="correct the record",
    )


def _answers(record: Record, read: TaskFile) -> tuple[str, ...]:
    key = read.fields.answers
    if read.kind == "continuation" or not key:
        return ()
    value = value_of(record, key)
    listed = value if isinstance(value, list) else [value]
    answers = tuple(str(v) for v in listed if isinstance(v, str | int | float) and not isinstance(v, bool))
    if read.kind == "exact_match" and not any(map(normalise, answers)):
        raise record.error(
            f"no right answer: {key} is {files.show(value)}",
            expected=f"{key} as a text or a list of texts",
            remedy="give the answer, or leave the record out",
        )
    return answers


def _digest(question: str, choices: Sequence[str]) -> str:
    return hashlib.sha256("\0".join([" ".join(question.split()), *choices]).encode()).hexdigest()[:16]
