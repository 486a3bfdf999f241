"""manifest.json: written last, so its presence means the artifact is whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.contracts import canonical
from components.contracts.errors import TouchstoneError

FILE_NAME = "manifest.json"
UNFINISHED_NAME = FILE_NAME + ".partial"
"""Lies in an artifact that is being written, and tells it from a person's own folder when the writer was killed."""


class FileEntry(BaseModel):
    """A file of the artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Path relative to the artifact's folder."""
    sha256: str
    """Of the stored bytes."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Of the stored bytes."""


class Manifest(BaseModel):
    """What an artifact is and where it came from. Times are deliberately absent: equal work, equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    contract: str
    """Name of the row type or of the folder contract."""
    contract_version: int
    """The row type's version when it was written."""
    num_rows: Annotated[int, Field(ge=0)]
    """Rows; 0 for a folder contract."""
    files: tuple[FileEntry, ...]
    """Everything in the folder but the manifest, sorted by name."""
    step: str = ""
    """Step that produced it, as module:function."""
    code_version: str = ""
    """Digest of that step's source code."""
    params: dict[str, object] = {}
    """The step's parameters."""
    parents: dict[str, str] = {}
    """Input port -> digest of the artifact it read."""
    notes: dict[str, object] = {}
    """Anything the step wants a reader to know (counts, loss, warnings)."""

    @property
    def digest(self) -> str:
        """Identity of the artifact's content: contract, rows and bytes, not its provenance."""
        return canonical.digest(
            {
                "contract": self.contract,
                "version": self.contract_version,
                "files": [[f.name, f.sha256] for f in self.files],
            }
        )


def describe_files(folder: Path) -> tuple[FileEntry, ...]:
    """Digest every file in `folder` except the manifest itself."""
    return tuple(
        FileEntry(name=name, sha256=canonical.file_digest(folder / name), size_bytes=(folder / name).stat().st_size)
        for name in canonical.tree_files(folder)
        if name not in (FILE_NAME, UNFINISHED_NAME)
    )


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically; a reader sees all of it or none."""
    partial = folder / UNFINISHED_NAME
    with partial.open("w", encoding="utf-8") as stream:
        # Sorted: a scheduler hands parameters over in any order, and equal work is to give equal bytes.
        stream.write(json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / FILE_NAME)


def read(folder: Path) -> Manifest:
    """Read a folder's manifest.

    Raises:
        TouchstoneError: the folder or its manifest is missing, or the manifest is not one of ours.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise TouchstoneError(
            f"{folder} has no {FILE_NAME}",
            expected="a finished artifact: the manifest is written last, so without it the step did not finish",
            remedy="run the same command again; finished steps are kept",
        )
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise TouchstoneError(
            f"{path} is not a Touchstone manifest: {str(error).splitlines()[0]}",
            expected="the manifest as its step wrote it",
            remedy=f"remove {folder} and run the same command again",
        ) from error


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare every file's digest with the manifest.

    Raises:
        TouchstoneError: a file is missing, was added, or its bytes changed.
    """
    listed = {entry.name: entry for entry in manifest.files}
    present = {name for name in canonical.tree_files(folder) if name not in (FILE_NAME, UNFINISHED_NAME)}
    for name in sorted(listed.keys() | present):
        if name not in present:
            problem = "is missing"
        elif name not in listed:
            problem = "is not in the manifest"
        elif canonical.file_digest(folder / name) != listed[name].sha256:
            problem = "was changed after it was written"
        else:
            continue
        raise TouchstoneError(
            f"{folder / name} {problem}",
            expected=f"the files that {FILE_NAME} lists, byte for byte",
            remedy=f"restore the file, or remove {folder} and run the same command again",
        )
