from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from components.contracts import bind
from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.ports import Input, Output
from components.contracts.rows import Prompt
from components.synthesize.step import ask

WORKED: list[str] = []


class Pace(BaseModel):
    how: str = "well"
    budget: int | None = Field(None, json_schema_extra={"identity": False})


class Params(BaseModel):
    name: str = ""
    wanted: int = 4
    accept_fewer: bool = Field(False, json_schema_extra={"identity": False})
    pace: Pace = Pace()


def slowly(*, made: Output[Prompt], journal: Journal, params: Params) -> Metrics:
    done = 0
    for number in range(params.wanted):
        key = str(number)
        if key not in journal:
            if params.pace.budget is not None and done >= params.pace.budget:
                if not params.accept_fewer:
                    raise TouchstoneError("the budget ended")
                journal.unfinished = "the budget ended"
                break
            journal.append(key, {"text": key})
            WORKED.append(key)
            done += 1
    made.write(Prompt(id=record.key, text=str(record.payload["text"])) for record in journal.records())
    return {"worked": float(done)}


def idly(*, made: Output[Prompt], journal: Journal, params: Params) -> Metrics:
    WORKED.append("idle")
    made.write([])
    return {}


# `bind` versions a step by the sources of its box; these tests have none, so they lend one.
slowly.__module__ = idly.__module__ = ask.__module__


@pytest.fixture(autouse=True, params=["no store", "folder", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    WORKED.clear()
    monkeypatch.delenv("TOUCHSTONE_STORE", raising=False)
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    if request.param == "folder":
        monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    elif request.param == "object store":
        monkeypatch.setenv("TOUCHSTONE_STORE", f"file://{tmp_path}/bucket")
    return str(request.param)


def call(out: Path, **params: object) -> bind.Outcome:
    return bind.call(slowly, made=out / "made", params=params)


def logs(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*.log") if path.is_file()]


def test_a_failed_step_continues_where_its_journal_ends(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="budget ended"):
        call(tmp_path, pace={"budget": 3})
    assert logs(tmp_path)
    assert call(tmp_path, pace={"budget": 100}).metrics == {"worked": 1.0}
    assert WORKED == ["0", "1", "2", "3"]
    assert [row.id for row in Input(tmp_path / "made", Prompt).rows()] == WORKED


def test_the_journal_goes_when_the_outputs_are_whole(tmp_path: Path) -> None:
    call(tmp_path)
    assert logs(tmp_path) == []
    assert not list(tmp_path.rglob(".journals")), "nor is an empty folder left"


def test_finished_work_is_found_whatever_the_budget_is_now(tmp_path: Path) -> None:
    call(tmp_path, pace={"budget": 5})
    assert call(tmp_path, pace={"budget": 9}).reused
    assert len(WORKED) == 4


@pytest.mark.parametrize("params", [{"wanted": 3}, {"pace": {"how": "badly"}}])
def test_a_parameter_that_changes_the_outputs_starts_another_journal(tmp_path: Path, params: dict[str, object]) -> None:
    with pytest.raises(TouchstoneError):
        call(tmp_path, pace={"budget": 2})
    call(tmp_path, **params)
    assert WORKED[:4] == ["0", "1", "0", "1"]


def test_unfinished_outputs_are_given_and_not_taken_for_finished_work(tmp_path: Path) -> None:
    first = call(tmp_path, accept_fewer=True, pace={"budget": 2})
    assert len(Input(tmp_path / "made", Prompt).rows()) == 2
    assert not first.reused
    assert logs(tmp_path)
    second = call(tmp_path, accept_fewer=True, pace={"budget": 100})
    assert not second.reused
    assert WORKED == ["0", "1", "2", "3"]
    assert len(Input(tmp_path / "made", Prompt).rows()) == 4
    assert logs(tmp_path) == []


def test_a_kill_between_the_outputs_and_the_removal_of_the_journal_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            call(tmp_path)
    assert logs(tmp_path)
    assert call(tmp_path).reused
    assert logs(tmp_path) == []


def test_a_lost_disk_loses_nothing_with_an_object_store(tmp_path: Path, store: str) -> None:
    with pytest.raises(TouchstoneError):
        call(tmp_path, pace={"budget": 3})
    next(tmp_path.rglob("journal.log")).unlink()
    call(tmp_path)
    again = [] if store == "object store" else ["0", "1", "2"]
    assert ["0", "1", "2", *again, "3"] == WORKED


def test_a_step_that_does_not_use_its_journal_leaves_no_trace_without_a_store(tmp_path: Path, store: str) -> None:
    for _ in range(2):
        bind.call(idly, made=tmp_path / "made", params={})
    assert (["idle", "idle"] if store == "no store" else ["idle"]) == WORKED
    if store == "no store":
        assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_the_manifest_tells_the_limits_too(tmp_path: Path) -> None:
    call(tmp_path, pace={"budget": 9})
    assert Input(tmp_path / "made", Prompt).manifest.params["pace"] == {"how": "well", "budget": 9}


def test_a_second_caller_leaves_the_files_of_the_first_alone(tmp_path: Path) -> None:
    seen: list[str] = []

    def busy(*, made: Output[Prompt], journal: Journal, params: Params) -> Metrics:
        journal.append("a", {})
        made.write([Prompt(id="1", text="first")])
        if not seen:
            seen.append("first")
            with pytest.raises(TouchstoneError, match="another process is doing the same work"):
                bind.call(busy, made=tmp_path / "made", params={})
        return {}

    busy.__module__ = ask.__module__
    busy.__annotations__ = dict(slowly.__annotations__)
    bind.call(busy, made=tmp_path / "made", params={})
    assert [row.text for row in Input(tmp_path / "made", Prompt).rows()] == ["first"]
