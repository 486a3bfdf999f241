"""One artifact's way out of a bucket: ranges of many files at once, each compared with the manifest's digest."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.contracts import canonical
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import FileEntry
from components.contracts.metrics import store_traffic
from components.contracts.places import disk_errors
from components.contracts.s3 import multipart
from components.contracts.s3.connection import Connection
from components.contracts.s3.crew import Crew
from components.contracts.s3.failures import Refused, network_failures
from components.contracts.s3.ordered_digest import OrderedDigest
from components.contracts.s3.partial_file import PartialFile
from components.contracts.s3.patience import CalledOff, Unavailable
from components.contracts.stored_artifacts import nothing_finished, read_manifest, sole_writer

SCRATCH = ".download"
"""Folder, within the artifact's, that holds unfinished files; gone when the manifest is written."""
BLOCK_BYTES = 512 << 10
WORTHWHILE_BYTES = 64 << 10
"""An answer that broke off after fewer bytes counts as none."""


@dataclass
class _FileDownload:
    """A file on its way in ranges."""

    entry: FileEntry
    etag: str
    part_bytes: int
    partial: PartialFile
    digest: OrderedDigest
    again: bool
    """Whether this is a second try, after the bytes of the first were not the right ones."""
    num_missing: int = 0

    def range_of(self, part: int) -> tuple[int, int]:
        """First byte and the byte after the last of a part (from 0)."""
        start = part * self.part_bytes
        return start, min(start + self.part_bytes, self.entry.size_bytes)


