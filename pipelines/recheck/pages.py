"""The pages of a verdict that was decided anew, in a folder of their own."""

from __future__ import annotations

import os
from pathlib import Path

from components.contracts.errors import UsageError
from components.contracts.places import disk_errors
from components.contracts.verdict import Verdict
from components.report.redaction import redact_extras
from pipelines.audit.decide import read_settings
from pipelines.audit.page import extras_of
from pipelines.audit.place import MEMBERS, ROWS


def write_anew(verdict: Verdict, folder: Path, out: Path, *, command: str, redact: bool) -> None:
    """Write verdict.json, report.html and report.md; links lead to the audit's rows where they lie.

    Args:
        verdict: Decided anew.
        folder: The audit, which stays as it is.
        out: Folder for the files.
        command: What was typed.
        redact: Leave texts out.

    Raises:
        UsageError: `out` is the audit itself, or holds something else.
        TouchstoneError: it cannot be written.
    """
    from components.report.report_files import write_pages

    _check(folder, out)
    settings = read_settings(folder)
    beside = Path(os.path.relpath(folder / ROWS, out)).as_posix()
    extras = extras_of(folder / ROWS, settings, command=command, beside=beside)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        write_pages(out, verdict, redact_extras(extras) if redact or settings.redact else extras)


def _check(folder: Path, out: Path) -> None:
    if not out.is_dir():
        return
    others = {entry.name for entry in out.iterdir()} - (MEMBERS - {ROWS})
    if out.resolve() == folder.resolve() or others:
        found = "is the audit itself" if out.resolve() == folder.resolve() else f"holds {min(others)}"
        raise UsageError(
            f"--out {out} {found}",
            expected="a new or empty folder, or an earlier verdict's",
            remedy="choose another folder",
        )
