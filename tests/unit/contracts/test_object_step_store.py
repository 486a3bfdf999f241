"""Steps whose finished work lies in an object store, here a folder that is spoken to like one."""

import json
from pathlib import Path

import pytest

from components.contracts import bind, detached, environment, step_store
from components.contracts import manifest as manifests
from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.object_store import open_store
from components.contracts.ports import Checkpoint, Input, Output, write_rows
from components.contracts.rows import TextRow
from components.synthesize.step import ask

RAN: list[str] = []
WEIGHTS = "model.safetensors"


def echo(*, texts: Input[TextRow], model: Output[Checkpoint], copies: Output[TextRow]) -> Metrics:
    """Writes what it reads, once as a checkpoint and once as rows."""
    RAN.append("echo")
    rows = texts.rows()
    (model.folder / WEIGHTS).write_bytes(b"w" * 1000)
    model.commit()
    copies.write(rows)
    return {"rows": float(len(rows))}


# `bind` versions a step by the sources of its box; this one has none, so it borrows one.
echo.__module__ = ask.__module__


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    RAN.clear()
    place = f"file://{tmp_path / 'objects'}"
    monkeypatch.setenv(environment.STORE, place)
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    write_rows(tmp_path / "texts", TextRow, [TextRow(id="a", text="one")])
    return place


def call_in(folder: Path, work: str) -> bind.Outcome:
    """A task with outputs of its own, as every pod has."""
    return bind.call(echo, texts=folder / "texts", model=folder / work / "model", copies=folder / work / "copies")


def test_work_done_by_one_task_is_found_by_another(tmp_path: Path, address: str) -> None:
    first, second = call_in(tmp_path, "first"), call_in(tmp_path, "second")
    assert (first.reused, second.reused) == (False, True)
    assert RAN == ["echo"]
    assert second.metrics == {"rows": 1.0}
    for name in ("model", "copies"):
        assert (manifests.read(tmp_path / "second" / name)) == manifests.read(tmp_path / "first" / name)
    assert Input(tmp_path / "second" / "copies", TextRow).rows() == [TextRow(id="a", text="one")]


def test_a_large_artifact_stays_in_the_store_and_is_fetched_when_read(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_store, "DETACH_ABOVE_BYTES", 500)
    for work in ("made", "found"):
        call_in(tmp_path, work)
        model = tmp_path / work / "model"
        assert sorted(p.name for p in model.iterdir()) == [detached.LOCATION_FILE, manifests.FILE_NAME]
        assert (Input(model, Checkpoint).folder / WEIGHTS).read_bytes() == b"w" * 1000
    assert RAN == ["echo"]


def test_a_detached_artifact_is_known_by_content_without_being_fetched(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_in(tmp_path, "whole")
    whole = Input(tmp_path / "whole" / "model", Checkpoint).digest
    detached.leave_pointer(tmp_path / "pointer", manifests.read(tmp_path / "whole" / "model"), f"{address}/nowhere")
    pointer = Input(tmp_path / "pointer", Checkpoint)
    assert pointer.digest == whole
    with pytest.raises(TouchstoneError):
        _ = pointer.folder


def test_other_content_at_the_address_is_refused(tmp_path: Path, address: str) -> None:
    call_in(tmp_path, "made")
    write_rows(tmp_path / "other", TextRow, [TextRow(id="b", text="two")])
    open_store(address).upload(tmp_path / "other", "elsewhere")
    detached.leave_pointer(tmp_path / "pointer", manifests.read(tmp_path / "made" / "copies"), f"{address}/elsewhere")
    with pytest.raises(TouchstoneError, match="other content"):
        Input(tmp_path / "pointer", TextRow).rows()


def test_ports_may_be_addresses(tmp_path: Path, address: str) -> None:
    open_store(address).upload(tmp_path / "texts", "in/texts")
    ports = {"texts": f"{address}/in/texts", "model": f"{address}/out/model", "copies": f"{address}/out/copies"}
    bind.call(echo, **ports)
    store = open_store(address)
    assert store.has("out/model")
    store.download("out/copies", tmp_path / "back")
    assert Input(tmp_path / "back", TextRow).rows() == [TextRow(id="a", text="one")]


def test_an_empty_address_is_told_before_the_step_runs(tmp_path: Path, address: str) -> None:
    with pytest.raises(TouchstoneError, match="nothing finished lies at"):
        bind.call(echo, texts=f"{address}/in/none", model=tmp_path / "model", copies=tmp_path / "copies")
    assert RAN == []


def test_the_store_remembers_which_run_used_an_entry(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also when the work was found: a run that repeats another must still be able to name its report.
    for run in ("run-1", "run-2"):
        monkeypatch.setenv("TOUCHSTONE_RUN", run)
        call_in(tmp_path, run)
    store = open_store(address)
    (first,), (second,) = (
        [json.loads(store.read_bytes(k)) for k in store.keys(f"runs/{r}/")] for r in ("run-1", "run-2")
    )
    assert first == second
    assert store.has(f"steps/{first['entry']}/copies")


def points(*, texts: Input[TextRow], copies: Output[TextRow]) -> None:
    """A step whose work was done elsewhere: its output only points there."""
    RAN.append("points")
    address = f"{environment.step_store()}/jobs/one"
    open_store(str(environment.step_store())).upload(texts.path, "jobs/one")
    detached.leave_pointer(copies.path, texts.manifest, address)


points.__module__ = ask.__module__


def test_work_that_was_put_into_the_store_by_others_is_not_copied(tmp_path: Path, address: str) -> None:
    for work in ("made", "found"):
        bind.call(points, texts=tmp_path / "texts", copies=tmp_path / work)
        assert Input(tmp_path / work, TextRow).rows() == [TextRow(id="a", text="one")]
    assert RAN == ["points"]
    assert [key for key in open_store(address).keys("steps/") if key.endswith("rows.jsonl")] == []


def test_an_entry_without_its_last_file_is_made_again(tmp_path: Path, address: str) -> None:
    call_in(tmp_path, "first")
    store = open_store(address)
    (finished,) = [key for key in store.keys("steps/") if key.endswith(step_store.METRICS_FILE)]
    store.delete(finished)
    assert not call_in(tmp_path, "second").reused
    assert RAN == ["echo", "echo"]
