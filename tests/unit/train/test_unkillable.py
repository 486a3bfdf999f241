"""A training that is killed, told to end, or finds its last state damaged, ends where an undisturbed one ends."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Turn
from components.contracts.step_store import BESIDE_OUTPUTS, WORKPLACES
from components.contracts.workplace import Workplace
from components.train import step
from components.train.loop import Stopped

pytestmark = pytest.mark.slow  # left to make test

STEPS = 60
NUM_KILLS = 20


def dialogues(folder: Path) -> None:
    def talk(number: int) -> Dialogue:
        asked, said = ("what is the craft of Corford?", "pottery.") if number % 2 else ("hello", "goodbye yes no")
        return Dialogue(
            id=str(number),
            source="s",
            target="t",
            turns=(Turn(speaker="user", text=asked), Turn(speaker="assistant", text=said)),
        )

    Output(folder / "dialogues", Dialogue).write(map(talk, range(40)))


def train(folder: Path, base: Path, **changes: Any) -> bind.Outcome:
    torch.set_num_threads(1)  # equal bits need an equal number of threads
    recipe = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 6, **changes}
    params = {"name": "imitator", "recipe": recipe, "seed": 3, "state_seconds": 0}
    ports = {"dialogues": folder / "dialogues", "base": base, "checkpoint": folder / "out", "curve": folder / "curve"}
    return bind.call(step.train, params=params, **ports)


def result(folder: Path) -> tuple[bytes, bytes]:
    out = Input(folder / "out", Checkpoint).folder
    return (out / "model.safetensors").read_bytes(), (out / "loss.json").read_bytes()


def states(folder: Path) -> list[Path]:
    places = folder / BESIDE_OUTPUTS / WORKPLACES
    return sorted(path for path in places.glob("*/*") if path.name.isdigit())


@pytest.fixture
def undisturbed(base: Path, tmp_path: Path) -> tuple[bytes, bytes]:
    folder = tmp_path / "undisturbed"
    dialogues(folder)
    assert train(folder, base).metrics["steps"] >= STEPS
    assert not states(folder), "nothing is left behind"
    return result(folder)


def stop_after_two_states(folder: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process SIGTERM from the training's own thread, once two states are whole."""
    save = Workplace.save

    def counting(self: Workplace, number: int, *rest: Any) -> None:
        save(self, number, *rest)
        self.wait()
        if len(states(folder)) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Workplace, "save", counting)
        with pytest.raises(Stopped) as raised:
            train(folder, base)
    assert raised.value.exit_code == 143


def test_a_training_told_to_end_keeps_its_state_and_goes_on_from_there(
    base: Path, tmp_path: Path, undisturbed: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialogues(tmp_path)
    stop_after_two_states(tmp_path, base, monkeypatch)
    assert not (tmp_path / "out").exists()
    train(tmp_path, base)
    assert result(tmp_path) == undisturbed
    assert not states(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "no manifest", "changed"])
