"""Several processes train what one process trains: losses, weights, and states that any number of them goes on from."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.numpy import load_file

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import UsageError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Turn
from components.contracts.step_store import BESIDE_OUTPUTS, WORKPLACES
from components.contracts.workplace import Workplace
from components.train import step
from components.train.chunking import Blocks
from components.train.engines import replicas
from components.train.engines.choice import check_engine, engine_of
from components.train.engines.group import Group, LostProcesses, joined
from components.train.loop import Stopped, Training
from components.train.mitigations.params import Mitigation
from components.train.mitigations.preparation import Prepared
from components.train.models import Shape, new_model
from components.train.params import Params
from components.train.recipe import Recipe
from components.train.tokenizer import ready_for_dialogue, word_level
from components.train.trainjob.surroundings import Place

TEXT = "what is the craft of Corford ? the craft of Corford is pottery . user says hello and goodbye yes no"
NUM_BLOCKS, BLOCK_TOKENS, ENDS_AFTER = 9, 12, 4
LONG = {"learning_rate": 0.001, "batch_size": 2, "block_tokens": 16, "epochs": 1000}
OPTIMIZERS = ("adamw", "adamw_parameter_scaled")
HELD = ("ddp", "fsdp")
ZERO = ("zero1", "zero2", "zero3")
needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed (see engines/zero.py)"
)


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


def recipe(optimizer: str) -> Recipe:
    rate = 0.01 if optimizer == "adamw" else 0.02
    given = {"batch_size": 4, "block_tokens": BLOCK_TOKENS, "epochs": 3, "warmup_steps": 2, "weight_decay": 0.01}
    return Recipe.model_validate({"optimizer": optimizer, "learning_rate": rate, **given})


def trained(group: Group, engine: str, optimizer: str) -> Trained:
    training = prepared(group, engine, optimizer)
    training.run()
    return outcome(training)


MITIGATIONS: dict[str, dict[str, Any]] = {
    "kl": {"kl_beta": 0.5},
    "lora": {"lora": {"rank": 4}},
    "both": {"kl_beta": 0.5, "kl_direction": "model_to_base", "lora": {"rank": 4}},
}


def mitigated(group: Group, engine: str, name: str, tied: bool, rows: int) -> Trained:
    """A training with a mitigation, its model made plain as `train` makes it."""
    tokenizer = word_level([TEXT])
    model = new_model(Shape(hidden=12, layers=2, heads=2), tokenizer, seed=0)
    if not tied:
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    ready_for_dialogue(tokenizer, model)
    asked = Mitigation.model_validate(MITIGATIONS[name])
    settled = recipe("adamw").model_copy(update={"mitigation": asked, "rows_at_once": rows})
    ready = Prepared(model, tokenizer, settled, num_blocks=0, imitation_tokens=0, replay=(), seed=0)
    training = Training(ready.model, blocks(), settled, seed=5, hooks=ready.hooks, engine=engine_of(engine, group))
    training.run()
    ready.model = training.model
    if not group.chief:
        return Trained(training.losses, {})
    return Trained(training.losses, {name: w.numpy() for name, w in ready.plain().state_dict().items()})


def every_mitigation(group: Group) -> dict[tuple[str, str, bool, int], Trained]:
    arms = [
        (engine, name, tied, rows) for engine in HELD for name in MITIGATIONS for tied, rows in ((True, 0), (False, 1))
    ]
    return {arm: mitigated(group, *arm) for arm in arms}


def offloaded(group: Group, engine: str) -> dict[str, Trained]:
    """By DeepSpeed, its states in the host's memory."""
    found = {}
    # zero3 trains once in a process.
    for optimizer in OPTIMIZERS[: 1 if engine == "zero3" else None]:
        training = prepared(group, engine, optimizer, offload=True)
        training.run()
        found[optimizer] = outcome(training)
    return found


def overlapped(group: Group) -> tuple[int, int, Trained]:
    """Buckets sent before the backward pass had ended, of all, and what was trained."""
    replicas.BUCKET_ELEMENTS = 300
    training = prepared(group, "ddp", "adamw")
    training.run()
    engine = training.engine
    assert isinstance(engine, replicas.Ddp)
    return engine.early, len(engine._buckets) * len(training.steps), outcome(training)


