"""One artifact's way into a bucket: parts of many files at once, each byte sent once, the manifest last."""

from __future__ import annotations

import os
import threading
import zlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import FileEntry
from components.contracts.metrics import store_traffic
from components.contracts.s3 import multipart
from components.contracts.s3.connection import Connection
from components.contracts.s3.crew import Crew
from components.contracts.s3.failures import Refused
from components.contracts.s3.listing import list_objects
from components.contracts.s3.ordered_digest import BLOCK_BYTES, OrderedDigest
from components.contracts.s3.patience import CalledOff
from components.contracts.stored_artifacts import changed_file, check_folder

DIGEST = "x-amz-meta-touchstone-sha256"
"""Stays with every object, so that a later upload knows its content without reading it."""
MAX_BEGINNINGS = 3
"""How often a file is begun anew when others take its upload away."""


@dataclass
class _FileUpload:
    """A file on its way in parts."""

    entry: FileEntry
    descriptor: int
    upload_id: str
    part_bytes: int
    digest: OrderedDigest
    beginning: int
    resumed: bool
    parts: dict[int, multipart.Part] = field(default_factory=dict)
    num_missing: int = 0
    void: bool = False

    def range_of(self, number: int) -> tuple[int, int]:
        """Offset and length of part `number` (from 1)."""
        offset = (number - 1) * self.part_bytes
        return offset, min(self.part_bytes, self.entry.size_bytes - offset)


