"""The pipeline style_attribution on this machine: one imitator of the embedded world, its verdict, its attribution."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from kfp import compiler

from components.contracts.attribution_rows import Attribution
from components.contracts.errors import TouchstoneError
from components.contracts.places import refuse_foreign
from components.contracts.ports import Input
from components.contracts.verdict import Verdict
from pipelines import graph
from pipelines.local.progress import Estimator, progress
from pipelines.local.runner import run_compiled
from pipelines.style_attribution.pipeline import build
from pipelines.style_attribution.presets import AttributionConfig

EMBEDDER = "the embedded world's judge, which wrote none of the answers"
OUTPUT, APART, VERDICT = "Output", "told_apart", "verdict"
RESULT = "result"


@dataclass(frozen=True)
class WorldFound:
    """A finished run."""

    rows: tuple[Attribution, ...]
    """Base and target as candidates."""
    apart: tuple[Attribution, ...]
    """Imitator and target."""
    verdict: Verdict
    report: Path
    """The verdict's page."""


def run_world(config: AttributionConfig, folder: Path) -> WorldFound:
    """Run the pipeline in `folder`, going on from whatever is finished there.

    Raises:
        TouchstoneError: a step failed, or the folder cannot be written.
        UsageError: `folder` holds a result that is none of ours.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TouchstoneError(f"cannot write {folder}: {error.strerror}", remedy="choose another --out") from error
    result = folder / RESULT
    refuse_foreign(result)
    ir = folder / "pipeline.yaml"
    compiler.Compiler().compile(build(config), str(ir))
    counts = Counter(task.step for task in graph.tasks(graph.load(ir)) for _ in range(task.times))
    with progress(Estimator(counts.total(), config.typical_seconds, counts)) as watcher:
        made = run_compiled(ir, folder, watcher)
    shutil.rmtree(result, ignore_errors=True)
    shutil.copytree(made[VERDICT], result)
    return WorldFound(
        rows=tuple(Input(made[OUTPUT], Attribution).rows()),
        apart=tuple(Input(made[APART], Attribution).rows()),
        verdict=Verdict.model_validate_json((result / "verdict.json").read_text(encoding="utf-8")),
        report=result / "report.html",
    )
