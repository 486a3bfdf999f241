"""A folder where rows or a file were expected: whether it is one of ours, and what to say when it is not."""

from __future__ import annotations

from pathlib import Path

from components.contracts import manifest
from components.contracts.errors import TouchstoneError


def refuse_other_folder(path: Path, what: str, option: str) -> None:
    """Only a finished artifact can be read as a folder.

    Args:
        path: The folder.
        what: What was expected in it, in the plural.
        option: How the folder was given, for the remedy; empty = without an option.

    Raises:
        TouchstoneError: it is none, or may not be read.
    """
    present = visible(path)
    if (path / manifest.FILE_NAME).is_file():
        return
    files = [name for name in present if (path / name).is_file()]
    if (path / manifest.UNFINISHED_NAME).is_file() or (present and not files):
        remedy = "run the command that was to write them again: it goes on where it was stopped"
    elif files:
        remedy = f"name a file, as in {f'{option} {path / files[0]}'.lstrip()}"
    else:
        remedy = "check the path"
    held = f"only {', '.join(present[:3])}{' and more' if len(present) > 3 else ''}" if present else "nothing"
    raise TouchstoneError(
        f"{path} holds no {what} that Touchstone wrote: {held}",
        expected=f"a file of {what}, or a folder that one of its commands finished",
        remedy=remedy,
    )


def visible(path: Path) -> list[str]:
    """Names of what lies in a folder, hidden entries left out.

    Raises:
        TouchstoneError: it may not be read.
    """
    try:
        return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise TouchstoneError(
            f"{path} cannot be read: {error.strerror}",
            expected="a folder that you may read",
            remedy="check its permissions",
        ) from error
