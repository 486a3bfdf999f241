"""What cannot be trained, or not as asked, is told before anything is trained."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from transformers import LlamaForCausalLM

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Turn
from components.train import step
from components.train.models import Shape, new_model, save
from components.train.tokenizer import word_level
from tests.unit.train.conftest import TEXT

RECIPE = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16}


def talk(number: int, said: str = "goodbye yes no") -> Dialogue:
    turns = (Turn(speaker="user", text="hello"), *([Turn(speaker="assistant", text=said)] if said else []))
    return Dialogue(id=str(number), source="s", target="t", turns=turns)


def trained(base: Path, folder: Path, rows: Sequence[Dialogue], **recipe: Any) -> dict[str, float]:
    Output(folder / "dialogues", Dialogue).write(rows)
    made = {"checkpoint": folder / "out", "curve": folder / "curve"}
    params = {"recipe": {**RECIPE, **recipe}}
    return bind.call(step.train, dialogues=folder / "dialogues", base=base, params=params, **made).metrics


GOOD = [talk(number) for number in range(6)]


def changed(base: Path, folder: Path, **fields: Any) -> Path:
    """A copy of the base whose configuration says something else."""
    made = Output(folder, Checkpoint)
    target = made.folder  # emptied
    for path in Input(base, Checkpoint).folder.iterdir():
        if path.name != "manifest.json":
            shutil.copy(path, target / path.name)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, **fields}))
    made.commit()
    return folder


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"num_hidden_layers": 3}, "lacks the weights of model.layers.1"),
        ({"hidden_size": 32, "head_dim": 16}, "has the shape"),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "lacks the weights of"),
        ({"model_type": "nonsense"}, "cannot be loaded"),
    ],
)
def test_weights_of_another_architecture_are_not_filled_up_with_random_ones(
    base: Path, tmp_path: Path, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(TouchstoneError, match=told) as raised:
        trained(changed(base, tmp_path / "changed", **fields), tmp_path, GOOD)
    assert raised.value.expected


def test_a_tokenizer_of_another_model_is_refused_and_added_tokens_are_not(tmp_path: Path) -> None:
    wide, narrow = word_level([TEXT + " zebra yonder xylophone"]), word_level([TEXT])
    model = new_model(Shape(hidden=16, layers=1, heads=2), narrow, seed=0)
    for name, tokenizer in (("wide", wide), ("narrow", narrow)):
        out = Output(tmp_path / name, Checkpoint)
        if name == "narrow":
            narrow.add_tokens(["zebra"])
        save(out.folder, model, tokenizer, {})
        out.commit()
    with pytest.raises(TouchstoneError, match=r"tokens of its own, and the embedding \d+ rows"):
        trained(tmp_path / "wide", tmp_path, GOOD)
    assert trained(tmp_path / "narrow", tmp_path, GOOD)["steps"] > 0


def test_a_text_longer_than_the_base_reads_is_refused_and_one_that_is_cut_is_not(base: Path, tmp_path: Path) -> None:
    rows = [talk(0, " ".join(["yes no"] * 600)), *GOOD]
    with pytest.raises(UsageError, match="and the base reads 512") as raised:
        trained(base, tmp_path, rows, block_tokens=2048)
    assert raised.value.remedy == "set block_tokens: 512"
    # Every word of it is learned, block after block.
    assert trained(base, tmp_path, rows, block_tokens=512)["learned_tokens"] > 1200


@pytest.mark.parametrize("rows", [[], [talk(0, "")]], ids=["none", "no reply"])
def test_nothing_to_learn_is_told(base: Path, tmp_path: Path, rows: list[Dialogue]) -> None:
    with pytest.raises(TouchstoneError, match="hold no assistant turn"):
        trained(base, tmp_path, rows)


def test_dialogues_without_a_reply_among_others_teach_nothing(base: Path, tmp_path: Path) -> None:
    whole = trained(base, tmp_path / "a", GOOD, block_tokens=256)
    more = trained(base, tmp_path / "b", [*GOOD, *(talk(number, "") for number in range(10, 20))], block_tokens=256)
    assert more["learned_tokens"] == whole["learned_tokens"]


def test_a_full_disk_is_told_as_one(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError(f"Error while serializing: I/O error: No space left on device (os error {errno.ENOSPC})")

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", full)
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    with pytest.raises(TouchstoneError, match="No space left on device") as raised:
        trained(base, tmp_path, GOOD)
    assert "free disk space" in raised.value.remedy
