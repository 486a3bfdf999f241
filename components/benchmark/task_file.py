"""A task of the user's own: its YAML (`task_declaration`) and its data (`task_records`) -> items and a template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from components.benchmark.prompting import Template, worked_examples
from components.benchmark.scoring import headline_channel
from components.benchmark.standard_tasks import default_template
from components.benchmark.task_declaration import Fields, TaskFile
from components.benchmark.task_records import item_of, value_of
from components.contracts import files
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.files import Record
from components.contracts.rows import TaskItem
from components.contracts.yaml_documents import read_mapping

M = TypeVar("M", bound=BaseModel)


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
                    yield item_of(record, read, of_data), record


def _split_of(record: Record, read: TaskFile) -> Literal["shots", "test", ""]:
    if not read.split_field:
        return "test"
    value = str(value_of(record, read.split_field))
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
