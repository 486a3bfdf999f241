"""Servers for tests: of S3, the one that TOUCHSTONE_TEST_S3_ENDPOINT names, else moto's on loopback; of chats, ours."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from minio import Minio

from components.contracts.ports import Checkpoint, Output
from components.contracts.s3.connection import S3Access
from components.contracts.s3.patience import Patience
from components.contracts.s3.store import S3Store
from tests.unit.contracts.chat_server import ChatServer
from tests.unit.contracts.faulty_server import FaultyServer

MIB = 1 << 20
PART_BYTES = 5 * MIB
"""The least that S3 allows."""


class HandClock:
    """Time that passes only when somebody waits, and tells `then` how late it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: Callable[[float], object] = lambda now: None
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.then(self.now)


@pytest.fixture(scope="session")
def s3_access() -> Iterator[S3Access]:
    endpoint = os.environ.get("TOUCHSTONE_TEST_S3_ENDPOINT")
    if endpoint:
        yield S3Access.from_environment({**os.environ, "TOUCHSTONE_S3_ENDPOINT": endpoint})
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield S3Access("http://{}:{}".format(*server.get_host_and_port()), "test", "test-secret")
    server.stop()


@pytest.fixture
def bucket(s3_access: S3Access) -> Iterator[str]:
    name = f"touchstone-test-{uuid.uuid4().hex[:12]}"
    client = Minio(urlsplit(s3_access.endpoint).netloc, s3_access.access_key, s3_access.secret_key, secure=False)
    client.make_bucket(name)
    yield name
    for item in client.list_objects(name, recursive=True):
        client.remove_object(name, str(item.object_name))
    client.remove_bucket(name)


@pytest.fixture
def faulty(s3_access: S3Access) -> Iterator[FaultyServer]:
    server = FaultyServer(urlsplit(s3_access.endpoint).netloc)
    yield server
    server.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make_store(
    s3_access: S3Access, bucket: str, faulty: FaultyServer, clock: HandClock, tmp_path: Path
) -> Iterator[Callable[..., S3Store]]:
    """A store behind the faulty server; its pauses take no time."""

    def make(**options: Any) -> S3Store:
        through = S3Access(faulty.endpoint, s3_access.access_key, s3_access.secret_key)
        given = {"num_workers": 4, "part_bytes": PART_BYTES, "patience": Patience(120), "clock": clock, **options}
        return S3Store(given.pop("access", through), given.pop("bucket", bucket), "some/prefix", **given)

    yield make
    # pytest keeps the folders of the last runs; copies of the checkpoint in each would come to gigabytes.
    shutil.rmtree(tmp_path / "fetched", ignore_errors=True)


@pytest.fixture
def store(make_store: Callable[..., S3Store]) -> S3Store:
    return make_store()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of several parts, small ones, an empty one, and a folder within. Not to be changed."""
    output = Output(tmp_path_factory.mktemp("checkpoint") / "model", Checkpoint)
    folder = output.folder
    (folder / "tokenizer").mkdir()
    (folder / "model-1.safetensors").write_bytes(os.urandom(3 * PART_BYTES + 12345))
    (folder / "model-2.safetensors").write_bytes(os.urandom(2 * PART_BYTES))
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer" / "merges ü+&.txt").write_text("a b\n")
    (folder / "tokenizer" / "empty").write_bytes(b"")
    output.commit()
    return folder


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    yield made
    made.close()
