"""The S3 store against a server and a network that misbehave."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts import canonical
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.metrics import store_traffic
from components.contracts.s3.connection import S3Access
from components.contracts.s3.multipart import part_bytes_for
from components.contracts.s3.store import S3Store
from tests.unit.contracts.conftest import MIB, PART_BYTES, HandClock
from tests.unit.contracts.faulty_server import FaultyServer, Request

pytestmark = pytest.mark.slow

MakeStore = Callable[..., S3Store]


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in canonical.tree_files(folder)}


def is_part(request: Request) -> bool:
    return request.part is not None


def is_range(request: Request) -> bool:
    return request.method == "GET" and "range" in request.headers


def is_manifest(request: Request) -> bool:
    return request.key.endswith("/manifest.json")


def round_trip(store: S3Store, checkpoint: Path, folder: Path) -> None:
    store.upload(checkpoint, "k")
    store.download("k", folder)
    assert contents(folder) == contents(checkpoint)


def test_parts_and_ranges_are_sent_once_and_the_manifest_last(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    round_trip(store, checkpoint, tmp_path / "fetched")
    parts = [(request.key, request.part) for request in faulty.done("PUT", part=True)]
    assert len(parts) == len(set(parts)) == 4 + 2
    assert is_manifest(faulty.done("PUT")[-1])
    ranges = [(request.key, request.headers["range"]) for request in faulty.done("GET") if is_range(request)]
    assert len(ranges) == len(set(ranges)) == 4 + 2 + 2
    assert sum(request.num_bytes for request in faulty.done("GET") if is_range(request)) == sum(
        entry.size_bytes for entry in manifests.read(checkpoint).files
    )


def test_every_part_carries_a_checksum(store: S3Store, faulty: FaultyServer, checkpoint: Path) -> None:
    store.upload(checkpoint, "k")
    for request in faulty.done("PUT", part=True):
        assert request.headers["x-amz-checksum-crc32"]
    for request in faulty.done("PUT", part=False):
        assert len(request.headers["x-amz-content-sha256"]) == 64


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (502, ""), (429, "Busy")])
def test_a_busy_server_is_asked_again(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path, status: int, code: str
) -> None:
    before = store_traffic.totals()["retries"]
    for method in ("GET", "HEAD", "PUT", "POST"):
        faulty.fail(status, code, times=2, when=lambda request, method=method: request.method == method)
    faulty.fail(status, code, times=3, when=is_range)
    round_trip(store, checkpoint, tmp_path / "fetched")
    assert store_traffic.totals()["retries"] - before == 11


@pytest.mark.parametrize("after", [0, 1000, 3 * MIB])
def test_an_answer_that_breaks_off_goes_on_where_it_stopped(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path, after: int
) -> None:
    store.upload(checkpoint, "k")
    faulty.cut(after, times=3, when=lambda request: is_range(request) and "model-1" in request.key)
    store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint)
    fetched = sum(request.num_bytes for request in faulty.done("GET") if "model-1" in request.key)
    size = (checkpoint / "model-1.safetensors").stat().st_size
    # Of an answer that broke off late, nothing is fetched twice.
    assert fetched == size + (3 * after if after < MIB else 0)


def test_a_connection_reset_in_a_part(store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path) -> None:
    faulty.reset(MIB, times=4, when=is_part)
    round_trip(store, checkpoint, tmp_path / "fetched")


def test_a_silent_server_is_asked_again(
    make_store: MakeStore, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    store = make_store(read_seconds=0.5)
    faulty.silence(times=2, when=is_part)
    faulty.silence(times=1, when=is_range)
    round_trip(store, checkpoint, tmp_path / "fetched")


@pytest.mark.parametrize("work", ["upload", "download"])
def test_a_server_that_is_down_for_half_a_minute(
    store: S3Store,
    faulty: FaultyServer,
    clock: HandClock,
    checkpoint: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    work: str,
) -> None:
    if work == "download":
        store.upload(checkpoint, "k")
    went_down: list[float] = []

    def drop(request: Request) -> bool:
        if (is_part(request) or is_range(request)) and not went_down:
            went_down.append(clock.now)
            faulty.down()
        return False

    faulty.fail(503, "SlowDown", when=drop)
    clock.then = lambda now: faulty.up() if went_down and now >= went_down[0] + 30 else None
    if work == "upload":
        store.upload(checkpoint, "k")
    store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint)
    assert clock.now >= went_down[0] + 30
    told = capfd.readouterr().err.splitlines()
    assert "trying again for" in told[0]
    assert told[-1] == f"object store {faulty.endpoint} answers again"
    assert len(told) == 2


def test_a_server_that_stays_away_is_given_up_after_the_deadline(
    store: S3Store, faulty: FaultyServer, clock: HandClock, checkpoint: Path, tmp_path: Path
) -> None:
    faulty.down()
    with pytest.raises(TouchstoneError, match=r"does not do its work: no connection\n") as caught:
        store.upload(checkpoint, "k")
    assert 120 <= clock.now < 140
    assert "it continues" in caught.value.remedy
    faulty.up()
    round_trip(store, checkpoint, tmp_path / "fetched")


def test_no_manifest_while_anything_is_missing(store: S3Store, faulty: FaultyServer, checkpoint: Path) -> None:
    faulty.fail(503, "SlowDown", times=1000, when=lambda request: request.part == 3)
    with pytest.raises(TouchstoneError, match="503 SlowDown"):
        store.upload(checkpoint, "k")
    assert not store.has("k")
    assert not any(is_manifest(request) for request in faulty.done("PUT"))


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (403, "InvalidAccessKeyId", "export AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "export AWS_ACCESS_KEY_ID"),
        (403, "AccessDenied", "grant them"),
        (404, "NoSuchBucket", "s3 mb s3://"),
        (403, "RequestTimeTooSkewed", "set the clock"),
        (400, "AuthorizationHeaderMalformed", "export TOUCHSTONE_S3_REGION"),
        (507, "XMinioStorageFull", "free space"),
        (501, "NotImplemented", "correct TOUCHSTONE_S3_ENDPOINT"),
    ],
)
def test_what_no_waiting_mends_is_told_at_once(
    store: S3Store,
    faulty: FaultyServer,
    clock: HandClock,
    checkpoint: Path,
    tmp_path: Path,
    status: int,
    code: str,
    remedy: str,
) -> None:
    faulty.fail(status, code, times=1000)
    for work in (
        lambda: store.upload(checkpoint, "k"),
        lambda: store.download("k", tmp_path / "fetched"),
        lambda: store.has("k"),
        lambda: store.read_bytes("k"),
        lambda: list(store.keys("k")),
    ):
        with pytest.raises(TouchstoneError) as caught:
            work()
        assert remedy in caught.value.remedy
    assert clock.now == 0


def test_a_missing_bucket_is_told_by_the_real_server(make_store: MakeStore, checkpoint: Path) -> None:
    store = make_store(bucket="touchstone-no-such-bucket")
    with pytest.raises(TouchstoneError, match="has no bucket touchstone-no-such-bucket"):
        store.upload(checkpoint, "k")
    with pytest.raises(TouchstoneError, match="has no bucket touchstone-no-such-bucket"):
        store.has("k")


@pytest.mark.skipif("TOUCHSTONE_TEST_S3_ENDPOINT" not in os.environ, reason="moto checks no credentials")
@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_are_told_by_the_real_server(
    make_store: MakeStore, s3_access: S3Access, checkpoint: Path, wrong: str
) -> None:
    keys = {"access_key": s3_access.access_key, "secret_key": s3_access.secret_key, wrong: "wrong-wrong"}
    store = make_store(access=S3Access(s3_access.endpoint, **keys))
    with pytest.raises(TouchstoneError, match="refuses the credentials"):
        store.upload(checkpoint, "k")


def test_a_part_that_arrives_damaged_is_sent_again(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    faulty.damage_upload(times=2, when=is_part)
    round_trip(store, checkpoint, tmp_path / "fetched")


def test_a_range_that_arrives_damaged_is_noticed_by_the_digest(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    store.upload(checkpoint, "k")
    faulty.damage(times=1, when=is_range)
    store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint)


def test_an_object_with_other_bytes_than_the_manifest_says_is_refused(
    store: S3Store, checkpoint: Path, tmp_path: Path
) -> None:
    store.upload(checkpoint, "k")
    data = bytearray((checkpoint / "model-2.safetensors").read_bytes())
    data[7] ^= 1
    store.write_bytes("k/model-2.safetensors", bytes(data))
    with pytest.raises(TouchstoneError, match="other bytes than the manifest says"):
        store.download("k", tmp_path / "fetched")
    store.write_bytes("k/model-2.safetensors", b"short")
    with pytest.raises(TouchstoneError, match="another size"):
        store.download("k", tmp_path / "fetched")
    store.delete("k/model-2.safetensors")
    with pytest.raises(TouchstoneError, match="is missing"):
        store.download("k", tmp_path / "fetched")
    assert not (tmp_path / "fetched" / manifests.FILE_NAME).exists()


def test_an_object_that_changes_while_it_is_fetched_is_noticed(
    make_store: MakeStore, s3_access: S3Access, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    store, other = make_store(num_workers=1), make_store(access=s3_access)
    store.upload(checkpoint, "k")
    size = (checkpoint / "model-1.safetensors").stat().st_size

    def change(request: Request) -> bool:
        if is_range(request) and "model-1" in request.key and "bytes=0-" not in request.headers["range"]:
            other.write_bytes("k/model-1.safetensors", bytes(size))
        return False

    faulty.fail(500, "", when=change)
    with pytest.raises(TouchstoneError, match=r"model-1.safetensors was changed or removed meanwhile"):
        store.download("k", tmp_path / "fetched")


def test_a_completion_whose_answer_is_lost(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    def completes(request: Request) -> bool:
        return request.method == "POST" and "uploadId" in request.query and "model-1" in request.key

    # The second try finds that the upload is no more, because the first one has completed it.
    faulty.lose_answer(times=1, when=completes)
    faulty.fail(404, "NoSuchUpload", times=1, when=completes)
    round_trip(store, checkpoint, tmp_path / "fetched")
    assert len(faulty.done("PUT", part=True)) == 6


def test_an_upload_that_others_gave_up_is_begun_again(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    faulty.fail(404, "NoSuchUpload", times=1, when=is_part)
    round_trip(store, checkpoint, tmp_path / "fetched")
    faulty.fail(404, "NoSuchUpload", times=1000, when=is_part)
    with pytest.raises(TouchstoneError, match="taken away 3 times"):
        store.upload(checkpoint, "other")


@pytest.mark.parametrize("num_equal", [0, 2])
def test_an_interrupted_upload_of_other_content_is_not_continued(
    make_store: MakeStore, faulty: FaultyServer, checkpoint: Path, tmp_path: Path, num_equal: int
) -> None:
    """Of versions that begin alike, the parts in common must not carry the first one's label."""
    store = make_store(num_workers=1)
    first, second = tmp_path / "first", tmp_path / "second"
    beginning = os.urandom(num_equal * PART_BYTES)
    for folder, end in ((first, b"1"), (second, b"2")):
        folder.mkdir()
        (folder / "model").write_bytes(beginning + end * (3 - num_equal) * PART_BYTES)
        manifests.write(
            folder,
            manifests.read(checkpoint).model_copy(update={"files": manifests.describe_files(folder)}),
        )
    faulty.fail(404, "NoSuchBucket", times=1, when=lambda request: request.part == 3)
    with pytest.raises(TouchstoneError):
        store.upload(first, "k")
    faulty.requests.clear()
    store.upload(second, "k")
    # Nothing equal: seen before anything is sent. Something equal: the last part showed it, and all go again.
    assert len(faulty.done("PUT", part=True)) == (3 if num_equal == 0 else 1 + 3)
    store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(second)
    assert store.upload(second, "k").num_bytes == 0
    for folder in (first, second):
        shutil.rmtree(folder)


