"""A task of the user's own: a small YAML beside its data -> items and a template.

name: capitals                 # the benchmark's name
kind: choice                   # choice, exact_match, program or continuation
data: capitals.jsonl           # a file or a list of files, relative to the YAML
shots: worked.jsonl            # optional: files whose records are worked examples
split_field: split             # optional: a field that tells worked examples from test items in `data`
shots_split: dev
test_split: test               # records with any other value are left out
fields:
  question: query              # a field, or a text with fields in braces: "{passage}\\n{query}"
  id: key                      # default: a digest of question and options
  choices: options             # a field that holds a list, or a list of fields
  right: answer                # choice: the option's text, its letter, or its index from 0
  answers: aliases             # exact_match: a text or a list of texts; program: a solution, optional
  tests: test                  # program: Python that checks it
  entry_point: name            # program: name of the function
  cluster: topic               # items that are not independent; default: each alone
template: {num_shots: 3}       # any key of Template; what is left out is the kind's default
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from components.benchmark.answers import normalise
from components.benchmark.prompting import STYLE_MARK, Template, letter, worked_examples
from components.benchmark.scoring import headline_channel
from components.benchmark.standard_tasks import default_template
from components.contracts import files
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.files import Record
from components.contracts.rows import TaskItem
from components.contracts.yaml_documents import read_mapping

M = TypeVar("M", bound=BaseModel)
Kind = Literal["choice", "exact_match", "program", "continuation"]
NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "choice": ("choices", "right"),
    "exact_match": ("answers",),
    "program": ("tests", "entry_point"),
    "continuation": (),
}
"""Kind -> fields beside the question."""


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Files = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Fields(BaseModel):
    """Where a record holds what an item needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    question: str
    """A field, or a text with fields in braces."""
    id: str = ""
    """A field; empty = a digest of question and options."""
    choices: str | tuple[str, ...] = ()
    """A field that holds a list, or several fields."""
    right: str = ""
    """A field: the right option's text, letter, or index from 0."""
    answers: str = ""
    """A field: one accepted answer or a list of them."""
    tests: str = ""
    """A field: Python that checks a program."""
    entry_point: str = ""
    """A field: the name of the function a program defines."""
    cluster: str = ""
    """A field that items which are not independent share; empty = each item stands alone."""

    @field_validator("question")
    @classmethod
    def _braces_are_paired(cls, given: str) -> str:
        try:
            names = [name for _, name, _, _ in Formatter().parse(given) if name is not None]
        except ValueError as error:
            raise ValueError(f"{error}; a brace that is meant is written twice") from error
        if "" in names:
            raise ValueError("{} names no field")
        return given


class TaskFile(BaseModel):
    """The YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    """The benchmark's name."""
    kind: Kind
    """What is asked for."""
    data: Annotated[Files, Field(min_length=1)]
    """Files of the items."""
    shots: Files = ()
    """Files of worked examples."""
    split_field: str = ""
    """A field of `data` that tells worked examples from test items."""
    shots_split: str = ""
    """Its value for worked examples."""
    test_split: str = "test"
    """Its value for test items."""
    fields: Fields
    """Where records hold what."""
    template: dict[str, object] = Field(default_factory=dict)
    """Keys of Template that differ from the kind's default."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = [name for name in NEEDED[self.kind] if not getattr(self.fields, name)]
        if missing:
            raise ValueError(f"fields lacks {', '.join(missing)}, which a task of kind {self.kind} needs")
        if self.shots_split and not self.split_field:
            raise ValueError("shots_split is given without split_field")
        return self


class Task(NamedTuple):
    """A task of the user's own."""

    name: str
    items: tuple[TaskItem, ...]
    """Worked examples and test items."""
    template: Template


def read_task(path: Path) -> Task:
    """Read a task file and its data.

    Raises:
        UsageError: the YAML is wrong: an unknown key, a key that is missing, a placeholder that nothing fills.
        TouchstoneError: a record lacks a field or its right answer, an id stands twice, too few worked examples.
    """
    read = _checked(path, TaskFile, read_mapping(path))
    template = _template(path, read)
    items = [item for item, _ in _unique(_items(path, read))]
    if not any(item.split == "test" for item in items):
        raise TouchstoneError(
            f"{path}: no record of {', '.join(read.data)} is a test item",
            expected=f"records with {read.split_field}: {read.test_split}" if read.split_field else "records",
            remedy="correct data, split_field or test_split",
        )
    try:
        worked_examples(items, template)
        headline_channel(read.kind, template, "extracted")
    except TouchstoneError as error:
        raise type(error)(f"{path}: {error.found}", expected=error.expected, remedy=error.remedy) from error
    return Task(read.name, tuple(items), template)


def _checked(path: Path, model: type[M], given: Mapping[str, object], inside: str = "") -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ((inside, *first["loc"]) if inside else first["loc"]))
        known = model if not first["loc"] or len(first["loc"]) == 1 else Fields
        unknown = first["type"] == "extra_forbidden"
        told = "unknown key" if unknown else first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"{path}: {key + ': ' if key else ''}{told}",
            expected=f"the keys {', '.join(known.model_fields)}" if unknown or first["type"] == "missing" else "",
            remedy="correct the task file",
        ) from error


def _template(path: Path, read: TaskFile) -> Template:
    default = default_template(read.kind).model_dump()
    if not (read.shots or read.shots_split):
        default["num_shots"] = 0
    return _checked(path, Template, {**default, **read.template}, "template")


def _items(path: Path, read: TaskFile) -> Iterator[tuple[TaskItem, Record]]:
    for split, names in (("shots", read.shots), ("data", read.data)):
        for name in names:
            for record in files.records(path.parent / name):
                of_data = _split_of(record, read) if split == "data" else "shots"
                if of_data:
                    yield _item(record, read, of_data), record


def _split_of(record: Record, read: TaskFile) -> Literal["shots", "test", ""]:
    if not read.split_field:
        return "test"
    value = str(_value(record, read.split_field))
    return "shots" if read.shots_split and value == read.shots_split else "test" if value == read.test_split else ""


def _unique(found: Iterable[tuple[TaskItem, Record]]) -> Iterator[tuple[TaskItem, Record]]:
    places: dict[str, str] = {}
    for item, record in found:
        if item.id in places:
            raise record.error(
                f"the id {item.id} stands a second time, first in {places[item.id]}",
                expected="every id once",
                remedy="name a field that tells the records apart as fields.id, or remove the repetition",
            )
        places[item.id] = record.where
        yield item, record


def _item(record: Record, read: TaskFile, split: Literal["shots", "test"]) -> TaskItem:
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


def _value(record: Record, key: str) -> object:
    if key not in record.value:
        raise record.error(
            f"no field {key}, only {', '.join(map(str, record.value)) or 'nothing'}",
            expected=f"the field {key}, which the task file names",
            remedy="correct the record, or the name in the task file",
        )
    return record.value[key]


def _plain(record: Record, key: str) -> str:
    value = _value(record, key)
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
    value = _value(record, given)
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(v, str | int | float) for v in value):
        raise record.error(f"{given} is {files.show(value)}", expected="a list of at least two options")
    return tuple(map(str, value))


def _right(record: Record, key: str, choices: Sequence[str]) -> int:
    value = _value(record, key)
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
    value = _value(record, key)
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
