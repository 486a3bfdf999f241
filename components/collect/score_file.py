"""One model's scores while they are collected: no item twice, every value in [0, 1] or absent with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import PublishedScore
from components.contracts.files import Record
from components.contracts.rows import Role, Score, TaskItem

_COMMA = re.compile(r"[-+]?\d*,\d+")


@dataclass(frozen=True)
class ScoreFile:
    """One model's scores of any number of benchmarks."""

    role: Role
    model: str
    logged_as: str | None
    """The model's name in a results file."""
    scores: tuple[Score, ...]
    published: tuple[PublishedScore, ...]
    """Benchmarks of which only the mean is known (a results file without samples)."""
    items: tuple[TaskItem, ...]
    """Questions of the items, where the logs hold them."""
    remarks: tuple[str, ...]
    """Choices made on the way that a reader must know (metric, filter)."""

    @property
    def benchmarks(self) -> dict[str, None]:
        """Names of the benchmarks, in the order in which they appear."""
        return dict.fromkeys([*(row.benchmark for row in self.scores), *(row.benchmark for row in self.published)])


class ScoreSheet:
    """Collects rows of one role; the model's name is filled in at the end."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.model: str | None = None
        self._rows: dict[tuple[str, str, str], Score] = {}
        self._places: dict[tuple[str, str, str], str] = {}
        self._published: dict[str, PublishedScore] = {}
        self._items: dict[tuple[str, str], TaskItem] = {}
        self._remarks: dict[str, None] = {}

    @property
    def size(self) -> int:
        """Scores and published numbers so far."""
        return len(self._rows) + len(self._published)

    def add(self, record: Record, row: Score, *, question: str | None = None) -> None:
        """Keep a score.

        Raises:
            TouchstoneError: the item was scored before in the same way; both places are named.
        """
        key = (row.benchmark, row.item_id, row.channel)
        if key in self._rows:
            raise record.error(
                f"item {row.item_id} of {row.benchmark} was already scored ({self._places[key]})",
                expected="one score for each item; several samples as their mean",
                remedy="remove one of the two; two benchmarks in two files are told apart by a benchmark column,"
                f" or --scores {self.role}:BENCHMARK=FILE",
            )
        self._rows[key] = row
        self._places[key] = record.where
        if question and question.strip():
            self._items[row.benchmark, row.item_id] = TaskItem(
                id=row.item_id,
                benchmark=row.benchmark,
                kind="exact_match",
                question=files.without_lone_surrogates(question),
                answers=(),
                cluster=row.cluster,
            )

    def publish(self, where: str, row: PublishedScore) -> None:
        """Keep a mean without items.

        Raises:
            TouchstoneError: the benchmark already has one.
        """
        if row.benchmark in self._published:
            raise TouchstoneError(
                f"{where}: a second mean for {row.benchmark}",
                expected="one number for each benchmark and model",
                remedy=f"give one results file of each benchmark with --scores {self.role}=FILE",
            )
        self._published[row.benchmark] = row

    def remark(self, text: str) -> None:
        """Note a choice once."""
        self._remarks[text] = None

    def finish(self, model: str) -> ScoreFile:
        """All rows under the model's name."""
        scored = {benchmark for benchmark, _, _ in self._rows}
        return ScoreFile(
            self.role,
            model,
            self.model,
            tuple(row.model_copy(update={"model": model}) for row in self._rows.values()),
            tuple(
                row.model_copy(update={"model": model}) for name, row in self._published.items() if name not in scored
            ),
            tuple(self._items.values()),
            tuple(self._remarks),
        )


def unit(record: Record, key: str) -> float:
    """A score in [0, 1].

    Raises:
        TouchstoneError: NaN, infinite, out of range, or no number; the place and the value are named.
    """
    number = files.as_number(record.value.get(key))
    if number is None or not 0.0 <= number <= 1.0:
        shown = record.value.get(key)
        hint = ""
        if number is not None and 1.0 < number <= 100.0:
            hint = " (a percentage must be divided by 100, a count by the number of tries)"
        elif isinstance(shown, str) and _COMMA.fullmatch(shown.strip()):
            hint = " with a decimal point, not a comma"
        raise record.error(
            f"{key} is {shown if isinstance(shown, str) else files.show(shown)}",
            expected=f"a score from 0 to 1{hint}",
            remedy="correct the value; an item that could not be scored has no value and a reason in `unscored`",
        )
    return number


def mean_of(parts: Mapping[str, tuple[float, int]]) -> tuple[float, int]:
    """Mean over all items of several (mean, n), and their number."""
    total = sum(n for _, n in parts.values())
    return sum(value * n for value, n in parts.values()) / total, total
