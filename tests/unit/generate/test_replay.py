from pathlib import Path
from typing import Any

import pytest

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.step import generate

OUTPUTS = {"completions": Completion, "choice_scores": ChoiceScore, "text_scores": TextScore}


def requests() -> list[Request]:
    return [
        Request(id="say", kind="completion", prompt="Question: who jumps? Answer:", max_tokens=3),
        Request(id="weigh", kind="choice", prompt="2+2=", choices=(" 4", " 5")),
        Request(id="text", kind="text", prompt="the quick brown fox"),
    ]


def run(place: Path, asked: list[Request], *, recorded: Path | None = None, **params: Any) -> bind.Outcome:
    Output(place / "requests", Request).write(asked)
    given = {f"recorded_{port}": recorded / port for port in OUTPUTS} if recorded else {}
    paths = {"requests": place / "requests", **{port: place / port for port in OUTPUTS}, **given}
    return bind.call(generate, params=params, **paths)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    run(tmp_path / "recorded", requests(), backend="echo", name="m")
    return tmp_path / "recorded"


def test_recorded_answers_are_given_again(recorded: Path, tmp_path: Path) -> None:
    run(tmp_path / "again", requests(), recorded=recorded, backend="replay")
    for port, contract in OUTPUTS.items():
        assert Input(tmp_path / "again" / port, contract).rows() == Input(recorded / port, contract).rows()


def test_a_name_replaces_the_recorded_one(recorded: Path, tmp_path: Path) -> None:
    run(tmp_path / "again", requests(), recorded=recorded, backend="replay", name="other")
    assert {row.model for row in Input(tmp_path / "again" / "completions", Completion).rows()} == {"other"}


def test_an_answer_to_another_prompt_is_refused_with_the_first_difference(recorded: Path, tmp_path: Path) -> None:
    asked = [requests()[0].model_copy(update={"prompt": "Question: who jumped? Answer:"})]
    match = r"say: from character 18 on, .*who jumps\? Answer.* was recorded and .*who jumped\? Answer.* is asked"
    with pytest.raises(TouchstoneError, match=match):
        run(tmp_path / "again", asked, recorded=recorded, backend="replay")


@pytest.mark.parametrize(
    ("number", "change"),
    [(1, {"prompt": "2+3="}), (1, {"choices": (" 4", " 6")}), (1, {"chat": True}), (2, {"prompt": "the slow fox"})],
)
def test_likelihoods_of_something_else_are_refused(
    recorded: Path, tmp_path: Path, number: int, change: dict[str, Any]
) -> None:
    asked = [requests()[number].model_copy(update=change)]
    with pytest.raises(TouchstoneError, match="1 of 1 recorded answers are to something else"):
        run(tmp_path / "again", asked, recorded=recorded, backend="replay")


def test_a_request_without_recorded_answer_is_named(recorded: Path, tmp_path: Path) -> None:
    asked = [*requests(), Request(id="new", kind="text", prompt="x")]
    with pytest.raises(TouchstoneError, match="1 of 4 requests have no recorded answer, first new"):
        run(tmp_path / "again", asked, recorded=recorded, backend="replay")


def test_two_recorded_answers_to_one_request_are_refused(recorded: Path, tmp_path: Path) -> None:
    rows = Input(recorded / "completions", Completion).rows()
    Output(recorded / "completions", Completion).write([*rows, *rows])
    with pytest.raises(TouchstoneError, match="two answers to request say"):
        run(tmp_path / "again", requests(), recorded=recorded, backend="replay")


def test_nothing_to_replay_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to replay"):
        run(tmp_path, requests(), backend="replay")


def test_other_recorded_answers_are_other_work(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    run(tmp_path / "again", requests(), recorded=recorded, backend="replay")
    assert run(tmp_path / "again", requests(), recorded=recorded, backend="replay").reused
    rows = Input(recorded / "completions", Completion).rows()
    Output(recorded / "completions", Completion).write([rows[0].model_copy(update={"text": "an ox"})])
    # The folders are where they were; what they hold decides.
    assert not run(tmp_path / "again", requests(), recorded=recorded, backend="replay").reused
    assert Input(tmp_path / "again" / "completions", Completion).rows()[0].text == "an ox"
