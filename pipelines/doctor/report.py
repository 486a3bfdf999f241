"""The findings, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from pipelines.doctor.finding import Finding, Status
from pipelines.doctor.schedule import Result

COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
PLAIN_WIDTH = 120
"""Of a table that no terminal shows."""


def anything_failed(results: Sequence[Result]) -> bool:
    """Whether a run would fail."""
    return any(finding.status is Status.FAILED for _, finding in _pairs(results))


def as_json(results: Sequence[Result], namespace: str) -> str:
    """One object: `ok`, `namespace`, and `checks` with one entry for every finding."""
    entries = [
        {
            "check": result.check,
            "subject": finding.subject,
            "status": finding.status.value,
            "found": finding.found,
            "expected": finding.expected,
            "remedy": finding.remedy,
            "seconds": round(result.seconds, 3),
        }
        for result, finding in _pairs(results)
    ]
    return json.dumps({"ok": not anything_failed(results), "namespace": namespace, "checks": entries}, indent=1)


def print_report(results: Sequence[Result], console: Console) -> None:
    """A table of everything, then what to do about each failure and warning."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("check", "", "found"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "found")
    for result, finding in _pairs(results):
        colour = COLOURS[finding.status]
        table.add_row(title(result, finding), f"[{colour}]{finding.status}[/]", _escaped(finding.found))
    console.print(table)
    for result, finding in _pairs(results):
        if finding.status in (Status.FAILED, Status.WARNING):
            console.print()
            console.print(f"[{COLOURS[finding.status]}]{finding.status}[/] {title(result, finding)}", highlight=False)
            for label, text in (("found", finding.found), ("expected", finding.expected), ("to do", finding.remedy)):
                # Lines are left whole: a command that was broken to fit could not be copied.
                console.print(f"  {label + ':':<10}{_escaped(text)}", soft_wrap=True, highlight=False)
    console.print()
    console.print(summary(results), highlight=False)


def summary(results: Sequence[Result]) -> str:
    """How many findings of each kind, in a line."""
    statuses = [finding.status for _, finding in _pairs(results)]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in Status if status in statuses)
    verdict = "a run would fail" if anything_failed(results) else "nothing found that would fail a run"
    return f"{counts}: {verdict}"


def title(result: Result, finding: Finding) -> str:
    """What a finding is about."""
    return f"{result.check}: {finding.subject}" if finding.subject else result.check


def terminal() -> Console:
    """Standard output; wide enough for one line a check where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH, color_system=None)


def _pairs(results: Sequence[Result]) -> Iterator[tuple[Result, Finding]]:
    yield from ((result, finding) for result in results for finding in result.findings)


def _escaped(text: str) -> str:
    # Square brackets in an error message are not rich's markup.
    return text.replace("[", r"\[")
