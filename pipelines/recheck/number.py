"""One number of an audit, told with everything that is needed to check it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from components.contracts import manifest
from components.contracts.verdict import Verdict
from components.report.numbers import Number, find, numbers
from components.report.wording import count, interval
from pipelines.audit.decide import read_settings
from pipelines.audit.evaluations import is_finished
from pipelines.audit.place import ROWS

ALL = "all"


def told(verdict: Verdict, address: str, folder: Path, *, as_json: bool = False) -> str:
    """The number as a person reads it, or as JSON; of `all` the list of addresses with their values.

    Args:
        verdict: Computed from the audit's rows.
        address: Such as `nq.delta`.
        folder: The audit.
        as_json: For a program.

    Raises:
        UsageError: there is no number of this address.
    """
    costs = read_settings(folder).costs
    found = [*numbers(verdict, costs).values()] if address == ALL else [find(verdict, address, costs)]
    if as_json:
        values = [_values(number, folder) for number in found]
        return json.dumps(values if address == ALL else values[0], indent=1)
    if address == ALL:
        width = max((len(number.address) for number in found), default=0)
        return "\n".join(f"{number.address:<{width}}  {_value(number)}" for number in found)
    return "\n".join(_lines(found[0], folder))


def _value(number: Number) -> str:
    spread = interval(number.ci, number.measure.text)
    return f"{number.text} ({spread})" if spread else number.text


def _lines(number: Number, folder: Path) -> Iterator[str]:
    yield f"{number.address}  {_value(number)}"
    yield f"  what     {number.measure.what}"
    if number.value is None:
        yield f"  missing  {number.reason or 'no reason recorded'}"
    else:
        exact = "" if number.ci is None else f", {number.ci[0]!r} to {number.ci[1]!r}"
        yield f"  exact    {number.value!r}{exact}"
    if number.n is not None:
        yield f"  n        {count(number.n)} {number.measure.unit}"
    yield f"  formula  {number.measure.how}"
    for place, chosen in _files(number, folder):
        yield f"  rows     {place}{f' where {chosen}' if chosen else ''}"


def _files(number: Number, folder: Path) -> Iterator[tuple[Path, str]]:
    """Files of the number's rows that are there, and which of their rows."""
    for port, chosen in dict.fromkeys(number.rows):
        artifact = folder / ROWS / port
        if is_finished(artifact):
            for file in manifest.read(artifact).files:
                yield artifact / file.name, " and ".join(f"{key} = {value or 'nothing'}" for key, value in chosen)


def _values(number: Number, folder: Path) -> dict[str, object]:
    return {
        "address": number.address,
        "value": number.value,
        "ci": number.ci,
        "n": number.n,
        "what": number.measure.what,
        "reason": number.reason or None,
        "formula": number.measure.how,
        "rows": [{"file": str(place), "where": chosen or None} for place, chosen in _files(number, folder)],
    }
