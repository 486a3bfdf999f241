"""One run of a pipeline on this machine: compile, execute, put the results where a person looks."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.contracts.errors import TouchstoneError
from components.contracts.places import refuse_foreign
from pipelines import graph
from pipelines.cli.compile import compile_to
from pipelines.imitation_audit.presets import StudyConfig
from pipelines.local.progress import Estimator, progress
from pipelines.local.runner import STORE, Event, run_compiled
from pipelines.study_config import StudySettings
from pipelines.sweep.config import SweepConfig
from pipelines.sweep.diverging import run_around
from pipelines.sweep.live import sweep_progress
from pipelines.sweep.result import SweepResult

if TYPE_CHECKING:
    from components.report.comparison import Study

RESULT = "result"


@dataclass(frozen=True)
class StudyResult:
    """A finished run."""

    folder: Path
    """`runs/NAME/result`."""

    @property
    def study(self) -> Study:
        """study.json."""
        from components.report.comparison import Study

        return Study.model_validate_json((self.folder / "study.json").read_text(encoding="utf-8"))

    def print_to_terminal(self) -> None:
        """Verdicts side by side, the claims, and where the pages are."""
        from components.report.table import render_study_table

        console = Console(soft_wrap=False)
        study = self.study
        console.print(render_study_table(study.entries))
        for entry in study.entries:
            console.print(f"{entry.name}: {entry.verdict.reason}", highlight=False, markup=False)
        for claim in study.claims:
            mark = "holds" if claim.holds else "DOES NOT HOLD"
            console.print(f"{mark}: {claim.text} ({claim.detail})", highlight=False, markup=False)
        console.print(f"report: {self.folder / 'study.html'}", highlight=False, markup=False, soft_wrap=True)


def run_study(pipeline: str, config: StudyConfig, folder: Path) -> StudyResult:
    """Run the study with `config` in `folder`; see `run_pipeline`."""
    return StudyResult(run_pipeline(pipeline, config, folder))


def run_sweep(pipeline: str, config: SweepConfig, folder: Path) -> SweepResult:
    """Run a sweep with `config` in `folder`; a cell whose training diverges ends alone. See `run_pipeline`."""
    return SweepResult(run_around(config, folder, lambda left: run_pipeline(pipeline, left, folder)))


def run_pipeline(pipeline: str, config: StudySettings, folder: Path) -> Path:
    """Run `pipeline` with `config` in `folder`, going on from whatever is finished there; gives the results' folder.

    Raises:
        TouchstoneError: a step failed, or the folder cannot be written.
        UsageError: `folder` holds a result that is none of ours.
    """
    refuse_foreign(folder / RESULT)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json"), indent=1) + "\n")
    except OSError as error:
        raise TouchstoneError(
            f"cannot write {folder}: {error.strerror}", remedy="choose another folder with --runs and --name"
        ) from error
    ir = folder / "pipeline.yaml"
    compile_to(pipeline, config, ir)
    tasks = graph.tasks(graph.load(ir))
    counts = Counter(task.step for task in tasks for _ in range(task.times))
    estimator = Estimator(counts.total(), config.typical_seconds, counts)
    with _watched(config, estimator, folder) as watcher:
        outputs = run_compiled(ir, folder, watcher)
    _publish(outputs["Output"], folder / RESULT)
    return folder / RESULT


def _watched(
    config: StudySettings, estimator: Estimator, folder: Path
) -> AbstractContextManager[Callable[[Event], None]]:
    if isinstance(config, SweepConfig):
        return sweep_progress(estimator, config.sweep.cells(), folder / STORE)
    return progress(estimator)


def _publish(made: Path, result: Path) -> None:
    # Swapped in whole, so that an earlier result is never half replaced.
    fresh = result.with_name(f".{RESULT}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(made, fresh)
    shutil.rmtree(result, ignore_errors=True)
    fresh.rename(result)
