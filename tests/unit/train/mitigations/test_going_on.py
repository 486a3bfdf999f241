"""Every mitigation survives a kill: a training set down in the middle ends with the bits of an undisturbed one."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from components.contracts.step_store import BESIDE_OUTPUTS, WORKPLACES
from components.contracts.workplace import Workplace
from components.train.loop import Stopped
from tests.unit.train.mitigations.runs import trained, weights

pytestmark = pytest.mark.slow  # left to make test

MITIGATIONS = {
    "kl": {"kl_beta": 0.5},
    "dft": {"loss": "dft"},
    "subspace": {"unfreeze_rank_ratio": 0.25},
    "lora": {"lora": {"rank": 2, "dropout": 0.1}},
    "replay": {"replay_share": 0.3},
    "all at once": {"replay_share": 0.3, "kl_beta": 0.1, "loss": "dft", "lora": {"rank": 2}},
}
NUM_KILLS = 3
HELD_OUT = {"heldout_share": 0.3, "keep": "lowest_heldout_loss", "heldout_points": 6}


def result(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "out" / "model.safetensors").read_bytes(), (folder / "out" / "loss.json").read_bytes()


def states(folder: Path) -> list[Path]:
    return [p for p in (folder / BESIDE_OUTPUTS / WORKPLACES).glob("*/*") if p.name.isdigit()]


def stop_in_the_middle(monkeypatch: pytest.MonkeyPatch, base: Path, folder: Path, *rest: Any, **more: Any) -> None:
    """SIGTERM from the training's own thread once a state of its second half is whole."""
    save = Workplace.save

    def stopping(self: Workplace, number: int, *others: Any) -> None:
        save(self, number, *others)
        self.wait()
        if number == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Workplace, "save", stopping)
        with pytest.raises(Stopped):
            trained(base, folder, *rest, **more)
    assert states(folder)


def killed(base: Path, folder: Path, mitigation: dict[str, Any], more: dict[str, Any]) -> int:
    """Kill -9 as soon as there is a state newer than the last; how many kills it took before it ended by itself."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["components.train.imitation", "peft", trained.__module__])
    newest, kills = -1, 0
    while kills < NUM_KILLS:
        process = context.Process(target=trained, args=(base, folder, mitigation), kwargs=more)
        process.start()
        while process.exitcode is None and max((int(state.name) for state in states(folder)), default=-1) <= newest:
            process.join(timeout=0.005)
        if process.exitcode is not None:
            assert process.exitcode == 0
            break
        process.kill()
        process.join()
        newest = max(int(state.name) for state in states(folder))
        kills += 1
    return kills


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kl", "subspace", "lora"])
def test_killed_at_any_moment_it_ends_with_the_same_bits(base: Path, tmp_path: Path, name: str) -> None:
    more: dict[str, Any] = {"params": {"state_seconds": 0, **HELD_OUT}, "epochs": 12}
    trained(base, tmp_path / "undisturbed", MITIGATIONS[name], **more)
    assert killed(base, tmp_path / "killed", MITIGATIONS[name], more) > 0
    trained(base, tmp_path / "killed", MITIGATIONS[name], **more)
    assert result(tmp_path / "killed") == result(tmp_path / "undisturbed")


@pytest.mark.parametrize("name", MITIGATIONS)
def test_set_down_and_taken_up_it_ends_with_the_same_bits(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    replay = bool(MITIGATIONS[name].get("replay_share"))
    more: dict[str, Any] = {"replay": replay, "params": {"state_seconds": 0, **HELD_OUT}}
    trained(base, tmp_path / "undisturbed", MITIGATIONS[name], **more)
    stop_in_the_middle(monkeypatch, base, tmp_path / "stopped", MITIGATIONS[name], **more)
    trained(base, tmp_path / "stopped", MITIGATIONS[name], **more)
    assert result(tmp_path / "stopped") == result(tmp_path / "undisturbed")
    curves = json.loads((tmp_path / "stopped" / "out" / "loss.json").read_text())
    assert len(curves["train"]) > 20
    assert len(curves["heldout"]) == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", ["subspace", pytest.param("all at once", marks=pytest.mark.long)])
def test_two_processes_do_what_one_does(base: Path, tmp_path: Path, name: str) -> None:
    mitigation = MITIGATIONS[name]
    more: dict[str, Any] = {"replay": "replay_share" in mitigation, "batch_size": 4}
    for processes in (1, 2):
        params = {"engine": "ddp", "processes": processes, **HELD_OUT}
        trained(base, tmp_path / str(processes), mitigation, params=params, **more)
    one, two = (json.loads((tmp_path / n / "out" / "loss.json").read_text()) for n in ("1", "2"))
    for curve in ("train", "heldout", "heldout_steps"):
        assert two[curve] == pytest.approx(one[curve], abs=1e-3), curve
    before, after = (weights(tmp_path / n / "out") for n in ("1", "2"))
    assert all(torch.allclose(before[name], after[name], atol=2e-3) for name in before)
