"""Folders -> the verdicts below them -> compare.html, compare.md, compare.json."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.places import disk_errors
from components.contracts.verdict import Verdict
from components.report.comparison import Study
from components.report.page_inputs import StudyEntry
from components.report.runs_page import Order, in_order, render_runs_html, render_runs_markdown

VERDICT, REPORT = "verdict.json", "report.html"
FILES = ("compare.html", "compare.md", "compare.json")
NOT_BELOW = frozenset({"rows", "artifacts", "steps"})
"""Folders of single rows and steps: copies of verdicts in them would count a run twice."""


def compare(folders: Sequence[Path], out: Path, *, title: str = "Runs", order: Order = "verdict") -> list[StudyEntry]:
    """Put every verdict in or below some folders on one page in `out`; gives the runs in the order shown.

    Raises:
        UsageError: no verdict is found, or `out` holds something else.
        TouchstoneError: a verdict cannot be read, or `out` cannot be written.
    """
    _check_place(out)
    found = _named([path for folder in folders for path in _runs(folder, out)])
    entries = in_order([_entry(name, path, out) for name, path in found], order)
    made = {
        "compare.html": render_runs_html(entries, title=title),
        "compare.md": render_runs_markdown(entries, title=title),
        "compare.json": Study(title=title, entries=tuple(entries), claims=()).model_dump_json(indent=1) + "\n",
    }
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            partial = out / f".{name}.partial"
            partial.write_text(text, encoding="utf-8")
            partial.replace(out / name)
    return entries


def _check_place(out: Path) -> None:
    present = {entry.name for entry in out.iterdir()} - set(FILES) if out.is_dir() else set()
    if present or (out.exists() and not out.is_dir()):
        raise UsageError(
            f"--out {out} {f'holds {sorted(present)[0]}' if present else 'is not a folder'}",
            expected="a new or empty folder, or an earlier comparison",
            remedy="choose another folder",
        )


def _runs(folder: Path, out: Path) -> Iterator[Path]:
    """Folders with a verdict: the given one, or those below it."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", expected=f"a folder with {VERDICT} in it or below it")
    if (folder / VERDICT).is_file():
        yield folder
        return
    count = 0
    for place, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if name not in NOT_BELOW and not name.startswith("."))
        if VERDICT in files and Path(place).resolve() != out.resolve():
            count += 1
            yield Path(place)
    if not count:
        raise UsageError(
            f"no {VERDICT} in {folder} or below it",
            expected="what `touchstone audit --out` or a run wrote",
            remedy="give the folder of a finished audit or run",
        )


def _named(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Every run once, by as much of the end of its path as tells it from the others."""
    unique = list(dict.fromkeys(path.resolve() for path in paths))
    for length in range(1, 1 + max(len(path.parts) for path in unique)):
        names = ["/".join(path.parts[-length:]) for path in unique]
        if len(set(names)) == len(names):
            return list(zip(names, unique, strict=True))
    raise AssertionError("different paths have different names")


def _entry(name: str, path: Path, out: Path) -> StudyEntry:
    file = path / VERDICT
    try:
        verdict = Verdict.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise TouchstoneError(
            f"{file}: {problem}",
            expected="a verdict of this version",
            remedy="run the audit again, or leave this folder out",
        ) from error
    page = path / REPORT if (path / REPORT).is_file() else file
    href = quote(Path(os.path.relpath(page, out.resolve())).as_posix())
    return StudyEntry(name=name, title=name, description="", verdict=verdict, href=href)
