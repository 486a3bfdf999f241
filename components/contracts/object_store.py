"""The seam to where artifacts are kept: an S3 bucket, or a folder that behaves the same.

An artifact is a folder with a manifest. Under its key lie the same files, and the manifest is written last: who sees
`KEY/manifest.json` can fetch everything it lists.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

from components.contracts import canonical
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.manifest import Manifest
from components.contracts.places import disk_errors
from components.contracts.stored_artifacts import (
    Transfer,
    changed_file,
    check_folder,
    check_key,
    nothing_finished,
    read_manifest,
    sole_writer,
)


class ObjectStore(Protocol):
    """Keeps artifacts and small values under keys: relative paths with forward slashes, below the store's address."""

    def upload(self, folder: Path, key: str) -> Transfer:
        """Put an artifact under `key`, its manifest last; what is there already is not sent again.

        A call that is cut off at any moment leaves no manifest, and the next one continues.

        Raises:
            TouchstoneError: the folder is no whole artifact, or the store cannot be used.
        """

    def download(self, key: str, folder: Path) -> Transfer:
        """Fetch the artifact under `key`, its manifest last; whole files that are there already are not fetched again.

        Every file is compared with the manifest's digest. A call that is cut off leaves no manifest in `folder`, and
        the next one continues. Files that the artifact does not have are left alone.

        Raises:
            TouchstoneError: nothing finished lies there, it is damaged, the disk is full, or the store cannot be used.
        """

    def has(self, key: str) -> bool:
        """Whether a finished artifact lies under `key`: its manifest is there."""

    def read_bytes(self, key: str) -> bytes:
        """The value under `key`.

        Raises:
            TouchstoneError: there is none, or the store cannot be used.
        """

    def write_bytes(self, key: str, data: bytes) -> None:
        """Put a small value under `key`; readers see the old value or the new one, never a part."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with the characters of `prefix`, in order."""

    def delete(self, prefix: str) -> None:
        """Remove what lies at `prefix` or below `prefix/`, manifests first; nothing there is no error."""


def open_store(uri: str) -> ObjectStore:
    """The store at `s3://BUCKET/PREFIX`, `file:///FOLDER`, or a folder's plain path.

    Raises:
        UsageError: the address names no bucket or a kind of store we do not have.
        TouchstoneError: the S3 client is not installed, or credentials are missing.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return FileStore(Path(uri))
    if scheme == "file":
        return FileStore(Path(unquote(urlsplit(uri).path)))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise UsageError(
            f"{uri} is not the address of an object store",
            expected="s3://BUCKET/PREFIX, file:///FOLDER or a folder",
            remedy="correct TOUCHSTONE_STORE",
        )
    try:
        from components.contracts.s3.store import S3Store
    except ModuleNotFoundError as error:
        raise TouchstoneError(
            f"{uri} needs a package that is not installed: {error.name}",
            remedy="pip install 'touchstone-audit[cluster]'",
        ) from error
    return S3Store.from_environment(bucket, prefix)


class FileStore:
    """A folder as an object store: for one machine, for a shared file system, and for tests."""

    def __init__(self, root: Path) -> None:
        """Keep everything below `root`, which is made when it is first written to."""
        self._root = root

    def upload(self, folder: Path, key: str) -> Transfer:
        """See `ObjectStore`."""
        return _copy_artifact(folder, self._path(key), check_folder(folder))

    def download(self, key: str, folder: Path) -> Transfer:
        """See `ObjectStore`."""
        source = self._path(key)
        if not self.has(key):
            raise nothing_finished(str(source))
        return _copy_artifact(source, folder, read_manifest(self.read_bytes(f"{key}/manifest.json"), where=str(source)))

    def has(self, key: str) -> bool:
        """See `ObjectStore`."""
        return (self._path(key) / manifests.FILE_NAME).is_file()

    def read_bytes(self, key: str) -> bytes:
        """See `ObjectStore`."""
        path = self._path(key)
        if not path.is_file():
            raise TouchstoneError(f"there is no {path}", remedy="run the step that writes it, or correct the address")
        return path.read_bytes()

    def write_bytes(self, key: str, data: bytes) -> None:
        """See `ObjectStore`."""
        path = self._path(key)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            partial.write_bytes(data)
            partial.replace(path)

    def keys(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore`."""
        below = self._root.joinpath(*prefix.split("/")[:-1])
        if below.is_dir():
            names = ((below / name).relative_to(self._root).as_posix() for name in canonical.tree_files(below))
            yield from sorted(name for name in names if name.startswith(prefix) and not _is_partial(name))

    def delete(self, prefix: str) -> None:
        """See `ObjectStore`."""
        path = self._path(prefix.rstrip("/"))
        if path.is_file():
            path.unlink()
        elif path.is_dir():
            for found in sorted(path.rglob(manifests.FILE_NAME)):
                found.unlink()
            shutil.rmtree(path)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)


def _is_partial(name: str) -> bool:
    last = PurePosixPath(name).name
    return last.startswith(".") and last.endswith(".partial")


def _copy_artifact(source: Path, target: Path, made: Manifest) -> Transfer:
    began, moved, num_moved, skipped = time.monotonic(), 0, 0, 0
    sent = (source / manifests.FILE_NAME).read_bytes()
    with disk_errors(target), sole_writer(target):
        kept = target / manifests.FILE_NAME
        finished = kept.is_file() and kept.read_bytes() == sent
        for entry in made.files:
            path = target / entry.name
            if path.is_file() and canonical.file_digest(path) == entry.sha256:
                skipped += entry.size_bytes
                continue
            # From here on the target is not what its manifest says, if it has one.
            kept.unlink(missing_ok=True)
            finished = False
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            shutil.copyfile(source / entry.name, partial)
            if canonical.file_digest(partial) != entry.sha256:
                partial.unlink()
                raise changed_file(source / entry.name)
            partial.replace(path)
            moved, num_moved = moved + entry.size_bytes, num_moved + 1
        if finished:
            return Transfer(0, 0, skipped + len(sent), time.monotonic() - began)
        partial = kept.with_name(f".{kept.name}.partial")
        partial.write_bytes(sent)
        partial.replace(kept)
    return Transfer(num_moved + 1, moved + len(sent), skipped, time.monotonic() - began)