def test_a_failed_download_over_another_artifact_leaves_no_manifest(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    store.upload(checkpoint, "k")
    store.download("k", tmp_path / "fetched")
    (tmp_path / "fetched" / "config.json").unlink()
    faulty.fail(503, "SlowDown", times=1000, when=is_range)
    with pytest.raises(TouchstoneError, match="503 SlowDown"):
        store.download("k", tmp_path / "fetched")
    assert not (tmp_path / "fetched" / manifests.FILE_NAME).exists()


def test_a_disk_that_fills_loses_nothing(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    """A file system of 16 MiB, in a mount namespace of its own."""
    script = f"""
import os, shutil, sys
from pathlib import Path
from components.contracts.s3.connection import S3Access
from components.contracts.s3.store import S3Store
from components.contracts.errors import TouchstoneError
store = S3Store(S3Access({faulty.endpoint!r}, *sys.argv[1:3]), {store.address.split("/")[2]!r}, "some/prefix",
                num_workers=1, part_bytes={PART_BYTES})
place = Path({str(tmp_path)!r}) / "small"
try:
    store.download("k", place / "fetched")
    sys.exit("it fits")
except TouchstoneError as error:
    assert "No space left" in error.found and "free disk space" in error.remedy, error
assert not (place / "fetched" / "manifest.json").exists()
(place / "ballast").unlink()
moved = store.download("k", place / "fetched")
print(moved.num_bytes_skipped)
"""
    (tmp_path / "small").mkdir()
    mount = (
        f"mount -t tmpfs -o size=32m none {tmp_path}/small && head -c {14 * MIB} /dev/zero > {tmp_path}/small/ballast"
    )
    inside = ["unshare", "-rm", "sh", "-c"]
    probe = subprocess.run([*inside, mount], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"no mount namespaces here: {probe.stderr.decode()[:100]}")
    store.upload(checkpoint, "k")
    access = store._connection.access
    ran = subprocess.run(
        [*inside, f'{mount} && exec "$0" "$@"', sys.executable, "-c", script, access.access_key, access.secret_key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    # The first file was whole before the second met the full disk.
    assert int(ran.stdout) >= (checkpoint / "model-1.safetensors").stat().st_size


def test_a_file_that_may_not_grow_is_no_retry(
    store: S3Store, checkpoint: Path, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.upload(checkpoint, "k")
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TouchstoneError, match="No space left"):
        store.download("k", tmp_path / "fetched")
    monkeypatch.undo()
    store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint)
    assert clock.now == 0


def test_memory_is_bounded_by_the_parts_under_way(
    store: S3Store, faulty: FaultyServer, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    with (folder / "model").open("wb") as stream:
        stream.truncate(80 * MIB)
    manifests.write(folder, manifests.read(checkpoint).model_copy(update={"files": manifests.describe_files(folder)}))
    script = f"""
import resource, sys
from pathlib import Path
from components.contracts.s3.connection import S3Access
from components.contracts.s3.store import S3Store
store = S3Store(S3Access(sys.argv[1], *sys.argv[2:4]), {store.address.split("/")[2]!r}, num_workers=4,
                part_bytes={PART_BYTES})
store.write_bytes("warm", b"")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.upload(Path({str(folder)!r}), "k")
store.download("k", Path({str(tmp_path / "fetched")!r}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    access = store._connection.access
    ran = subprocess.run(
        [sys.executable, "-c", script, access.endpoint, access.access_key, access.secret_key],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ran.stdout) < 4 * 5 + 20


def test_parts_grow_where_ten_thousand_would_not_do() -> None:
    assert part_bytes_for(100, PART_BYTES) == PART_BYTES
    assert part_bytes_for(PART_BYTES * 10_000, PART_BYTES) == PART_BYTES
    big = part_bytes_for(5 << 40, PART_BYTES)
    assert -(-(5 << 40) // big) <= 10_000
    assert big % MIB == 0