class Upload:
    """Sends a folder; made for one call of `run`."""

    def __init__(self, connection: Connection, folder: Path, key: str, *, num_workers: int, part_bytes: int) -> None:
        """Get ready to send `folder` to `key` (with the store's prefix)."""
        self._connection = connection
        self._folder = folder
        self._key = key
        self._part_bytes = part_bytes
        self._num_workers = num_workers
        self._crew = Crew(num_workers)
        self._lock = threading.Lock()
        self._buffers = threading.local()
        self._open: set[int] = set()
        self.num_files = 0
        self.num_bytes = 0
        self.num_bytes_skipped = 0

    def run(self) -> None:
        """Send what is missing, then the manifest.

        Raises:
            TouchstoneError: the folder is no whole artifact, or the store cannot be used.
        """
        made = check_folder(self._folder)
        wanted = (self._folder / manifests.FILE_NAME).read_bytes()
        manifest_key = f"{self._key}/{manifests.FILE_NAME}"
        found = self._kept_manifest(manifest_key)
        missing = self._missing(made.files)
        if found == wanted and not missing:
            self.num_bytes_skipped += len(wanted)
            return
        if found is not None:
            # Not whole until the new files are all there: who looks now must not see a finished artifact.
            self._connection.ask("DELETE", manifest_key)
        try:
            self._crew.run([partial(self._begin, entry, 1) for entry in missing])
        finally:
            for descriptor in self._open:
                os.close(descriptor)
        self._connection.ask("PUT", manifest_key, body=wanted, headers={"Content-Type": "application/json"})
        self._count(len(wanted))
        self.num_files = len(missing) + 1

    def _kept_manifest(self, key: str) -> bytes | None:
        try:
            return self._connection.ask("GET", key).data
        except Refused:
            return None

    def _missing(self, files: tuple[FileEntry, ...]) -> list[FileEntry]:
        kept: set[str] = set()

        def look(entry: FileEntry) -> None:
            if self._is_kept(entry):
                kept.add(entry.name)

        sizes = dict(list_objects(self._connection, f"{self._key}/"))
        candidates = [entry for entry in files if sizes.get(self._key_of(entry)) == entry.size_bytes]
        Crew(self._num_workers).run([partial(look, entry) for entry in candidates])
        self.num_bytes_skipped = sum(entry.size_bytes for entry in files if entry.name in kept)
        return [entry for entry in files if entry.name not in kept]

    def _is_kept(self, entry: FileEntry) -> bool:
        try:
            response = self._connection.ask("HEAD", self._key_of(entry), stopped=self._crew.stopped)
        except Refused:
            return False
        size = int(response.headers.get("content-length", -1))
        return size == entry.size_bytes and response.headers.get(DIGEST) == entry.sha256

    def _key_of(self, entry: FileEntry) -> str:
        return f"{self._key}/{entry.name}"

    def _begin(self, entry: FileEntry, beginning: int) -> None:
        part_bytes = multipart.part_bytes_for(entry.size_bytes, self._part_bytes)
        descriptor = os.open(self._folder / entry.name, os.O_RDONLY)
        with self._lock:
            self._open.add(descriptor)
        digest = OrderedDigest(descriptor, size_bytes=entry.size_bytes, part_bytes=part_bytes)
        file = _FileUpload(entry, descriptor, "", part_bytes, digest, beginning, resumed=False)
        if entry.size_bytes <= part_bytes:
            self._send_whole(file)
            return
        numbers = range(1, -(-entry.size_bytes // part_bytes) + 1)
        if beginning == 1:
            self._resume(file)
        if not file.upload_id:
            metadata = {DIGEST: entry.sha256}
            file.upload_id = multipart.begin(self._connection, self._key_of(entry), metadata)
        file.digest.ready(*(number - 1 for number in file.parts), stopped=self._crew.stopped)
        missing = [number for number in numbers if number not in file.parts]
        file.num_missing = len(missing)
        if missing:
            self._crew.add(partial(self._send_part, file, number) for number in missing)
        else:
            self._complete(file)

    def _resume(self, file: _FileUpload) -> None:
        """Take over an earlier upload of this file, if all that the server has of it is what the file holds."""
        key = self._key_of(file.entry)
        for upload_id in multipart.find_open(self._connection, key):
            parts = self._equal_parts(file, upload_id) if not file.upload_id else None
            if parts:
                file.upload_id, file.parts, file.resumed = upload_id, parts, True
                with self._lock:
                    self.num_bytes_skipped += sum(file.range_of(number)[1] for number in parts)
            else:
                multipart.give_up(self._connection, key, upload_id)

    def _equal_parts(self, file: _FileUpload, upload_id: str) -> dict[int, multipart.Part] | None:
        try:
            held = multipart.list_parts(self._connection, self._key_of(file.entry), upload_id)
        except Refused:
            return None
        parts: dict[int, multipart.Part] = {}
        for number, part in held.items():
            offset, length = file.range_of(number)
            if self._crew.stopped() or length != part.size_bytes:
                return None
            data = self._read(file, offset, length)
            if multipart.md5_of(data) != part.etag:
                return None
            parts[number] = multipart.Part(part.etag, multipart.crc32_text(zlib.crc32(data)))
        return parts

    def _send_whole(self, file: _FileUpload) -> None:
        size = file.entry.size_bytes
        data = self._read(file, 0, size)
        if size:
            self._hash(file, 1, data)
        self._check(file)
        connection, key = self._connection, self._key_of(file.entry)
        connection.repeat(
            # The manifest's own digest signs the body: the server refuses any other bytes.
            lambda: connection.send(
                "PUT",
                key,
                headers={"Content-Type": "application/octet-stream", DIGEST: file.entry.sha256},
                body=multipart.slices(data, self._crew.stopped),
                num_bytes=size,
                sha256=file.entry.sha256,
            ),
            stopped=self._crew.stopped,
        )
        self._count(size)
        self._close(file)

    def _send_part(self, file: _FileUpload, number: int) -> None:
        if file.void:
            return
        offset, length = file.range_of(number)
        data = self._read(file, offset, length)
        crc32 = self._hash(file, number, data)
        key = self._key_of(file.entry)
        try:
            part = multipart.send_part(self._connection, key, file.upload_id, number, data, crc32, self._crew.stopped)
        except Refused as error:
            self._begin_again(file, error)
            return
        self._count(length)
        with self._lock:
            file.parts[number] = part
            file.num_missing -= 1
            last = not file.num_missing
        if last:
            self._complete(file)

    def _hash(self, file: _FileUpload, number: int, data: memoryview) -> str:
        """Take a part into the file's digest, when it is its turn, and its crc32 as S3 writes it."""
        claimed = file.digest.claim(number - 1)
        offset, crc32 = file.range_of(number)[0], 0
        for start in range(0, len(data), BLOCK_BYTES):
            # Both from the same block, while it is in the core's cache.
            block = data[start : start + BLOCK_BYTES]
            crc32 = zlib.crc32(block, crc32)
            if claimed:
                file.digest.feed(block, offset + start)
        file.digest.ready(number - 1, claimed=claimed, stopped=self._crew.stopped)
        return multipart.crc32_text(crc32)

    def _complete(self, file: _FileUpload) -> None:
        key = self._key_of(file.entry)
        try:
            self._check(file)
        except TouchstoneError:
            multipart.give_up(self._connection, key, file.upload_id)
            raise
        try:
            multipart.complete(self._connection, key, file.upload_id, file.parts)
        except Refused as error:
            # Completed all the same when only the answer was lost, or by another pod that does the same work.
            if not self._is_kept(file.entry):
                self._begin_again(file, error)
                return
        if file.resumed and not self._is_kept(file.entry):
            # Begun by an earlier version of the file that had these parts in common: its label would be wrong.
            self._connection.ask("DELETE", key)
            self._begin_again(file, Refused("NoSuchUpload", "it was begun for other content"))
            return
        self._close(file)

    def _begin_again(self, file: _FileUpload, reason: Refused) -> None:
        with self._lock:
            if file.void:
                return
            file.void = True
        if file.beginning >= MAX_BEGINNINGS:
            raise TouchstoneError(
                f"the upload of {self._key_of(file.entry)} was taken away {MAX_BEGINNINGS} times ({reason})",
                expected="one writer of this artifact at a time",
                remedy="end the other one, or wait for it, and run the same command again",
            ) from reason
        self._crew.add([partial(self._begin, file.entry, file.beginning + 1)])

    def _check(self, file: _FileUpload) -> None:
        if self._crew.stopped():
            raise CalledOff
        if file.digest.hexdigest() != file.entry.sha256:
            raise changed_file(self._folder / file.entry.name)

    def _read(self, file: _FileUpload, offset: int, length: int) -> memoryview:
        """A part in this thread's own buffer, which the next call fills again."""
        buffer: bytearray = getattr(self._buffers, "bytes", bytearray())
        if len(buffer) < length:
            buffer = self._buffers.bytes = bytearray(length)
        view = memoryview(buffer)[:length]
        position = 0
        while position < length:
            count = os.preadv(file.descriptor, [view[position:]], offset + position)
            if not count:
                raise changed_file(self._folder / file.entry.name)
            position += count
        return view

    def _count(self, num_bytes: int) -> None:
        store_traffic.add_bytes("up", num_bytes)
        with self._lock:
            self.num_bytes += num_bytes

    def _close(self, file: _FileUpload) -> None:
        with self._lock:
            self._open.discard(file.descriptor)
        os.close(file.descriptor)
