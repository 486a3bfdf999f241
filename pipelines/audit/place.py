"""Where a result goes: made aside, moved in when whole, so that bad input never costs an earlier result."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contracts import manifest
from components.contracts.errors import TouchstoneError, UsageError

ROWS = "rows"
SETTINGS = "settings"
MEMBERS = frozenset({"verdict.json", "report.html", "report.md", ROWS})
_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNREADABLE = {errno.EACCES, errno.EPERM}
_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EISDIR}


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A fresh folder beside `out` that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        UsageError: `out` is something else than an earlier audit.
        TouchstoneError: it cannot be written, or the disk is full.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link that the user meant
    with _disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _recover(out)
        _check_replaceable(out)
        _sweep(out)
        stage = out.with_name(f".{out.name}.partial-{os.getpid()}")
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        try:
            yield stage
            _swap(stage, out)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def is_audit(folder: Path) -> bool:
    """Whether a folder is a finished audit: its settings are written last."""
    return (folder / ROWS / SETTINGS / manifest.FILE_NAME).is_file()


def _check_replaceable(out: Path) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir() and not out.is_symlink():
        present = {entry.name for entry in out.iterdir()}
        if not present or (is_audit(out) and present <= MEMBERS):
            return
        found = "holds " + ", ".join(sorted(present - MEMBERS if is_audit(out) else present)[:3])
    else:
        found = "is not a folder"
    raise UsageError(
        f"--out {out} {found}",
        expected="a new or empty folder, or an earlier audit with nothing added",
        remedy="choose another folder, or move what is in it away",
    )


def _previous(out: Path) -> Path:
    return out.with_name(f".{out.name}.previous")


def _swap(stage: Path, out: Path) -> None:
    previous = _previous(out)
    if out.exists():
        shutil.rmtree(previous, ignore_errors=True)
        out.rename(previous)
    try:
        stage.rename(out)
    except OSError:
        if previous.exists():
            previous.rename(out)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _recover(out: Path) -> None:
    """Undo a swap that was killed between its two renames."""
    previous = _previous(out)
    if previous.exists() and not out.exists():
        previous.rename(out)


def _sweep(out: Path) -> None:
    """Remove what killed audits left; a running one's folder stays."""
    for left in out.parent.glob(f".{out.name}.partial-*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not _is_alive(int(number)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_place(name: object, out: Path) -> bool:
    """Whether an error is about the result's place: the folder, what is beside or above it, or what is in it."""
    if not isinstance(name, str):
        return True
    path = Path(os.path.abspath(name))  # noqa: PTH100 - as the place itself
    made_aside = f".{out.name}."
    return path in (out, *out.parents) or any(
        part == out or (part.parent == out.parent and part.name.startswith(made_aside))
        for part in (path, *path.parents)
    )


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL and not _is_place(error.filename, out):
            if error.errno not in _UNREADABLE:
                raise
            raise TouchstoneError(
                f"cannot read {error.filename}: {error.strerror}", remedy="let this user read it, or give another file"
            ) from error
        if error.errno in _FULL:
            remedy = "free disk space, or choose another disk with --out; nothing that was there is lost"
        elif error.errno in _NOT_OURS or error.errno == errno.ENOENT:  # no folder can be made below /proc
            remedy = "choose a folder that you may write to, with --out"
        elif error.errno in {errno.EBUSY, errno.EXDEV}:
            remedy = "--out is a mount point, which cannot be replaced: choose a folder below it"
        else:
            raise
        # mkdir says "File exists" of a path that leads through a file.
        why = "a part of the path is a file" if error.errno == errno.EEXIST else error.strerror
        raise TouchstoneError(f"cannot write {out}: {why}", remedy=remedy) from error
