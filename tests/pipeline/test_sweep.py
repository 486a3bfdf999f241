"""A sweep, executed by kfp.local at toy size: loops, shared work, one cell alone, and the page about all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.sweep_results import SweepStudy
from components.report.sweeping.diverged import read_diverged

COMMAND = [sys.executable, "-m", "pipelines", "run", "mitigation", "--preset", "dry_run"]
CELLS = ["plain", "interpolation-0.5", "replay_25"]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = [*COMMAND, "--runs", str(folder.parent), "--name", folder.name, *options]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def one_cell_then_all(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    folder = tmp_path_factory.mktemp("runs") / "sweep"
    first = run(folder, "--cell", "interpolation-0.5")
    assert first.returncode == 0, first.stderr
    log = (folder / "log.txt").read_text()
    whole = run(folder)
    assert whole.returncode == 0, whole.stderr
    return folder, log, (folder / "log.txt").read_text().removeprefix(log)


def test_every_cell_has_a_verdict_a_report_and_a_row(one_cell_then_all: tuple[Path, str, str]) -> None:
    result = one_cell_then_all[0] / "result"
    study = SweepStudy.model_validate_json((result / "sweep.json").read_text())
    assert sorted(cell.cell.name for cell in study.cells) == sorted(CELLS)
    page = (result / "sweep.html").read_text()
    for name in CELLS:
        verdict = json.loads((result / name / "verdict.json").read_text())
        assert verdict["provenance"]["policy_changed"] is False
        assert f'href="{name}/report.html"' in page


def test_a_cell_can_be_made_alone_and_is_found_by_the_whole(one_cell_then_all: tuple[Path, str, str]) -> None:
    _, alone, after = one_cell_then_all
    assert "finished" in alone
    assert "report replay_25" not in alone
    assert "reused report interpolation-0.5" in after
    assert "reused train small-broad-plain" in after
    assert "started train replay_25" in after
    assert "reused train replay_25" not in after


def test_mixtures_share_the_plain_training(one_cell_then_all: tuple[Path, str, str]) -> None:
    store = one_cell_then_all[0] / "artifacts"
    assert len(list(store.glob("train-train-*"))) == 2
    assert len(list(store.glob("train-interpolate-*"))) == 1


def test_an_unknown_cell_is_refused_with_the_known(tmp_path: Path) -> None:
    done = run(tmp_path / "none", "--cell", "dropout")
    assert done.returncode == 2
    assert "no cell dropout" in done.stderr
    assert "interpolation-0.5" in done.stderr


@pytest.mark.long
def test_a_cell_whose_training_diverges_ends_alone(tmp_path: Path) -> None:
    from pipelines import catalog
    from pipelines.local.study import run_sweep

    config = catalog.preset("mitigation", "dry_run")
    # A rate at which the plain recipe explodes within eight steps, and a tenth of it does not.
    recipe = {**config.train["recipe"], "learning_rate": 3.0}
    arms = ("plain", "lower_rate", "interpolation")
    sweep = config.sweep.model_copy(update={"mitigations": arms})
    result = run_sweep(
        "mitigation",
        config.model_copy(update={"train": {**config.train, "recipe": recipe}, "sweep": sweep}),
        tmp_path / "run",
    )
    assert [cell.cell.name for cell in result.study.cells] == ["lower_rate"]
    assert [lost.cell.name for lost in read_diverged(result.folder)] == ["plain", "interpolation-0.5"]
    assert "plain has no model: its training diverged (the loss exploded" in (result.folder / "sweep.html").read_text()
