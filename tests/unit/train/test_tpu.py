"""Training by torch_xla on its CPU device (PJRT_DEVICE=CPU) equals training without it.

torch_xla asks for an older torch, so it is not in the project's environment: these run in the image train-tpu, or in
an environment made from images/train-tpu/requirements.txt and pytest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("torch_xla", reason="torch_xla is in the image train-tpu only")

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Turn
from components.contracts.workplace import Workplace
from components.train import step
from components.train.chunking import Blocks
from components.train.loop import Training
from components.train.models import Shape, new_model
from components.train.recipe import Recipe
from components.train.tokenizer import word_level
from components.train.tpu import TpuTraining, device

TEXT = "what is the craft of Corford ? the craft of Corford is pottery . user says hello and goodbye yes no"
T = 12


@pytest.fixture(scope="module", autouse=True)
def _xla_first() -> None:
    device()  # torch counts its devices at the first backward pass


def training(kind: type[Training], **recipe: Any) -> Training:
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, 20, (9, T), generator=draw)
    positions = torch.arange(T).repeat(9, 1) % 7
    learned = torch.rand(tokens.shape, generator=draw) < torch.linspace(0.1, 0.9, 9)[:, None]
    learned[3] = False
    given = {"learning_rate": 0.02, "batch_size": 4, "block_tokens": T, "epochs": 4, "warmup_steps": 3, **recipe}
    model = new_model(Shape(hidden=12, layers=2, heads=2), word_level([TEXT]), seed=0)
    blocks = Blocks(tokens, learned & (positions > 0), positions)
    return kind(model, blocks, Recipe.model_validate(given), seed=5)


def assert_equal(found: Training, wanted: Training) -> None:
    assert found.losses == pytest.approx(wanted.losses, abs=2e-5)
    for name, value in wanted.model.state_dict().items():
        torch.testing.assert_close(found.model.state_dict()[name], value, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_parameter_scaled"])
@pytest.mark.parametrize("rows", [0, 3])
def test_it_gives_the_losses_and_weights_of_a_training_without(optimizer: str, rows: int) -> None:
    pair = [training(kind, optimizer=optimizer, rows_at_once=rows) for kind in (TpuTraining, Training)]
    for one in pair:
        one.run()
    assert_equal(*pair)


def test_no_program_is_compiled_after_the_first_steps() -> None:
    from torch_xla.debug import metrics

    one = training(TpuTraining, epochs=12)
    compiled: list[int] = []

    def count(_: int) -> None:
        compiled.append((metrics.metric_data("CompileTime") or [0])[0])

    one._reached = count  # type: ignore[method-assign]
    one.run()
    assert compiled[18] == compiled[36]


def test_it_goes_on_from_a_state(tmp_path: Path) -> None:
    class Ending(TpuTraining):
        def _reached(self, step: int) -> None:
            if step == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(Ending).run(workplace=Workplace(tmp_path / "states"), state_seconds=0)
    later, whole = training(TpuTraining), training(TpuTraining)
    later.run(workplace=Workplace(tmp_path / "states"))
    whole.run()
    assert_equal(later, whole)


def test_what_is_not_made_for_it_is_refused() -> None:
    with pytest.raises(TouchstoneError, match="not made for TPUs"):
        training(TpuTraining, precision="bfloat16")


def test_the_step_trains_with_it(base: Path, tmp_path: Path) -> None:
    turns = (Turn(speaker="user", text="hello"), Turn(speaker="assistant", text="goodbye yes no"))
    rows = (Dialogue(id=str(number), source="s", target="t", turns=turns) for number in range(8))
    Output(tmp_path / "dialogues", Dialogue).write(rows)
    params = {"recipe": {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16}, "engine": "tpu"}
    ports = {"dialogues": tmp_path / "dialogues", "checkpoint": tmp_path / "out", "curve": tmp_path / "curve"}
    bind.call(step.train, base=base, params=params, **ports)
    assert (Input(tmp_path / "out", Checkpoint).folder / "model.safetensors").exists()