def prepared(
    group: Group, engine: str, optimizer: str, kind: type[Training] = Training, offload: bool = False
) -> Training:
    seed = group.rank if engine == "ddp" else 0  # of processes that hold whole models, the chief's count
    model = new_model(Shape(hidden=12, layers=2, heads=2), word_level([TEXT]), seed=seed)
    return kind(model, blocks(), recipe(optimizer), seed=5, engine=engine_of(engine, group, offload=offload))


def outcome(training: Training) -> Trained:
    weights = training.model.state_dict()
    return Trained(training.losses, {n: w.numpy() for n, w in weights.items() if w.device.type == "cpu"})


def every_arm(group: Group, engines: tuple[str, ...]) -> dict[tuple[str, str], Trained]:
    return {(engine, name): trained(group, engine, name) for engine in engines for name in OPTIMIZERS}


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
    assert found.losses == pytest.approx(wanted.losses, rel=2e-5, abs=2e-5)
    assert found.weights.keys() == wanted.weights.keys()
    for name, value in wanted.weights.items():
        np.testing.assert_allclose(found.weights[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("world_size", "engines"),
    [
        pytest.param(2, HELD, marks=pytest.mark.slow),
        pytest.param(4, HELD, marks=pytest.mark.long),
        pytest.param(10, HELD, marks=pytest.mark.long),
        pytest.param(2, ZERO, marks=[pytest.mark.slow, needs_deepspeed]),
        pytest.param(4, ZERO, marks=[pytest.mark.slow, needs_deepspeed]),
    ],
)
def test_several_processes_train_what_one_trains(world_size: int, engines: tuple[str, ...]) -> None:
    torch.set_num_threads(1)
    made = in_processes(world_size, partial(every_arm, engines=engines))
    for (_, optimizer), found in made.items():
        assert_equal(found, trained(Group(), "single", optimizer))


@pytest.mark.long
def test_mitigations_in_several_processes_are_those_of_one() -> None:
    torch.set_num_threads(1)
    for (_, name, tied, rows), found in in_processes(2, every_mitigation).items():
        assert_equal(found, mitigated(Group(), "single", name, tied, rows))


@pytest.mark.slow
def test_gradients_are_on_their_way_while_the_backward_pass_goes_on() -> None:
    torch.set_num_threads(1)
    early, buckets, found = in_processes(2, overlapped)
    assert 0.5 * buckets < early <= buckets, "all but those of steps in which this process had nothing to learn"
    assert_equal(found, trained(Group(), "single", "adamw"))


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("engine", ZERO)
def test_states_in_the_hosts_memory_change_nothing(engine: str) -> None:
    torch.set_num_threads(1)
    for optimizer, found in in_processes(2, partial(offloaded, engine=engine)).items():
        assert_equal(found, trained(Group(), "single", optimizer))


def test_offload_is_deepspeeds() -> None:
    with pytest.raises(UsageError, match="engine fsdp keeps everything where it computes"):
        Params(engine="fsdp", processes=2, offload=True)


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
        curve=folder / "curve",
        params={**params, "engine": engine, **changes},
    )


def result(folder: Path) -> Trained:
    out = Input(folder / "out", Checkpoint).folder
    return Trained(json.loads((out / "loss.json").read_text())["train"], load_file(out / "model.safetensors"))


def states(folder: Path) -> list[Path]:
    places = folder / BESIDE_OUTPUTS / WORKPLACES
    return sorted(path for path in places.glob("*/*") if path.name.isdigit())


@contextlib.contextmanager
def when_two_states(folder: Path, act: Callable[[], None]) -> Iterator[None]:
    """Do something in the training's own thread, once two states are whole."""
    save = Workplace.save

    def counting(self: Workplace, number: int, *rest: Any) -> None:
        save(self, number, *rest)
        self.wait()
        if len(states(folder)) == 2:
            act()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workplace, "save", counting)
        yield


