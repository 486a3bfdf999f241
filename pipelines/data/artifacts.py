"""Finds the artifact that a person means: its folder, or the folder that a command wrote several artifacts into."""

from __future__ import annotations

from pathlib import Path

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Folder
from components.contracts.rows import Row


def folder_of(path: Path, contract: type[Row] | type[Folder]) -> Path:
    """The folder of the one artifact of `contract` at `path` or directly below it.

    Raises:
        UsageError: there is no such folder.
        TouchstoneError: it holds no such artifact, or several.
    """
    found = find(path, contract)
    if found is None:
        raise TouchstoneError(
            f"{path} holds no {contract.__name__} rows",
            expected=f"a finished artifact of {contract.__name__}, or a folder with one directly in it",
            remedy="give the folder that the matching command wrote with --out",
        )
    return found


def find(path: Path, contract: type[Row] | type[Folder]) -> Path | None:
    """As `folder_of`, but None where there is no such artifact."""
    if not path.is_dir():
        what = "is a file" if path.is_file() else "does not exist"
        raise UsageError(f"{path} {what}", expected="the folder of an artifact", remedy="check the path")
    if (path / manifests.FILE_NAME).is_file():
        return path if manifests.read(path).contract == contract.__name__ else None
    below = sorted(child for child in path.iterdir() if (child / manifests.FILE_NAME).is_file())
    matching = [child for child in below if manifests.read(child).contract == contract.__name__]
    if len(matching) > 1:
        raise TouchstoneError(
            f"{path} holds several artifacts of {contract.__name__}: {', '.join(c.name for c in matching)}",
            expected="one",
            remedy=f"name it: {matching[0]}",
        )
    return matching[0] if matching else None
