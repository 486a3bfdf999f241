"""Errors a user can mend.

    TouchstoneError            exit 1   something was found that cannot be worked with
    ├── UsageError             exit 2   the command or a configuration file is wrong
    └── GateNotPassed          exit 3   everything worked and the answer is no

Anything else that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class TouchstoneError(Exception):
    """A failure the user can act on; printed without a traceback.

    Args:
        found: What was met, with file and line where there is one.
        expected: What would have been accepted.
        remedy: What to type or change.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.found]
        if self.expected:
            parts.append(f"expected: {self.expected}")
        if self.remedy:
            parts.append(f"to do:    {self.remedy}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not survive pickling between processes unaided.
        return (_rebuild, (type(self), self.found, self.expected, self.remedy))


def _rebuild(kind: type[TouchstoneError], found: str, expected: str, remedy: str) -> TouchstoneError:
    return kind(found, expected=expected, remedy=remedy)


class UsageError(TouchstoneError):
    """The command line, an audit.yaml, a policy or a preset cannot be understood."""

    exit_code = 2


class GateNotPassed(TouchstoneError):
    """The work is done and saved, and a gate (data quality, or the policy's `require`) says no."""

    exit_code = 3
