"""A checkpoint's way to an S3 server and back: our store beside minio-py's fput_object / fget_object, file by file.

The server is a MinIO started here on loopback when there is a `minio` on PATH, else the one that
TOUCHSTONE_TEST_S3_ENDPOINT and AWS_* name. TOUCHSTONE_BENCH_S3_MIB sets the checkpoint's size for a quick run.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from minio import Minio

from components.contracts import canonical
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Output
from components.contracts.s3.connection import S3Access
from components.contracts.s3.store import S3Store
from components.contracts.stored_artifacts import Transfer

NUM_SHARDS = 8
NUM_ROUNDS = 2
"""The best of each side counts: memory that a virtual machine touches for the first time costs whoever comes first."""
USER, PASSWORD = "benchmark", "benchmark-secret"
BUCKET = "touchstone-bench"


def run() -> dict[str, Any]:
    size_mib = int(os.environ.get("TOUCHSTONE_BENCH_S3_MIB", "2048"))
    with tempfile.TemporaryDirectory(prefix="touchstone-bench-s3-") as name, _server(Path(name)) as access:
        folder = Path(name)
        source = _checkpoint(folder / "source", size_mib)
        client = _client(access)
        with _bucket(client):
            return _measured(folder, source, client, S3Store(access, BUCKET, "ours"), size_mib)


def _measured(folder: Path, source: Path, client: Minio, store: S3Store, size_mib: int) -> dict[str, Any]:
    names = list(canonical.tree_files(source))
    theirs, ours = folder / "reference", folder / "ours"

    def reference_up() -> None:
        for name in names:
            client.fput_object(BUCKET, f"reference/{name}", str(source / name))

    def reference_down() -> None:
        for name in names:
            client.fget_object(BUCKET, f"reference/{name}", str(theirs / name))

    rounds = []
    for _ in range(NUM_ROUNDS):
        store.delete("checkpoint")
        for target in (theirs, ours):
            shutil.rmtree(target, ignore_errors=True)
        theirs.mkdir()
        works = (
            reference_up,
            lambda: store.upload(source, "checkpoint"),
            reference_down,
            lambda: store.download("checkpoint", ours),
        )
        rounds.append([_timed(work) for work in works])
    theirs_up, ours_up, theirs_down, ours_down = (min(times) for times in zip(*rounds, strict=True))
    return {
        "work": f"{size_mib} MiB in {NUM_SHARDS} shards to MinIO and back, {os.cpu_count()} cores for both ends",
        "ours_s": round(ours_up + ours_down, 3),
        "reference": "minio-py fput_object and fget_object, defaults, file by file",
        "reference_s": round(theirs_up + theirs_down, 3),
        "equal": _digests(source) == _digests(ours) == _digests(theirs),
        "note": f"upload {ours_up:.2f} s against {theirs_up:.2f} s, download {ours_down:.2f} s against "
        f"{theirs_down:.2f} s, best of {NUM_ROUNDS}; ours also compares every file with its sha256, both ways",
    }


def _timed(work: Callable[[], Transfer | None]) -> float:
    # What was written before must not be flushed during this.
    os.sync()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _digests(folder: Path) -> dict[str, str]:
    return {name: canonical.file_digest(folder / name) for name in canonical.tree_files(folder)}


def _checkpoint(folder: Path, size_mib: int) -> Path:
    output = Output(folder, Checkpoint)
    place = output.folder
    draw = np.random.default_rng(0)
    size = (size_mib << 20) // NUM_SHARDS
    header = json.dumps({"weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    for shard in range(1, NUM_SHARDS + 1):
        with (place / f"model-{shard:05d}-of-{NUM_SHARDS:05d}.safetensors").open("wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            left = size
            while left:
                block = draw.bytes(min(left, 8 << 20))
                stream.write(block)
                left -= len(block)
    (place / "config.json").write_text("{}\n")
    output.commit()
    return place


def _client(access: S3Access) -> Minio:
    url = urlsplit(access.endpoint)
    return Minio(url.netloc, access.access_key, access.secret_key, secure=url.scheme == "https", region=access.region)


@contextlib.contextmanager
def _bucket(client: Minio) -> Iterator[None]:
    if not client.bucket_exists(BUCKET):
        client.make_bucket(BUCKET)
    try:
        yield
    finally:
        for item in client.list_objects(BUCKET, recursive=True):
            client.remove_object(BUCKET, str(item.object_name))
        client.remove_bucket(BUCKET)


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[S3Access]:
    program = shutil.which("minio")
    endpoint = os.environ.get("TOUCHSTONE_TEST_S3_ENDPOINT")
    if program is None and endpoint is None:
        raise SystemExit("bench s3: put a minio binary on PATH, or set TOUCHSTONE_TEST_S3_ENDPOINT and AWS_*")
    if program is None:
        yield S3Access.from_environment({**os.environ, "TOUCHSTONE_S3_ENDPOINT": str(endpoint)})
        return
    address, console = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    with (folder / "minio.log").open("w") as log:
        process = subprocess.Popen(
            [program, "server", "--quiet", "--address", address, "--console-address", console, str(folder / "minio")],
            env={**os.environ, "MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD},
            stdout=log,
            stderr=log,
        )
    access = S3Access(f"http://{address}", USER, PASSWORD)
    try:
        with contextlib.suppress(TouchstoneError):
            # Our store waits for a server that is not up yet; so one question to it is the wait.
            S3Store(access, "absent-bucket").has("anything")
        yield access
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
