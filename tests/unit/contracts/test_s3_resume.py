"""Processes that are killed in the middle of an upload or a download, and what the next one has left to do."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts import canonical
from components.contracts import manifest as manifests
from components.contracts.s3.store import S3Store
from tests.unit.contracts.conftest import PART_BYTES
from tests.unit.contracts.faulty_server import FaultyServer, Request

pytestmark = pytest.mark.slow

RANGES = {"model-1.safetensors": 4, "model-2.safetensors": 2, "config.json": 1, "tokenizer/merges ü+&.txt": 1}
"""In how many ranges each file of the checkpoint is fetched."""
SCRIPT = """
import sys
from pathlib import Path
from components.contracts.s3.connection import S3Access
from components.contracts.s3.store import S3Store
work, folder, endpoint, access_key, secret_key, bucket, part_bytes = sys.argv[1:]
store = S3Store(S3Access(endpoint, access_key, secret_key), bucket, "some/prefix", num_workers=2,
                part_bytes=int(part_bytes))
store.upload(Path(folder), "k") if work == "upload" else store.download("k", Path(folder))
"""


def killed(store: S3Store, work: str, folder: Path, until: Callable[[], None]) -> None:
    """Start the work in a process and kill it (SIGKILL) once `until` returns."""
    access = store._connection.access
    arguments = [access.endpoint, access.access_key, access.secret_key, store._connection.bucket, str(PART_BYTES)]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, work, str(folder), *arguments])
    try:
        until()
    finally:
        process.kill()
        assert process.wait() == -9


def parts_of(requests: list[Request]) -> list[tuple[str, int]]:
    return [(request.key, request.part) for request in requests if request.part is not None and request.status == 200]


def test_an_upload_continues_after_kill_9(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    # Three parts arrive; whatever follows is held back until the process is dead.
    passed: list[Request] = []

    def after_three(request: Request) -> bool:
        if request.part is not None and len(passed) < 3:
            passed.append(request)
            return False
        return len(passed) >= 3

    faulty.silence(times=1000, when=after_three)
    killed(store, "upload", checkpoint, lambda: faulty.wait_for(lambda asked: len(parts_of(asked)) == 3))
    faulty.calm()
    assert not store.has("k")
    first = parts_of(faulty.requests)
    assert len(first) == 3
    faulty.requests.clear()
    moved = store.upload(checkpoint, "k")
    second = parts_of(faulty.requests)
    assert not set(first) & set(second)
    assert len(first + second) == 4 + 2
    size = sum((checkpoint / name).stat().st_size for name in canonical.tree_files(checkpoint))
    assert moved.num_bytes + moved.num_bytes_skipped == size
    assert moved.num_bytes_skipped >= 3 * PART_BYTES - PART_BYTES
    store.download("k", tmp_path / "fetched")
    manifests.verify(tmp_path / "fetched", manifests.read(checkpoint))


def test_an_upload_killed_before_its_completion_sends_no_part_again(
    store: S3Store, faulty: FaultyServer, checkpoint: Path
) -> None:
    def completes(request: Request) -> bool:
        return request.method == "POST" and "uploadId" in request.query

    faulty.silence(times=1000, when=completes)
    killed(store, "upload", checkpoint, lambda: faulty.wait_for(lambda asked: sum(map(completes, asked)) == 2))
    faulty.calm()
    faulty.requests.clear()
    store.upload(checkpoint, "k")
    assert parts_of(faulty.requests) == []
    assert store.has("k")


def test_a_download_continues_after_kill_9(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    store.upload(checkpoint, "k")
    passed: list[Request] = []

    def after_four(request: Request) -> bool:
        if "range" in request.headers and len(passed) < 4:
            passed.append(request)
            return False
        return len(passed) >= 4

    folder = tmp_path / "fetched"

    def written() -> int:
        # A range is passed on before the process has written it; its line in a journal says that it has. Files first:
        # one that is finished meanwhile is then counted too low, never twice.
        whole = sum((folder / name).is_file() * number for name, number in RANGES.items())
        journals = [path for path in folder.glob(".download/*.journal") if path.with_suffix(".partial").is_file()]
        return whole + sum(max(0, path.read_text().count("\n") - 1) for path in journals)

    faulty.silence(times=1000, when=after_four)
    killed(store, "download", folder, lambda: faulty.wait_for(lambda _: written() == 4))
    faulty.calm()
    assert not (folder / manifests.FILE_NAME).exists()
    faulty.requests.clear()
    moved = store.download("k", folder)
    manifests.verify(folder, manifests.read(checkpoint))
    first = {(request.key, request.headers["range"]) for request in passed}
    second = {(request.key, request.headers["range"]) for request in faulty.requests if "range" in request.headers}
    assert not first & second
    assert len(first | second) == sum(RANGES.values())
    size = sum((checkpoint / name).stat().st_size for name in canonical.tree_files(checkpoint))
    assert moved.num_bytes + moved.num_bytes_skipped == size


def test_bytes_lost_in_a_crash_of_the_machine_are_fetched_again(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    """The journal says that a part was written, and the disk has other bytes."""
    store.upload(checkpoint, "k")
    folder = tmp_path / "fetched"

    def late(request: Request) -> bool:
        return "range" in request.headers and request.headers["range"].startswith(f"bytes={2 * PART_BYTES}-")

    faulty.silence(times=1000, when=late)
    killed(
        store,
        "download",
        folder,
        lambda: faulty.wait_for(
            lambda _: any(path.read_text().count("\n") > 1 for path in folder.glob(".download/*.journal"))
        ),
    )
    faulty.calm()
    for path in folder.glob(".download/*.partial"):
        with path.open("r+b") as stream:
            stream.write(bytes(PART_BYTES))
    store.download("k", folder)
    manifests.verify(folder, manifests.read(checkpoint))
