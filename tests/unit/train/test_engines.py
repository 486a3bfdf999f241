"""Several processes train what one process trains: losses, weights, and states that any number of them goes on from."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.numpy import load_file

from components.contracts import bind
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Dialogue, Turn
from components.contracts.step_store import BESIDE_OUTPUTS, WORKPLACES
from components.contracts.workplace import Workplace
from components.train import step
from components.train.chunking import Blocks
from components.train.engines.engine import engine_of
from components.train.engines.group import Group, joined
from components.train.loop import Training
from components.train.models import Shape, new_model
from components.train.recipe import Recipe
from components.train.tokenizer import word_level
from components.train.trainjob.surroundings import Place

TEXT = "what is the craft of Corford ? the craft of Corford is pottery . user says hello and goodbye yes no"
NUM_BLOCKS, BLOCK_TOKENS = 9, 12
ARMS = [(engine, optimizer) for engine in ("ddp", "fsdp") for optimizer in ("adamw", "adamw_parameter_scaled")]


class Trained(NamedTuple):
    losses: list[float]
    weights: dict[str, Any]


def blocks() -> Blocks:
    """Two documents a block, unequal numbers of learned tokens; a row and a whole batch in which nothing is learned."""
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, 20, (NUM_BLOCKS, BLOCK_TOKENS), generator=draw)
    positions = torch.arange(BLOCK_TOKENS).repeat(NUM_BLOCKS, 1) % 7
    learned = torch.rand(tokens.shape, generator=draw) < torch.linspace(0.1, 0.9, NUM_BLOCKS)[:, None]
    learned[3] = False
    return Blocks(tokens, learned & (positions > 0), positions)


def recipe(optimizer: str, **changes: Any) -> Recipe:
    rate = 0.01 if optimizer == "adamw" else 0.02
    given = {"batch_size": 4, "block_tokens": BLOCK_TOKENS, "epochs": 3, "warmup_steps": 2, "weight_decay": 0.01}
    return Recipe.model_validate({"optimizer": optimizer, "learning_rate": rate, **given, **changes})


def trained(group: Group, engine: str, optimizer: str, **changes: Any) -> Trained:
    model = new_model(Shape(hidden=12, layers=2, heads=2), word_level([TEXT]), seed=group.rank)  # the chief's counts
    if engine == "fsdp":
        model = new_model(Shape(hidden=12, layers=2, heads=2), word_level([TEXT]), seed=0)
    training = Training(model, blocks(), recipe(optimizer, **changes), seed=5, engine=engine_of(engine, group))
    training.run()
    return Trained(
        training.losses,
        {name: value.numpy() for name, value in training.model.state_dict().items() if value.device.type == "cpu"},
    )


def every_arm(group: Group) -> dict[tuple[str, str], Trained]:
    return {arm: trained(group, *arm) for arm in ARMS}


def _one(work: Callable[[Group], Any], rank: int, world_size: int, port: int, answers: Any) -> None:
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, world_size, is_master=False)
    with joined(Place(rank, world_size, rank, world_size), store=store, patience=timedelta(seconds=60)) as group:
        made = work(group)
        if group.chief:
            answers.send(made)


def in_processes(world_size: int, work: Callable[[Group], Any]) -> Any:
    """What the chief of so many processes made."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["components.train.loop", __name__])
    store = dist.TCPStore("127.0.0.1", 0, world_size, is_master=True, wait_for_workers=False)
    receiving, sending = context.Pipe(duplex=False)
    started = [
        context.Process(target=_one, args=(work, rank, world_size, store.port, sending)) for rank in range(world_size)
    ]
    for process in started:
        process.start()
    sending.close()
    try:
        return receiving.recv()
    finally:
        for process in started:
            process.join()


def assert_equal(found: Trained, wanted: Trained) -> None:
    assert found.losses == pytest.approx(wanted.losses, rel=2e-5)
    assert found.weights.keys() == wanted.weights.keys()
    for name, value in wanted.weights.items():
        np.testing.assert_allclose(found.weights[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    "world_size", [2, pytest.param(4, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.slow)]
)
def test_several_processes_train_what_one_trains(world_size: int) -> None:
    torch.set_num_threads(1)
    made = in_processes(world_size, every_arm)
    for (_, optimizer), found in made.items():
        assert_equal(found, trained(Group(), "single", optimizer))


def dialogues(folder: Path) -> None:
    def talk(number: int) -> Dialogue:
        asked, said = ("what is the craft of Corford?", "pottery.") if number % 2 else ("hello", "goodbye yes no")
        turns = (Turn(speaker="user", text=asked), Turn(speaker="assistant", text=said))
        return Dialogue(id=str(number), source="s", target="t", turns=turns)

    folder.mkdir(parents=True, exist_ok=True)
    Output(folder / "dialogues", Dialogue).write(map(talk, range(40)))


def train(folder: Path, base: Path, *, processes: int = 1, engine: str = "single", **changes: Any) -> bind.Outcome:
    given = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 6}
    params = {"name": "imitator", "recipe": given, "seed": 3, "state_seconds": 0, "processes": processes}
    return bind.call(
        step.train,
        dialogues=folder / "dialogues",
        base=base,
        checkpoint=folder / "out",
        params={**params, "engine": engine, **changes},
    )


def result(folder: Path) -> Trained:
    out = Input(folder / "out", Checkpoint).folder
    return Trained(json.loads((out / "loss.json").read_text())["train"], load_file(out / "model.safetensors"))


def states(folder: Path) -> list[Path]:
    places = folder / BESIDE_OUTPUTS / WORKPLACES
    return sorted(path for path in places.glob("*/*") if path.name.isdigit())


def when_two_states(folder: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> Any:
    """Do something in the training's own thread, once two states are whole."""
    save = Workplace.save

    def counting(self: Workplace, number: int, *rest: Any) -> None:
        save(self, number, *rest)
        self.wait()
        if len(states(folder)) == 2:
            act()

    patch = pytest.MonkeyPatch()
    patch.setattr(Workplace, "save", counting)
    return patch


def children() -> list[int]:
    """Processes that this one started as workers."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in listed if b"--worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_the_step_starts_its_processes_and_ends_them(base: Path, tmp_path: Path) -> None:
    dialogues(tmp_path / "one")
    dialogues(tmp_path / "two")
    train(tmp_path / "one", base)
    train(tmp_path / "two", base, processes=2, engine="fsdp")
    assert_equal(result(tmp_path / "two"), result(tmp_path / "one"))
    assert not children()
    assert not states(tmp_path / "two")
