"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One answer of one check."""

    status: Status
    """Only FAILED makes the command fail."""
    found: str
    """What was met; the reason where it was skipped."""
    expected: str = ""
    """What a run needs, or what follows where it is only a warning."""
    remedy: str = ""
    """What to type."""
    subject: str = ""
    """Which of several things the check looked at; empty = it looks at one."""


def ok(found: str, *, subject: str = "") -> Finding:
    """Nothing to do."""
    return Finding(Status.OK, found, subject=subject)


def failed(found: str, *, expected: str, remedy: str, subject: str = "") -> Finding:
    """A run would fail."""
    return Finding(Status.FAILED, found, expected, remedy, subject)


def warning(found: str, *, expected: str, remedy: str, subject: str = "") -> Finding:
    """A run works, and someone should know what it lacks."""
    return Finding(Status.WARNING, found, expected, remedy, subject)


def skipped(reason: str, *, remedy: str = "", subject: str = "") -> Finding:
    """Not looked at, and why."""
    return Finding(Status.SKIPPED, reason, remedy=remedy, subject=subject)