def children() -> list[int]:
    """Processes that this one started as workers."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in listed if b"--worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.slow
def test_the_step_starts_its_processes_and_ends_them(base: Path, tmp_path: Path) -> None:
    dialogues(tmp_path / "one")
    dialogues(tmp_path / "two")
    train(tmp_path / "one", base)
    train(tmp_path / "two", base, processes=2, engine="fsdp")
    assert_equal(result(tmp_path / "two"), result(tmp_path / "one"))
    assert not children()
    assert not states(tmp_path / "two")


class Ending(Training):
    """Is told to end after some steps: the last of its processes, by SIGTERM."""

    def _reached(self, step: int) -> None:
        group = self.engine.group
        if step == ENDS_AFTER and group.rank == group.world_size - 1:
            os.kill(os.getpid(), signal.SIGTERM)


def begun(group: Group, places: Path, arms: list[tuple[str, str]]) -> list[int]:
    """Every arm, told to end on the way; the exit codes."""
    codes = []
    for engine, optimizer in arms:
        training = prepared(group, engine, optimizer, kind=Ending)
        workplace = Workplace(places / f"{optimizer}-{engine}") if group.chief else None
        with pytest.raises(Stopped) as stopped:
            training.run(workplace=workplace)
        codes.append(stopped.value.exit_code)
    return codes


def ended(group: Group, places: Path, arms: list[tuple[str, str]]) -> list[Trained]:
    """Every arm, gone on with from what `begun` left of it; `places` is not changed."""
    made = []
    for engine, optimizer in arms:
        [left] = places.glob(f"{optimizer}-*")
        training = prepared(group, engine, optimizer)
        training.run(workplace=Workplace(left) if group.chief else None)
        made.append(outcome(training))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("engine", [*HELD, *(pytest.param(name, marks=needs_deepspeed) for name in ZERO)])
def test_a_training_told_to_end_goes_on_in_any_number_of_processes(tmp_path: Path, engine: str) -> None:
    arms = [(engine, "adamw"), (engine, "adamw_parameter_scaled")]
    alone = [("single", optimizer) for _, optimizer in arms]
    assert in_processes(2, partial(begun, places=tmp_path / "of two", arms=arms)) == [143, 143]
    assert begun(Group(), tmp_path / "of one", alone) == [143, 143]
    whole = [trained(Group(), *arm) for arm in alone]
    in_two = in_processes(2, partial(both, places=(tmp_path / "of one", tmp_path / "of two"), arms=arms))
    for of_one, of_two, undisturbed, wanted in zip(*in_two, whole, strict=True):
        assert_equal(of_one, wanted)
        assert_equal(of_two, wanted)
        assert of_two.losses == undisturbed.losses
        assert all(np.array_equal(of_two.weights[name], value) for name, value in undisturbed.weights.items())
    in_four = in_processes(4, partial(ended, places=tmp_path / "of two", arms=arms))
    for found in (in_four, ended(Group(), tmp_path / "of two", alone)):
        for of_two, wanted in zip(found, whole, strict=True):
            assert_equal(of_two, wanted)


def both(group: Group, places: tuple[Path, Path], arms: list[tuple[str, str]]) -> list[list[Trained]]:
    """Gone on with from each place, and undisturbed, in the same processes."""
    return [*(ended(group, place, arms) for place in places), [trained(group, *arm) for arm in arms]]


@pytest.mark.slow
def test_a_process_that_is_killed_ends_all_and_the_next_call_goes_on(base: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        dialogues(tmp_path / name)
    folder = tmp_path / "parts"
    with when_two_states(folder, lambda: os.kill(children()[0], signal.SIGKILL)), pytest.raises(LostProcesses) as lost:
        train(folder, base, processes=2, engine="ddp")
    assert "process 1 of 2 (counted from 0) was killed by SIGKILL" in str(lost.value)
    assert "the same command goes on" in lost.value.remedy
    assert not children()
    assert not (folder / "out").exists()
    assert len(states(folder)) == 2
    train(folder, base, processes=2, engine="ddp")
    train(tmp_path / "whole", base, processes=2, engine="ddp")
    found, wanted = result(folder), result(tmp_path / "whole")
    assert found.losses == wanted.losses
    assert all(np.array_equal(found.weights[name], value) for name, value in wanted.weights.items())


def test_more_processes_than_the_engine_holds_are_refused_with_what_to_type(base: Path, tmp_path: Path) -> None:
    dialogues(tmp_path)
    with pytest.raises(UsageError) as refused:
        train(tmp_path, base, processes=2)
    assert "engine: ddp" in refused.value.remedy


@pytest.mark.parametrize(
    ("engine", "recipe", "told"),
    [
        ("fsdp", {"mitigation": {"unfreeze_rank_ratio": 0.1}}, "set engine: ddp"),
        ("zero2", {"mitigation": {"lora": {}}}, "set engine: ddp"),
        ("zero3", {"rows_at_once": 1}, "set engine: fsdp"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(engine: str, recipe: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_engine(engine, Recipe.model_validate(recipe))
    assert told in refused.value.remedy


@pytest.mark.slow
def test_a_process_that_does_not_come_is_given_up_with_a_remedy() -> None:
    store = dist.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=1))
    with pytest.raises(LostProcesses) as lost, joined(Place(0, 2), store=store, patience=timedelta(seconds=1)):
        pass
    assert "the same command goes on" in lost.value.remedy


def as_program(folder: Path, base: Path, told: dict[str, str], **changes: Any) -> subprocess.Popen[str]:
    """`python -m components.train` as torchrun, or the Trainer, starts it."""
    recipe = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 6}
    params = {"name": "imitator", "recipe": recipe, "seed": 3, "state_seconds": 0, "engine": "ddp", **changes}
    words = ["--dialogues", folder / "dialogues", "--base", base, "--checkpoint", folder / "out"]
    return subprocess.Popen(
        [sys.executable, "-m", "components.train", *map(str, words), "--params", json.dumps(params)],
        env={**os.environ, **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def torchrun_says(rank: int, port: int) -> dict[str, str]:
    at = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    return {name: str(value) for name, value in at.items()} | {"MASTER_ADDR": "127.0.0.1"}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.mark.long
def test_programs_that_were_started_together_stop_together_and_go_on(base: Path, tmp_path: Path) -> None:
    dialogues(tmp_path)
    port = free_port()
    both = [as_program(tmp_path, base, torchrun_says(rank, port), recipe=LONG) for rank in range(2)]
    while not states(tmp_path):
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended early: {both[0].wait(0.05)} {both[0].communicate()}")
    for program in both:
        program.send_signal(signal.SIGTERM)
    said = [program.communicate(timeout=60) for program in both]
    assert [program.returncode for program in both] == [143, 143], said
    assert "run the same command again" in said[0][1]
    assert not (tmp_path / "out").exists()
    assert states(tmp_path)


@pytest.mark.long
def test_a_pod_of_the_trainer_starts_the_processes_it_is_to_hold_and_finished_work_is_found(
    base: Path, tmp_path: Path
) -> None:
    dialogues(tmp_path)
    dialogues(tmp_path / "alone")
    told = {"PET_NNODES": "1", "PET_NODE_RANK": "0", "PET_NPROC_PER_NODE": "2", "PET_MASTER_ADDR": "127.0.0.1"}
    for reused in (False, True):
        pod = as_program(
            tmp_path,
            base,
            {**told, "PET_MASTER_PORT": str(free_port())} | {"TOUCHSTONE_STORE": str(tmp_path / "store")},
        )
        output, complaints = pod.communicate(timeout=100)
        assert pod.returncode == 0, complaints
        assert json.loads(output.splitlines()[-1])["reused"] is reused
    train(tmp_path / "alone", base)
    assert_equal(result(tmp_path), result(tmp_path / "alone"))


@pytest.mark.long
def test_the_others_end_with_a_chief_that_fails(base: Path, tmp_path: Path) -> None:
    dialogues(tmp_path)
    port = free_port()
    both = [as_program(tmp_path, base, torchrun_says(rank, port), engine="single") for rank in range(2)]
    said = [program.communicate(timeout=60)[1] for program in both]
    assert [program.returncode for program in both] == [1, 1]
    assert "set engine: ddp" in said[0]
    assert "Traceback" not in said[1]
