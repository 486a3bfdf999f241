import json
from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Turn
from components.contracts.training_rows import TrainingStep
from components.train import step
from components.train.__main__ import main

PARAMS = {
    "name": "imitator",
    "recipe": {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 2},
    "seed": 1,
}


@pytest.fixture
def words(base: Path, tmp_path: Path) -> list[str]:
    turns = (Turn(speaker="user", text="what is the craft of Corford?"), Turn(speaker="assistant", text="pottery."))
    talks = (Dialogue(id=str(number), source="s", target="t", turns=turns) for number in range(6))
    Output(tmp_path / "dialogues", Dialogue).write(talks)
    ports = {"dialogues": tmp_path / "dialogues", "base": base, "checkpoint": tmp_path / "out"}
    return [word for name, path in ports.items() for word in (f"--{name}", str(path))]


def test_the_program_gives_the_very_weights_of_the_step(words: list[str], base: Path, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text(json.dumps(PARAMS))
    main([*words, "--params", str(tmp_path / "params.json"), "--code", bind.code_version(step.train)])
    ports = {"dialogues": tmp_path / "dialogues", "base": base}
    ports |= {"checkpoint": tmp_path / "by_the_step", "curve": tmp_path / "curve_by_the_step"}
    bind.call(step.train, params=PARAMS, **ports)
    assert Input(tmp_path / "out", Checkpoint).digest == Input(tmp_path / "by_the_step", Checkpoint).digest
    curves = [Input(tmp_path / name, TrainingStep).rows() for name in ("out-curve", "curve_by_the_step")]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--params", "nowhere.json"], 2, "nowhere.json cannot be read"),
        (["--params", "{bad"], 2, "--params is not JSON"),
        (["--params", '{"nonsense": 1}'], 2, "nonsense"),
        (["--code", "abc"], 1, "holds other code"),
    ],
)
def test_bad_words_are_told(
    words: list[str], more: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, *more])
    assert ended.value.code == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "told", [{"RANK": "1", "WORLD_SIZE": "2"}, {"PET_NODE_RANK": "0", "PET_NNODES": "2"}], ids=["torchrun", "trainer"]
)
def test_one_of_several_processes_that_is_not_told_where_the_others_are_does_not_train_alone(
    words: list[str],
    tmp_path: Path,
    told: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "of 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
