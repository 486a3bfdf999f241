"""What a journal holds of a run: its plan, limits that were lowered on the way, and the answers of finished units.

`plan`: the units as positions in the list of requests, the rows a batch may have in each, data type and versions.
`rows KIND`: rows that units of a kind may have from now on. `unit N`: answers column by column, and counts. What a
request says itself (id, prompt) is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from components.contracts import canonical
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.hf.work import Answer, Counts, Done, Kind, Unit

TYPES: Mapping[Kind, type[Answer]] = {"completion": Completion, "choice": ChoiceScore, "text": TextScore}
_OF_THE_REQUEST = frozenset({"prompt_id", "request_id", "model", "prompt"})


class Plan(NamedTuple):
    """How the requests are cut, for the whole run and whoever continues it."""

    units: tuple[Unit, ...]
    rows: tuple[int, ...]
    """Rows of a batch at most, for each unit; 0 = the runner's own number."""
    setting: Mapping[str, str]
    """What the numbers depend on besides: dtype, kind of device, versions."""


class Records:
    """A run's plan and answers in its journal. Without a journal nothing is kept, and nothing is found."""

    def __init__(self, journal: Journal | None) -> None:
        """Continue what the journal holds.

        Raises:
            TouchstoneError: the journal cannot be used.
        """
        self._journal = journal

    def setting(self) -> Mapping[str, str]:
        """That of the recorded plan; empty = nothing is recorded yet."""
        payload = self._read("plan")
        return _texts(payload["setting"]) if payload else {}

    def plan(self, requests: Sequence[Request]) -> Plan | None:
        """The recorded plan of these requests, if there is one.

        Raises:
            TouchstoneError: it is a plan of other requests.
        """
        payload: Any = self._read("plan")
        if payload is None:
            return None
        if payload["requests"] != _digest(requests):
            raise TouchstoneError(
                "the journal holds answers to other requests",
                expected="the requests with which it was begun",
                remedy="remove the journal, or give each list of requests one of its own",
            )
        units = tuple(Unit(kind, tuple(positions)) for kind, _, positions in payload["units"])
        return Plan(units, tuple(rows for _, rows, _ in payload["units"]), _texts(payload["setting"]))

    def keep_plan(self, plan: Plan, requests: Sequence[Request]) -> None:
        """Write the plan down, before its first unit is run."""
        units = [[u.kind, rows, list(u.requests)] for u, rows in zip(plan.units, plan.rows, strict=True)]
        self._append("plan", {"requests": _digest(requests), "setting": dict(plan.setting), "units": units})

    def limit(self, kind: Kind) -> int | None:
        """Rows to which batches of a kind were lowered; None = they were not."""
        payload: Any = self._read(f"rows {kind}")
        return int(payload["rows"]) if payload else None

    def lower(self, kind: Kind, rows: int) -> None:
        """Write a lowered limit down, before anything is run within it."""
        self._append(f"rows {kind}", {"rows": rows})

    def has(self, number: int) -> bool:
        """Whether a unit is finished."""
        return self._journal is not None and f"unit {number}" in self._journal

    def keep(self, number: int, done: Done, rows: int) -> None:
        """Write a finished unit down.

        Args:
            number: The unit's place in the plan.
            done: Its answers.
            rows: The limit within which they were made.
        """
        self._append(f"unit {number}", {"rows": rows, "counts": asdict(done.counts), "answers": packed(done.answers)})

    def done(self, number: int, unit: Unit, requests: Sequence[Request], model: str) -> Done:
        """A finished unit, as it was kept."""
        payload: Any = self._read(f"unit {number}")
        asked = [requests[position] for position in unit.requests]
        return Done(unpacked(payload["answers"], unit.kind, asked, model), Counts(**payload["counts"]))

    def _read(self, key: str) -> dict[str, object] | None:
        return None if self._journal is None else self._journal.read(key)

    def _append(self, key: str, payload: dict[str, object]) -> None:
        if self._journal is not None:
            self._journal.append(key, payload)


def packed(answers: Sequence[Answer]) -> dict[str, list[object]]:
    """Answers of one type as columns; a column of nothing but defaults is left out. Numbers survive to the bit."""
    if not answers:
        return {}
    columns = {}
    dumped = [answer.model_dump(mode="json", exclude=set(_OF_THE_REQUEST)) for answer in answers]
    for name in dumped[0]:
        values = [row[name] for row in dumped]
        default = type(answers[0]).model_fields[name].default
        if any(value != default for value in values):
            columns[name] = values
    return columns


def unpacked(
    columns: Mapping[str, Sequence[object]], kind: Kind, requests: Sequence[Request], model: str
) -> list[Answer]:
    """The answers in columns, with what their requests say."""
    contract = TYPES[kind]
    made = []
    for index, request in enumerate(requests):
        own: dict[str, object] = {name: values[index] for name, values in columns.items()}
        is_completion = contract is Completion
        own |= {"prompt_id": request.id, "prompt": request.prompt} if is_completion else {"request_id": request.id}
        made.append(contract.model_validate({"model": model, **own}))
    return made


def _digest(requests: Sequence[Request]) -> str:
    return canonical.digest([request.id for request in requests])


def _texts(found: object) -> dict[str, str]:
    assert isinstance(found, dict)
    return {str(name): str(value) for name, value in found.items()}
