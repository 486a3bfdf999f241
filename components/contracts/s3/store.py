"""An S3 bucket as an object store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.metrics import store_traffic
from components.contracts.s3.connection import READ_SECONDS, Connection, S3Access, patience_from_environment
from components.contracts.s3.crew import Crew
from components.contracts.s3.download import Download
from components.contracts.s3.failures import Refused
from components.contracts.s3.listing import list_objects
from components.contracts.s3.patience import Clock, Patience
from components.contracts.s3.upload import Upload
from components.contracts.stored_artifacts import Transfer, check_key

NUM_WORKERS = 8
PART_BYTES = 16 << 20
"""An upload holds at most NUM_WORKERS parts in memory, a download much less."""


class S3Store:
    """Artifacts below `s3://BUCKET/PREFIX`, moved in parts by a bounded number of threads."""

    def __init__(
        self,
        access: S3Access,
        bucket: str,
        prefix: str = "",
        *,
        num_workers: int = NUM_WORKERS,
        part_bytes: int = PART_BYTES,
        patience: Patience | None = None,
        clock: Clock | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Get ready; nothing is sent yet.

        Args:
            access: Server and credentials.
            bucket: The bucket, which must exist.
            prefix: What every key begins with.
            num_workers: Requests at a time.
            part_bytes: Length of a part; S3 allows none below 5 MiB but the last.
            patience: How long a store that is down is waited for.
            clock: Time; the machine's when not given.
            read_seconds: Silence after which an answer is asked for again.
        """
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")
        self._prefix = prefix.strip("/")
        self._num_workers = num_workers
        self._part_bytes = part_bytes
        self._connection = Connection(
            access,
            bucket,
            num_connections=num_workers,
            patience=patience or Patience(),
            clock=clock,
            read_seconds=read_seconds,
        )

    @classmethod
    def from_environment(cls, bucket: str, prefix: str) -> S3Store:
        """The store whose server and credentials the environment names.

        Raises:
            TouchstoneError: there are no credentials, or a variable cannot be understood.
        """
        return cls(S3Access.from_environment(), bucket, prefix, patience=patience_from_environment())

    def upload(self, folder: Path, key: str) -> Transfer:
        """See `ObjectStore`."""
        began = time.monotonic()
        upload = Upload(
            self._connection, folder, self._full(key), num_workers=self._num_workers, part_bytes=self._part_bytes
        )
        upload.run()
        return Transfer(upload.num_files, upload.num_bytes, upload.num_bytes_skipped, time.monotonic() - began)

    def download(self, key: str, folder: Path) -> Transfer:
        """See `ObjectStore`."""
        began = time.monotonic()
        download = Download(
            self._connection, self._full(key), folder, num_workers=self._num_workers, part_bytes=self._part_bytes
        )
        download.run()
        return Transfer(download.num_files, download.num_bytes, download.num_bytes_skipped, time.monotonic() - began)

    def has(self, key: str) -> bool:
        """See `ObjectStore`."""
        try:
            # GET, not HEAD: only an answer with a body tells a missing object from a missing bucket.
            self._connection.ask("GET", self._full(f"{key}/{manifests.FILE_NAME}"))
        except Refused:
            return False
        return True

    def read_bytes(self, key: str) -> bytes:
        """See `ObjectStore`."""
        try:
            data = self._connection.ask("GET", self._full(key)).data
        except Refused as error:
            raise TouchstoneError(
                f"there is no {self.address}/{key}", remedy="run the step that writes it, or correct the address"
            ) from error
        store_traffic.add_bytes("down", len(data))
        return data

    def write_bytes(self, key: str, data: bytes) -> None:
        """See `ObjectStore`."""
        self._connection.ask("PUT", self._full(key), body=data, headers={"Content-Type": "application/octet-stream"})
        store_traffic.add_bytes("up", len(data))

    def keys(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore`."""
        start = f"{self._prefix}/" if self._prefix else ""
        for name, _ in list_objects(self._connection, start + prefix):
            yield name[len(start) :]

    def delete(self, prefix: str) -> None:
        """See `ObjectStore`."""
        key = check_key(prefix.rstrip("/"))
        found = [name for name in self.keys(key) if name == key or name.startswith(f"{key}/")]
        are_manifests = [name for name in found if name.endswith(f"/{manifests.FILE_NAME}")]
        for names in (are_manifests, sorted(set(found) - set(are_manifests))):
            Crew(self._num_workers).run([partial(self._connection.ask, "DELETE", self._full(name)) for name in names])

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{check_key(key)}" if self._prefix else check_key(key)
