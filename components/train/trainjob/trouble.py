"""A reason why a TrainJob does not run or did not end well, as a person needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.contracts.errors import TouchstoneError
from components.train.trainjob.cluster import Object

Kind = Literal[
    "unschedulable",
    "suspended",
    "image",
    "configuration",
    "not-created",
    "oom",
    "disrupted",
    "crash",
    "deadline",
    "runtime",
    "failed",
]

STARTING: frozenset[Kind] = frozenset({"unschedulable", "suspended"})
"""What time may mend: an autoscaler brings nodes, a queue lets the job in."""


@dataclass(frozen=True)
class Trouble:
    """One reason, as a person needs it."""

    kind: Kind
    """What sort of reason; how long it is tolerated depends on it."""
    found: str
    """What was met."""
    expected: str
    """What would have been fine."""
    remedy: str
    """What to type or change."""
    pod: str = ""
    """The pod it was seen on, if on one."""
    container: str = ""
    """The container that ended, if one did."""
    hopeless: bool = False
    """Whether waiting is certain not to help."""

    def error(self, last_lines: Sequence[str] = ()) -> TouchstoneError:
        """The reason as an error; `last_lines` are what the container wrote last."""
        said = "".join(f"\n    {line}" for line in last_lines)
        found = f"{self.found}; its last lines:{said}" if last_lines else self.found
        return TouchstoneError(found, expected=self.expected, remedy=self.remedy)


def condition(item: Object, kind: str) -> Object | None:
    """The condition of that type whose status is True."""
    for entry in item.get("status", {}).get("conditions") or []:
        if entry["type"] == kind and entry["status"] == "True":
            found: Object = entry
            return found
    return None
