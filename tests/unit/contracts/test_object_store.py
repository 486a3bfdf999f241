"""What every object store does, a folder and a bucket alike."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts import canonical
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.object_store import FileStore, ObjectStore, open_store
from components.contracts.s3.store import S3Store
from components.contracts.stored_artifacts import check_key

pytestmark = pytest.mark.slow


@pytest.fixture(params=["folder", "bucket"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_store(f"file://{tmp_path}/objects%20here")
    made: Callable[..., S3Store] = request.getfixturevalue("make_store")
    return made()


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in canonical.tree_files(folder)}


def size(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in canonical.tree_files(folder))


def test_an_artifact_comes_back_as_it_went(any_store: ObjectStore, checkpoint: Path, tmp_path: Path) -> None:
    assert not any_store.has("steps/a/model")
    sent = any_store.upload(checkpoint, "steps/a/model")
    assert any_store.has("steps/a/model")
    fetched = any_store.download("steps/a/model", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint)
    for moved in (sent, fetched):
        assert (moved.num_files, moved.num_bytes, moved.num_bytes_skipped) == (6, size(checkpoint), 0)


def test_what_is_there_is_not_moved_again(any_store: ObjectStore, checkpoint: Path, tmp_path: Path) -> None:
    any_store.upload(checkpoint, "k")
    any_store.download("k", tmp_path / "fetched")
    for moved in (any_store.upload(checkpoint, "k"), any_store.download("k", tmp_path / "fetched")):
        assert (moved.num_files, moved.num_bytes, moved.num_bytes_skipped) == (0, 0, size(checkpoint))


def test_only_what_differs_is_moved(any_store: ObjectStore, copied: Path, checkpoint: Path, tmp_path: Path) -> None:
    any_store.upload(checkpoint, "k")
    any_store.download("k", tmp_path / "fetched")
    (copied / "config.json").write_text('{"changed": true}')
    made = manifests.read(copied)
    manifests.write(copied, made.model_copy(update={"files": manifests.describe_files(copied)}))
    assert any_store.upload(copied, "k").num_files == 2
    assert any_store.download("k", tmp_path / "fetched").num_files == 2
    assert contents(tmp_path / "fetched") == contents(copied)


def test_a_damaged_copy_is_fetched_again(any_store: ObjectStore, checkpoint: Path, tmp_path: Path) -> None:
    any_store.upload(checkpoint, "k")
    any_store.download("k", tmp_path / "fetched")
    damaged = tmp_path / "fetched" / "model-2.safetensors"
    data = damaged.read_bytes()
    damaged.write_bytes(b"x" + data[1:])
    any_store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint)


def test_other_files_in_the_folder_are_left_alone(any_store: ObjectStore, checkpoint: Path, tmp_path: Path) -> None:
    any_store.upload(checkpoint, "k")
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "mine.txt").write_text("mine")
    any_store.download("k", tmp_path / "fetched")
    assert contents(tmp_path / "fetched") == contents(checkpoint) | {"mine.txt": b"mine"}


@pytest.mark.parametrize("change", ["bytes", "size", "added", "missing", "manifest"])
def test_a_folder_that_is_not_what_its_manifest_says_is_refused(
    any_store: ObjectStore, copied: Path, change: str
) -> None:
    target = copied / "model-1.safetensors"
    if change == "bytes":
        data = target.read_bytes()
        target.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif change == "size":
        target.write_bytes(b"short")
    elif change == "added":
        (copied / "added").write_text("x")
    elif change == "missing":
        target.unlink()
    else:
        (copied / manifests.FILE_NAME).unlink()
    with pytest.raises(TouchstoneError):
        any_store.upload(copied, "k")
    assert not any_store.has("k")


def test_a_failed_upload_of_other_content_leaves_no_finished_artifact(
    any_store: ObjectStore, copied: Path, checkpoint: Path
) -> None:
    any_store.upload(checkpoint, "k")
    (copied / "config.json").write_text('{"a": 1}')
    made = manifests.read(copied)
    manifests.write(copied, made.model_copy(update={"files": manifests.describe_files(copied)}))
    (copied / "config.json").write_text('{"b": 2}')
    with pytest.raises(TouchstoneError, match="changed after it was written"):
        any_store.upload(copied, "k")
    assert not any_store.has("k")


def test_fetching_what_is_not_finished_is_told(any_store: ObjectStore, tmp_path: Path) -> None:
    any_store.write_bytes("k/model.safetensors", b"half")
    with pytest.raises(TouchstoneError, match="nothing finished lies at"):
        any_store.download("k", tmp_path / "fetched")


def test_a_manifest_cannot_name_files_elsewhere(any_store: ObjectStore, copied: Path, tmp_path: Path) -> None:
    made = manifests.read(copied)
    outside = made.files[0].model_copy(update={"name": "../outside"})
    evil = made.model_copy(update={"files": (outside,)})
    any_store.write_bytes("k/manifest.json", evil.model_dump_json().encode())
    with pytest.raises(TouchstoneError, match="cannot be a name"):
        any_store.download("k", tmp_path / "fetched")


def test_small_values(any_store: ObjectStore) -> None:
    any_store.write_bytes("runs/1/a.json", b"{}")
    any_store.write_bytes("runs/1/a.json", b"{1}")
    any_store.write_bytes("runs/12/b c+ü.json", b"")
    assert any_store.read_bytes("runs/1/a.json") == b"{1}"
    assert any_store.read_bytes("runs/12/b c+ü.json") == b""
    with pytest.raises(TouchstoneError, match="there is no"):
        any_store.read_bytes("runs/2/a.json")


def test_keys_begin_with_the_prefix(any_store: ObjectStore) -> None:
    assert list(any_store.keys("")) == []
    for key in ("runs/1/a", "runs/1/sub/c", "runs/12/b", "steps/x"):
        any_store.write_bytes(key, b"x")
    assert list(any_store.keys("runs/1/")) == ["runs/1/a", "runs/1/sub/c"]
    assert list(any_store.keys("runs/1")) == ["runs/1/a", "runs/1/sub/c", "runs/12/b"]
    assert list(any_store.keys("steps/x")) == ["steps/x"]
    assert list(any_store.keys("")) == ["runs/1/a", "runs/1/sub/c", "runs/12/b", "steps/x"]
    assert list(any_store.keys("nothing/")) == []


def test_delete_takes_a_key_and_what_is_below_it(any_store: ObjectStore) -> None:
    for key in ("runs/1/a", "runs/1/manifest.json", "runs/12/b", "runs/2"):
        any_store.write_bytes(key, b"x")
    for prefix in ("runs/1", "runs/2", "runs/absent"):
        any_store.delete(prefix)
    assert list(any_store.keys("")) == ["runs/12/b"]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../b", "a//b", "./a", "a\\b", "a/"])
def test_keys_stay_below_the_store(any_store: ObjectStore, key: str) -> None:
    with pytest.raises(TouchstoneError, match="cannot be a name"):
        any_store.read_bytes(key)


@pytest.mark.parametrize("key", ["a", "steps/train-1/out", "a/..b/c", "ü x"])
def test_ordinary_keys(key: str) -> None:
    assert check_key(key) == key


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_store(str(tmp_path)), FileStore)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert isinstance(open_store("s3://bucket/some/prefix"), S3Store)
    for wrong in ("s3://", "gs://bucket/prefix", "s3:///prefix"):
        with pytest.raises(UsageError, match="not the address of an object store"):
            open_store(wrong)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(TouchstoneError, match="no credentials"):
        open_store("s3://bucket/some/prefix")
