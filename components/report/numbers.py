"""Every number of a verdict by an address such as `nq.delta`: its value, its interval, and the rows it comes from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from components.contracts.errors import UsageError
from components.contracts.verdict import BenchmarkResult, Interval, Verdict
from components.report.data_entries import taken, trained_on
from components.report.entries import Entry, Selection, attributed, explained, items_given, measured
from components.report.measures import Measure
from components.report.opinion_entries import preferred
from components.report.page_inputs import CostLine

WHOLE = ("features", "gold", "published_style")
"""Ports whose rows do not say which source or benchmark they belong to."""


class Number(NamedTuple):
    """One number of one verdict."""

    address: str
    """What to give to `touchstone verdict --show`."""
    value: float | int | None
    """Null where it cannot be had."""
    ci: Interval | None
    """Its interval, where it has one."""
    n: int | None
    """What is counted behind it."""
    reason: str
    """Why the value is null, where that is known."""
    rows: tuple[tuple[str, Selection], ...]
    """Port and which of its rows, those that say most first."""
    measure: Measure
    """What it is."""

    @property
    def text(self) -> str:
        """As the page prints it."""
        return self.measure.text(self.value)


def numbers(verdict: Verdict, costs: Sequence[CostLine] = ()) -> dict[str, Number]:
    """Address -> number, in the order of the page; those that cannot be had are among them.

    Args:
        verdict: Whose numbers.
        costs: What the work took, where that is known.
    """
    return {number.address: number for entry in _entries(verdict, costs) for number in _numbers(entry, verdict)}


def find(verdict: Verdict, address: str, costs: Sequence[CostLine] = ()) -> Number:
    """One number.

    Raises:
        UsageError: there is none of this address.
    """
    known = numbers(verdict, costs)
    if address not in known:
        close = difflib.get_close_matches(address, known, 3)
        raise UsageError(
            f"there is no number {address}",
            expected=f"perhaps {', '.join(close)}" if close else "an address such as style.closeness",
            remedy="--show all lists every address",
        )
    return known[address]


def _entries(verdict: Verdict, costs: Sequence[CostLine]) -> Iterator[Entry]:
    yield from measured(verdict)
    yield from preferred(verdict)
    yield from attributed(verdict)
    yield from explained(verdict)
    yield from trained_on(verdict)
    yield from taken(costs)


def _numbers(entry: Entry, verdict: Verdict) -> Iterator[Number]:
    for name, measure in entry.fields.items():
        counted = getattr(entry.part, measure.n, None) if measure.n else None
        yield Number(
            address=f"{entry.address}.{name}",
            value=getattr(entry.part, name),
            ci=getattr(entry.part, measure.ci) if measure.ci else None,
            n=verdict.style.n if measure.unit == "prompts" and counted is None else counted,
            reason=_reason(entry.part, name),
            rows=tuple(_rows(port, entry, verdict) for port in measure.ports),
            measure=measure,
        )


def _rows(port: str, entry: Entry, verdict: Verdict) -> tuple[str, Selection]:
    """The port and which of its rows; of a role without item scores the number that was published."""
    if port in WHOLE:
        return port, ()
    role, _, kind = port.partition("_")
    if kind != "scores" or not isinstance(entry.part, BenchmarkResult):
        return port, entry.chosen
    scored = items_given(verdict, entry.part.name, role)
    return (port, entry.chosen) if scored is not False else ("published", (*entry.chosen, ("role", role)))


def _reason(part: Any, name: str) -> str:
    if getattr(part, name) is not None:
        return ""
    return getattr(part, f"{name}_reason", None) or getattr(part, "reason", None) or getattr(part, "note", None) or ""