class Download:
    """Fetches an artifact; made for one call of `run`."""

    def __init__(self, connection: Connection, key: str, folder: Path, *, num_workers: int, part_bytes: int) -> None:
        """Get ready to fetch `key` (with the store's prefix) into `folder`."""
        self._connection = connection
        self._key = key
        self._folder = folder
        self._part_bytes = part_bytes
        self._num_workers = num_workers
        self._crew = Crew(num_workers)
        self._lock = threading.Lock()
        self._open: set[PartialFile] = set()
        self._where = f"s3://{connection.bucket}/{key}"
        self.num_files = 0
        self.num_bytes = 0
        self.num_bytes_skipped = 0

    def run(self) -> None:
        """Fetch what is missing, then write the manifest.

        Raises:
            TouchstoneError: nothing finished lies there, it is damaged, the disk is full, or the store cannot be used.
        """
        try:
            wanted = self._connection.ask("GET", f"{self._key}/{manifests.FILE_NAME}").data
        except Refused as error:
            raise nothing_finished(self._where) from error
        made = read_manifest(wanted, where=self._where)
        with disk_errors(self._folder), sole_writer(self._folder):
            self._fill(wanted, made.files)

    def _fill(self, wanted: bytes, files: tuple[FileEntry, ...]) -> None:
        kept = self._folder / manifests.FILE_NAME
        finished = kept.is_file() and kept.read_bytes() == wanted
        missing = self._missing(files)
        scratch = self._folder / SCRATCH
        if finished and not missing:
            shutil.rmtree(scratch, ignore_errors=True)
            self.num_bytes_skipped += len(wanted)
            return
        kept.unlink(missing_ok=True)
        scratch.mkdir(exist_ok=True)
        try:
            self._crew.run([partial(self._begin, scratch / name, entry) for name, entry in missing])
        finally:
            for unfinished in self._open:
                unfinished.close()
        shutil.rmtree(scratch)
        _write_last(kept, wanted)
        self._count(len(wanted))
        self.num_files = len(missing) + 1

    def _missing(self, files: tuple[FileEntry, ...]) -> list[tuple[str, FileEntry]]:
        kept: set[str] = set()

        def compare(entry: FileEntry) -> None:
            path = self._folder / entry.name
            if (
                path.is_file()
                and path.stat().st_size == entry.size_bytes
                and canonical.file_digest(path) == entry.sha256
            ):
                kept.add(entry.name)

        Crew(self._num_workers).run([partial(compare, entry) for entry in files])
        self.num_bytes_skipped = sum(entry.size_bytes for entry in files if entry.name in kept)
        # Unfinished files are named by number, which tells files of equal content apart, and by content.
        return [
            (f"{number:05d}-{entry.sha256[:16]}", entry) for number, entry in enumerate(files) if entry.name not in kept
        ]

    def _begin(self, path: Path, entry: FileEntry, again: bool = False) -> None:
        etag = self._etag(entry)
        part_bytes = multipart.part_bytes_for(entry.size_bytes, self._part_bytes)
        identity = {"sha256": entry.sha256, "etag": etag, "part_bytes": part_bytes, "size_bytes": entry.size_bytes}
        unfinished = PartialFile(path, size_bytes=entry.size_bytes, identity=identity)
        with self._lock:
            self._open.add(unfinished)
        digest = OrderedDigest(unfinished.descriptor, size_bytes=entry.size_bytes, part_bytes=part_bytes)
        file = _FileDownload(entry, etag, part_bytes, unfinished, digest, again)
        parts = range(-(-entry.size_bytes // part_bytes))
        missing = [part for part in parts if part not in unfinished.done]
        with self._lock:
            for part in unfinished.done:
                start, end = file.range_of(part)
                self.num_bytes_skipped += end - start
        digest.ready(*unfinished.done, stopped=self._crew.stopped)
        file.num_missing = len(missing)
        if missing:
            self._crew.add(partial(self._fetch, path, file, part) for part in missing)
        else:
            self._finish(path, file)

    def _etag(self, entry: FileEntry) -> str:
        try:
            response = self._connection.ask("HEAD", f"{self._key}/{entry.name}", stopped=self._crew.stopped)
        except Refused as error:
            raise self._damaged(entry, "is missing") from error
        if int(response.headers.get("content-length", -1)) != entry.size_bytes:
            raise self._damaged(entry, "has another size than the manifest says")
        return response.headers.get("etag", "")

    def _fetch(self, path: Path, file: _FileDownload, part: int) -> None:
        position, end = file.range_of(part)
        claimed = file.digest.claim(part)
        while position < end:
            try:
                position = self._connection.repeat(
                    partial(self._read_range, file, position, end, claimed), stopped=self._crew.stopped
                )
            except Refused as error:
                raise self._damaged(file.entry, f"was changed or removed meanwhile ({error.code})") from error
        file.partial.mark(part)
        file.digest.ready(part, claimed=claimed, stopped=self._crew.stopped)
        with self._lock:
            file.num_missing -= 1
            last = not file.num_missing
        if last:
            self._finish(path, file)

    def _read_range(self, file: _FileDownload, start: int, end: int, claimed: bool) -> int:
        """Fetch from `start` on; gives how far it came, which may be short of `end` when the answer broke off."""
        headers = {"Range": f"bytes={start}-{end - 1}"}
        if file.etag:
            headers["If-Match"] = file.etag
        response = self._connection.send("GET", f"{self._key}/{file.entry.name}", headers=headers, stream=True)
        position = start
        try:
            if response.status != 206 and (start, end) != (0, file.entry.size_bytes):
                raise self._damaged(file.entry, "is sent whole where a range was asked for")
            while position < end:
                if self._crew.stopped():
                    raise CalledOff
                with network_failures():
                    block = response.read(min(BLOCK_BYTES, end - position), decode_content=False)
                if not block:
                    raise Unavailable("its answer broke off")
                if claimed:
                    file.digest.feed(block, position)
                file.partial.write(block, position)
                position += len(block)
        except Unavailable:
            if position - start < WORTHWHILE_BYTES:
                raise
            store_traffic.add_retry()
        finally:
            self._count(position - start)
            if position < end:
                response.close()
            response.release_conn()
        return position

    def _finish(self, path: Path, file: _FileDownload) -> None:
        if self._crew.stopped():
            return
        with self._lock:
            self._open.discard(file.partial)
        try:
            if file.digest.hexdigest() == file.entry.sha256:
                file.partial.move_to(self._folder / file.entry.name)
                return
            file.partial.forget()
        finally:
            file.partial.close()
        if file.again:
            raise self._damaged(file.entry, "holds other bytes than the manifest says")
        # Damaged on its way, or in a crash of this machine during an earlier attempt: once more from the beginning.
        self._crew.add([partial(self._begin, path, file.entry, again=True)])

    def _count(self, num_bytes: int) -> None:
        store_traffic.add_bytes("down", num_bytes)
        with self._lock:
            self.num_bytes += num_bytes

    def _damaged(self, entry: FileEntry, problem: str) -> TouchstoneError:
        return TouchstoneError(
            f"{self._where}/{entry.name} {problem}",
            expected=f"the files that {manifests.FILE_NAME} lists, byte for byte",
            remedy="run the same command again; if it stays so, run the step that makes the artifact again",
        )


def _write_last(path: Path, data: bytes) -> None:
    aside = path.with_name(path.name + ".partial")
    with aside.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
