"""What a CI wants of a verdict: JUnit's XML, Prometheus' text, a summary of the job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts.errors import TouchstoneError
from components.contracts.verdict import Verdict

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""GitHub names the file of a step's summary in it. No setting of ours: it exists where there is something to fill."""


def tell_ci(verdict: Verdict, *, junit: Path | None = None, prometheus: Path | None = None) -> None:
    """Write what was asked for, and append to the job's summary where there is one.

    Args:
        verdict: What to tell.
        junit: File for JUnit's XML.
        prometheus: File for a textfile collector, which must never read half of it.

    Raises:
        TouchstoneError: a file cannot be written.
    """
    from components.report import ci_outputs
    from components.report.markdown import render_summary

    for path, text in ((junit, ci_outputs.junit), (prometheus, ci_outputs.prometheus)):
        if path is not None:
            with _told(path):
                _replace(path, text(verdict))
    summary = os.environ.get(STEP_SUMMARY)
    if summary:
        with _told(Path(summary)), Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(render_summary(verdict))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TouchstoneError(
            f"cannot write {path}: {error.strerror}; the audit itself is written",
            expected="a file that can be written",
            remedy=f"name another file, or unset {STEP_SUMMARY}",
        ) from error


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
