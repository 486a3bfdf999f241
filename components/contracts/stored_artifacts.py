"""What holds of an artifact in every object store: names that stay inside, files as the manifest says, one writer."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from components.contracts import canonical
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import Manifest


@dataclass(frozen=True)
class Transfer:
    """What an upload or a download did."""

    num_files: int
    """Files moved, in whole or in part, the manifest included."""
    num_bytes: int
    """Bytes moved."""
    num_bytes_skipped: int
    """Bytes that were already at the other end."""
    seconds: float
    """Duration."""


def check_key(key: str) -> str:
    """Give `key` back when it stays below the store's address.

    Raises:
        TouchstoneError: it is empty, absolute, or leads out.
    """
    parts = key.split("/")
    if not key or any(part in {"", ".", ".."} for part in parts) or "\\" in key or "\0" in key:
        raise TouchstoneError(
            f"{key!r} cannot be a name in a store",
            expected="a relative path such as steps/train-1a2b/checkpoint, without empty parts, '.' or '..'",
        )
    return key


def read_manifest(data: bytes, *, where: str) -> Manifest:
    """A manifest as a store holds it; names that lead out of the artifact's folder are refused.

    Raises:
        TouchstoneError: it is not one of ours.
    """
    try:
        made = Manifest.model_validate_json(data)
    except ValueError as error:
        raise TouchstoneError(
            f"{where}/{manifests.FILE_NAME} is not a Touchstone manifest",
            expected="the manifest as its step wrote it",
            remedy="delete it and run the step that makes it again",
        ) from error
    for entry in made.files:
        check_key(entry.name)
    return made


def check_folder(folder: Path) -> Manifest:
    """The manifest of a whole artifact about to be sent: every listed file is there in its size, and no other.

    Raises:
        TouchstoneError: a file is missing, was added or has another size.
    """
    made = manifests.read(folder)
    listed = {entry.name: entry.size_bytes for entry in made.files}
    present = {name: (folder / name).stat().st_size for name in canonical.tree_files(folder)}
    present.pop(manifests.FILE_NAME)
    for name in sorted(listed.keys() | present.keys()):
        if listed.get(name) != present.get(name):
            raise changed_file(folder / name)
    return made


def changed_file(path: Path) -> TouchstoneError:
    """The failure that a file differs from what its manifest says."""
    return TouchstoneError(
        f"{path} is not as {manifests.FILE_NAME} says: missing, added, or changed after it was written",
        expected="the artifact as its step wrote it, byte for byte",
        remedy=f"restore the file, or remove {path.parent} and run the same command again",
    )


def nothing_finished(where: str) -> TouchstoneError:
    """The failure that no finished artifact lies at an address."""
    return TouchstoneError(
        f"nothing finished lies at {where}",
        expected=f"an artifact: its {manifests.FILE_NAME} is written last",
        remedy="run the step that makes it, or correct the address",
    )


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from filling the same folder meanwhile; they wait for their turn."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems know no locks; two writers of equal content do not hurt each other there either.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
