"""A cell whose training diverges ends alone; what else fails ends the sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Output, Report
from components.contracts.sweep_results import CellSummary, SweepStudy
from components.contracts.sweep_rows import Cell
from components.report.sweeping.diverged import read_diverged
from components.report.sweeping.sweep_page import PAGE, RECORD
from pipelines import catalog
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.diverging import SIGNS, diverged_trainings, run_around

EXPLODED = "the loss exploded: 1e+03 at step 40, 5 at the first"


def _summary(cell: Cell) -> CellSummary:
    nothing = dict.fromkeys(
        ("parameters", "change", "change_ci", "gap_closed", "gap_closed_ci", "closeness", "closeness_ci", "preferred")
    )
    words = {"verdict": "INCONCLUSIVE", "reason": "Too little.", "regressed": (), "unbeaten": False}
    return CellSummary.model_validate({**nothing, **words, "cell": cell, "page": f"{cell.name}/report.html"})


class Runner:
    """Stands for a run's log, failure and result."""

    def __init__(self, folder: Path, fails: Callable[[str], str | None], step: str = "train") -> None:
        self.folder, self.fails, self.step = folder, fails, step
        self.runs: list[tuple[str, ...]] = []
        folder.mkdir(exist_ok=True)

    def __call__(self, config: SweepConfig) -> Path:
        cells = config.sweep.cells()
        self.runs.append(tuple(cell.name for cell in cells))
        failures = {name: found for name in map(self.named, cells) if (found := self.fails(name))}
        # A failure does not stop what runs beside it: one run may tell of several.
        for name, found in failures.items():
            self.log(f"    [touchstone] started {self.step} {name}", f"    {self.step} {name}: {found}")
        if failures:
            raise TouchstoneError(f"{self.step}: {next(iter(failures.values()))}")
        result = self.folder / "result"
        out = Output(result, Report)
        made = SweepStudy(title="Sweep", cells=tuple(map(_summary, cells)), curves=(), findings=())
        place = out.folder
        (place / RECORD).write_text(made.model_dump_json())
        (place / PAGE).write_text("")
        out.commit()
        return result

    def log(self, *lines: str) -> None:
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write("\n".join(lines) + "\n")

    def named(self, cell: Cell) -> str:
        return cell.name


class SeriesRunner(Runner):
    """All amounts of a base, data and arm come out of one pass."""

    def named(self, cell: Cell) -> str:
        return f"{cell.base}-{cell.data}-{cell.mitigation}"


def _sweep(pipeline: str, **changes: object) -> SweepConfig:
    config: SweepConfig = catalog.preset(pipeline, "dry_run")
    return config.model_copy(update={"sweep": config.sweep.model_copy(update=changes)})


def test_the_others_go_on_and_the_hole_is_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _sweep("mitigation", mitigations=("kl", "replay_25", "lora"))
    run = Runner(tmp_path, lambda name: EXPLODED if name == "replay_25" else None)
    result = run_around(config, tmp_path, run)
    assert run.runs[-1] == ("kl", "lora")
    (lost,) = read_diverged(result)
    assert (lost.cell.name, lost.reason) == ("replay_25", EXPLODED)
    page = (result / PAGE).read_text(encoding="utf-8")
    assert "replay_25 has no model: its training diverged (the loss exploded" in page
    assert page.count(">diverged<") == 1
    # The artifact is whole again: its manifest describes the files as they are now.
    assert manifests.read(result).files == manifests.describe_files(result)
    assert "going on without replay_25" in capsys.readouterr().err


def test_every_cell_of_a_pass_that_diverged_is_lost_and_the_other_passes_stay(tmp_path: Path) -> None:
    config = _sweep("local_imitation")
    run = SeriesRunner(tmp_path, lambda name: EXPLODED if "-broad-" in name else None, step="train_nested")
    lost = read_diverged(run_around(config, tmp_path, run))
    assert {cell.cell.data for cell in lost} == {"broad"}
    assert {name.partition("-")[0] for name in run.runs[-1]} == {"local"}
    assert len(lost) + len(run.runs[-1]) == len(config.sweep.cells())


def test_a_mixture_is_lost_with_the_model_it_is_made_of(tmp_path: Path) -> None:
    config = _sweep("mitigation")

    class Mixed(SeriesRunner):
        def named(self, cell: Cell) -> str:
            return cell.name if cell.mitigation == "replay_25" else "small-broad-plain"

    run = Mixed(tmp_path, lambda name: EXPLODED if name == "small-broad-plain" else None)
    lost = read_diverged(run_around(config, tmp_path, run))
    assert [cell.cell.name for cell in lost] == ["plain", "interpolation-0.5"]
    assert run.runs[-1] == ("replay_25",)


def test_only_what_this_run_said_counts(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("train old: the loss exploded: 9 at step 3\n")
    said = log.stat().st_size
    log.write_text(log.read_text() + "    train a: the loss exploded: 8 at step 4\n    score b: the loss exploded\n")
    assert diverged_trainings(log, said) == {"a": "the loss exploded: 8 at step 4"}


def test_another_failure_and_a_sweep_without_any_model_end_as_before(tmp_path: Path) -> None:
    config = _sweep("mitigation", mitigations=("kl", "lora"))
    full = Runner(tmp_path / "full", lambda name: "the disk is full" if name == "kl" else None)
    with pytest.raises(TouchstoneError, match="the disk is full"):
        run_around(config, tmp_path / "full", full)
    assert len(full.runs) == 1

    def unwritable(_: SweepConfig) -> Path:
        raise TouchstoneError("cannot write the folder")

    with pytest.raises(TouchstoneError, match="cannot write"):
        run_around(config, tmp_path / "nowhere", unwritable)
    with pytest.raises(TouchstoneError, match="the loss exploded"):
        run_around(config, tmp_path / "none", Runner(tmp_path / "none", lambda _: EXPLODED))


def test_a_good_sweep_is_left_as_it_is(tmp_path: Path) -> None:
    config = _sweep("mitigation", mitigations=("kl", "lora"))
    result = run_around(config, tmp_path, Runner(tmp_path, lambda _: None))
    assert read_diverged(result) == []
    assert not (result / "diverged.json").exists()


def test_what_training_says_when_it_diverges_is_known() -> None:
    said = (Path(__file__).parents[3] / "components" / "train" / "loop.py").read_text(encoding="utf-8")
    assert all(f'"{sign}' in said for sign in SIGNS)
