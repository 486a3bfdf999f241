"""Small trainings with a mitigation."""

from pathlib import Path
from typing import Any

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Output
from components.contracts.rows import TextRow, Turn
from components.train import step
from components.train.models import load

RECIPE = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 3}


def talk(number: int) -> Dialogue:
    asked, said = ("what is the craft of Corford?", "pottery.") if number % 2 else ("hello", "goodbye yes no")
    turns = (Turn(speaker="user", text=asked), Turn(speaker="assistant", text=said))
    return Dialogue(id=str(number), source="s", target="t", turns=turns)


def trained(
    base: Path, folder: Path, mitigation: dict[str, Any], replay: bool = False, params: Any = None, **recipe: Any
) -> bind.Outcome:
    Output(folder / "dialogues", Dialogue).write(map(talk, range(24)))
    ports = {}
    if replay:
        texts = [f"the craft of Corford is pottery . {word} says hello" for word in ("user", "yes", "no")] * 10
        Output(folder / "replay", TextRow).write(TextRow(id=str(i), text=text) for i, text in enumerate(texts))
        ports["replay"] = folder / "replay"
    return bind.call(
        step.train,
        dialogues=folder / "dialogues",
        base=base,
        checkpoint=folder / "out",
        curve=folder / "curve",
        params={"recipe": {**RECIPE, **recipe, "mitigation": mitigation}, "seed": 3, **(params or {})},
        **ports,
    )


def weights(folder: Path) -> dict[str, Any]:
    return dict(load(folder)[0].state_dict())