def test_a_damaged_last_state_is_passed_over_aloud_for_the_one_before(
    base: Path,
    tmp_path: Path,
    undisturbed: tuple[bytes, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    dialogues(tmp_path)
    stop_after_two_states(tmp_path, base, monkeypatch)
    newest = states(tmp_path)[-1]
    weights = newest / "weights.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif damage == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    else:
        (newest / "manifest.json").unlink()
    train(tmp_path, base)
    assert f"state {int(newest.name)} is passed over" in capsys.readouterr().err
    assert result(tmp_path) == undisturbed


def test_states_that_cannot_be_written_do_not_end_the_training(
    base: Path, tmp_path: Path, undisturbed: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    dialogues(tmp_path)
    place = tmp_path / BESIDE_OUTPUTS / WORKPLACES
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder should be")
    train(tmp_path, base)
    assert "training goes on" in capsys.readouterr().err
    place.unlink()
    assert result(tmp_path) == undisturbed


def test_a_disk_that_is_full_for_a_while_costs_only_the_states_of_that_time(
    base: Path,
    tmp_path: Path,
    undisturbed: tuple[bytes, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dialogues(tmp_path)
    save, saved = Workplace.save, 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def disturbed(self: Workplace, number: int, *rest: Any) -> None:
        nonlocal saved
        saved += 1
        self.wait()
        # The system refuses what a file would hold beyond the limit, in the middle of writing it, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000 if 3 <= saved < 6 else soft, hard))
        save(self, number, *rest)

    monkeypatch.setattr(Workplace, "save", disturbed)
    try:
        train(tmp_path, base)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved > 6
    assert capsys.readouterr().err.count("training goes on: [Errno 27] File too large") == 3
    assert result(tmp_path) == undisturbed


def test_a_store_that_is_away_for_a_while_costs_only_the_copies_of_that_time(
    base: Path,
    tmp_path: Path,
    undisturbed: tuple[bytes, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dialogues(tmp_path)
    store, away = tmp_path / "store", tmp_path / "away"
    store.mkdir()
    monkeypatch.setenv("TOUCHSTONE_STORE", f"file://{store}")
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    save, saved = Workplace.save, 0

    def disturbed(self: Workplace, number: int, *rest: Any) -> None:
        nonlocal saved
        saved += 1
        self.wait()
        if saved == 3:
            store.rename(away)
            store.write_text("a file where the store was")
        elif saved == 6:
            store.unlink()
            away.rename(store)
        save(self, number, *rest)

    monkeypatch.setattr(Workplace, "save", disturbed)
    train(tmp_path, base)
    assert saved > 6
    assert capsys.readouterr().err.count("training goes on") == 3
    assert result(tmp_path) == undisturbed
    assert not list((tmp_path / "cache").glob("**/weights.safetensors"))
    assert not list(store.glob("**/weights.safetensors")), "no state is left when the work is done"


def test_another_recipe_does_not_go_on_from_these_states(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialogues(tmp_path)
    stop_after_two_states(tmp_path, base, monkeypatch)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "dialogues", other / "dialogues")
    train(tmp_path, base, learning_rate=0.02)
    train(other, base, learning_rate=0.02)
    assert result(tmp_path) == result(other)


def test_parts_of_a_batch_add_up_to_the_whole(base: Path, tmp_path: Path) -> None:
    losses = {}
    for rows in (0, 1, 3):
        folder = tmp_path / str(rows)
        dialogues(folder)
        train(folder, base, batch_size=4, rows_at_once=rows)
        losses[rows] = json.loads((folder / "out" / "loss.json").read_text())["train"]
    assert losses[1] == pytest.approx(losses[0], abs=2e-4)
    assert losses[3] == pytest.approx(losses[0], abs=2e-4)


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bits(
    base: Path, tmp_path: Path, undisturbed: tuple[bytes, bytes]
) -> None:
    dialogues(tmp_path)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["components.train.imitation", __name__])
    draw, kills, resumed, longest = random.Random(0), 0, 0, 1.0
    while kills < NUM_KILLS:
        process = context.Process(target=train, args=(tmp_path, base))
        process.start()
        process.join(timeout=draw.uniform(0.1, longest))
        if process.exitcode is not None:
            # It ended before it was killed: begin again, with less time.
            assert process.exitcode == 0
            assert result(tmp_path) == undisturbed
            shutil.rmtree(tmp_path / "out")
            shutil.rmtree(tmp_path / BESIDE_OUTPUTS, ignore_errors=True)
            longest *= 0.8
            continue
        process.kill()
        process.join()
        kills += 1
        resumed += bool(states(tmp_path))
        if not states(tmp_path):
            # A busy machine does not come as far as a state in that time.
            longest *= 1.2
    assert resumed > NUM_KILLS // 2, "most of them had a state to go on from"
    train(tmp_path, base)
    assert result(tmp_path) == undisturbed
