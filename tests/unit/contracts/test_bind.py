import json
import os
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from components.contracts import bind, step_store
from components.contracts.bind import Metrics
from components.contracts.errors import GateNotPassed, TouchstoneError, UsageError
from components.contracts.ports import Input, Inputs, Output
from components.contracts.rows import Prompt
from components.synthesize.step import ask

CALLS: list[int] = []


class Params(BaseModel):
    name: str = ""
    times: int = 1


def repeat(*, prompts: Input[Prompt], repeated: Output[Prompt], params: Params) -> Metrics:
    CALLS.append(params.times)
    rows = prompts.rows()
    if params.times > 9:
        raise GateNotPassed("too many", expected="at most 9", remedy="ask for fewer")
    repeated.write(Prompt(id=f"{r.id}-{i}", text=r.text) for r in rows for i in range(params.times))
    return {"rows": float(len(rows) * params.times)}


# `bind` versions a step by the sources of its box; these tests have none, so they lend one.
repeat.__module__ = ask.__module__


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    Output(tmp_path / "prompts", Prompt).write([Prompt(id="1", text="why")])
    return tmp_path / "prompts"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    CALLS.clear()
    return tmp_path / "store"


def run(prompts: Path, out: Path, **params: object) -> bind.Outcome:
    return bind.call(repeat, prompts=prompts, repeated=out, params=params)


def test_the_same_work_is_done_once(prompts: Path, store: Path, tmp_path: Path) -> None:
    first = run(prompts, tmp_path / "a", times=2)
    second = run(prompts, tmp_path / "b", times=2)
    assert (first.reused, second.reused, CALLS) == (False, True, [2])
    assert second.metrics == {"rows": 2.0}
    assert Input(tmp_path / "a", Prompt).rows() == Input(tmp_path / "b", Prompt).rows()


def test_other_parameters_or_inputs_are_other_work(prompts: Path, store: Path, tmp_path: Path) -> None:
    run(prompts, tmp_path / "a", times=2)
    run(prompts, tmp_path / "a", times=3)
    Output(prompts, Prompt).write([Prompt(id="2", text="how")])
    run(prompts, tmp_path / "a", times=3)
    assert CALLS == [2, 3, 3]


def test_unfinished_work_is_done_again(prompts: Path, store: Path, tmp_path: Path) -> None:
    run(prompts, tmp_path / "a")
    entry = next(store.glob("synthesize-repeat-*"))
    (entry / step_store.METRICS_FILE).unlink()
    assert not run(prompts, tmp_path / "a").reused
    assert len(CALLS) == 2


def test_kept_work_that_was_changed_is_refused(prompts: Path, store: Path, tmp_path: Path) -> None:
    run(prompts, tmp_path / "a")
    rows = next(store.glob("*/repeated/rows.jsonl"))
    rows.write_text(rows.read_text().replace("why", "who"))
    with pytest.raises(TouchstoneError, match="was changed"):
        run(prompts, tmp_path / "b")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_during_a_step_is_told_and_loses_nothing(
    prompts: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        monkeypatch.setenv("TOUCHSTONE_STORE", str(small))
        run(prompts, tmp_path / "a", times=2)
        Output(prompts, Prompt).write([Prompt(id=str(i), text="x" * 1000) for i in range(100)])
        with pytest.raises(TouchstoneError, match="No space left"):
            run(prompts, tmp_path / "b", times=9)
        finished = [entry for entry in small.iterdir() if not entry.name.startswith(".")]
        assert len(finished) == 1, "the first result stays, the second does not look finished"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_manifest_tells_step_parameters_and_parents(prompts: Path, tmp_path: Path) -> None:
    run(prompts, tmp_path / "a", times=2, name="twice")
    made = Input(tmp_path / "a", Prompt).manifest
    assert made.step.endswith(":repeat")
    assert made.params == {"name": "twice", "times": 2}
    assert made.parents == {"prompts": Input(prompts, Prompt).digest}
    assert len(made.code_version) == 64


def test_numbers_that_kubeflow_turned_into_floats_are_accepted(prompts: Path, tmp_path: Path) -> None:
    assert run(prompts, tmp_path / "a", times=2.0).metrics == {"rows": 2.0}


@pytest.mark.parametrize(("params", "named"), [({"tmes": 1}, "tmes"), ({"times": 1.5}, "times")])
def test_impossible_parameters_are_named(prompts: Path, tmp_path: Path, params: dict[str, object], named: str) -> None:
    Params.model_config["extra"] = "forbid"
    Params.model_rebuild(force=True)
    with pytest.raises(UsageError, match=named):
        run(prompts, tmp_path / "a", **params)


def test_a_failed_task_exits_with_its_code_and_leaves_its_words(
    prompts: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        bind.run(repeat, prompts=prompts, repeated=tmp_path / "a", params={"times": 10})
    assert stopped.value.code == 3
    assert "too many" in capsys.readouterr().err
    assert json.loads((store / step_store.FAILURE_FILE).read_text())["remedy"] == "ask for fewer"
    assert not list(store.glob("synthesize-repeat-*"))


def join(*, parts: Inputs[Prompt], joined: Output[Prompt]) -> Metrics:
    joined.write(row for part in parts for row in part.rows())
    return {"parts": float(len(parts))}


join.__module__ = ask.__module__


def written(folder: Path, *ids: str) -> Path:
    Output(folder, Prompt).write([Prompt(id=each, text="why") for each in ids])
    return folder


def test_a_port_may_take_any_number_of_artifacts_in_their_order(store: Path, tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", "1"), written(tmp_path / "two", "2", "3")
    made = bind.call(join, parts=[two, one], joined=tmp_path / "a")
    assert made.metrics == {"parts": 2.0}
    assert [row.id for row in Input(tmp_path / "a", Prompt).rows()] == ["2", "3", "1"]
    assert bind.call(join, parts=[two, one], joined=tmp_path / "b").reused
    assert not bind.call(join, parts=[one, two], joined=tmp_path / "c").reused
    assert bind.call(join, parts=[], joined=tmp_path / "d").metrics == {"parts": 0.0}


def test_the_manifest_names_all_the_parents_of_a_joined_artifact(tmp_path: Path) -> None:
    bind.call(join, parts=[written(tmp_path / "one", "1")], joined=tmp_path / "a")
    other = [written(tmp_path / "two", "2")]
    bind.call(join, parts=other, joined=tmp_path / "b")
    made, changed = (Input(tmp_path / name, Prompt).manifest.parents for name in ("a", "b"))
    assert made["parts"] != changed["parts"]
