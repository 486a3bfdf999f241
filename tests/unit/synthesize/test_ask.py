from pathlib import Path

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.contracts.rows import Prompt, Request
from components.synthesize.step import Params, ask


def asked(folder: Path, prompts: list[Prompt], **params: float) -> list[Request]:
    Output(folder / "prompts", Prompt).write(prompts)
    ask(
        prompts=Input(folder / "prompts", Prompt),
        requests=Output(folder / "requests", Request),
        params=Params.model_validate(params),
    )
    return Input(folder / "requests", Request).rows()


def test_a_prompt_keeps_its_seed_when_others_come_and_go(tmp_path: Path) -> None:
    one, two = Prompt(id="one", text="hello"), Prompt(id="two", text="bye")
    both = asked(tmp_path / "a", [one, two])
    alone = asked(tmp_path / "b", [two])
    assert both[1] == alone[0]
    assert both[0].seed != both[1].seed


def test_another_seed_asks_for_another_sample(tmp_path: Path) -> None:
    prompt = [Prompt(id="one", text="hello")]
    assert asked(tmp_path / "a", prompt, seed=1)[0].seed != asked(tmp_path / "b", prompt, seed=2)[0].seed


def test_nothing_to_ask_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="holds no prompt"):
        asked(tmp_path, [])
