"""How a verdict came to be decided as it was: rules that were changed after registration, and earlier looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from components.contracts.verdict import Verdict


class Deciding(NamedTuple):
    """What a reader must know of the rules; all empty for a verdict by registered rules at its only look."""

    looks: str
    """Which look at the run this is, and what alpha it was judged by."""
    rules: tuple[str, ...]
    """Changed rules, as `alpha: 0.05 -> 0.01`."""
    conclusions: tuple[str, ...]
    """What the changed rules changed, as `verdict: CAPABILITY -> INCONCLUSIVE`."""

    def __bool__(self) -> bool:
        return any(self)


def deciding(verdict: Verdict) -> Deciding:
    """What a verdict's provenance records of it."""
    looks = verdict.provenance.get("looks")
    said = looks.get("said") if isinstance(looks, Mapping) else None
    return Deciding(
        said if isinstance(said, str) else "",
        _lines(verdict.provenance.get("changed_rules")),
        _lines(verdict.provenance.get("changed_conclusions")),
    )


def _lines(recorded: object) -> tuple[str, ...]:
    return tuple(map(str, recorded)) if isinstance(recorded, list | tuple) else ()
