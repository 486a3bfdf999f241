"""What another policy changes: rule by rule, and conclusion by conclusion on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.contracts.verdict import Verdict
from components.report.policy import Policy


class Difference(NamedTuple):
    """One rule or conclusion under two policies."""

    name: str
    """Dotted name of a rule, or what is concluded of what."""
    was: object
    """Under the first policy."""
    now: object
    """Under the second."""

    def __str__(self) -> str:
        """`alpha: 0.05 -> 0.01`."""
        return f"{self.name}: {_words(self.was)} -> {_words(self.now)}"


def changed_rules(first: Policy, second: Policy) -> list[Difference]:
    """Rules that differ; names of policies are no rules."""
    old, new = dict(_flat(first.model_dump(mode="json"))), dict(_flat(second.model_dump(mode="json")))
    return [Difference(name, old[name], new[name]) for name in old if name != "name" and old[name] != new[name]]


def changed_conclusions(first: Verdict, second: Verdict) -> list[Difference]:
    """What the second verdict says differently of the same rows: words, sets, labels; intervals are no conclusions."""
    old, new = _conclusions(first), _conclusions(second)
    return [Difference(name, old.get(name), new.get(name)) for name in new if old.get(name) != new.get(name)]


def _conclusions(verdict: Verdict) -> dict[str, object]:
    found: dict[str, object] = {
        "verdict": verdict.verdict,
        "gate": verdict.gate,
        "gained": verdict.gained,
        "regressed": verdict.regressed,
    }
    for b in verdict.benchmarks:
        found[f"{b.name}, by itself"] = b.label
        found[f"{b.name}, covered by the imitation data"] = b.supported
    for row in verdict.preference:
        found[f"{row.source} on {row.model} against {row.opponent}, may gate"] = row.qualified
    for judge in verdict.judges:
        found[f"{judge.source}, qualified"] = judge.qualified
    return found


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
