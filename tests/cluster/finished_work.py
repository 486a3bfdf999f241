"""Finished steps of a local run, and which artifact each of their inputs was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts import manifest as manifests
from pipelines import catalog

IN_TORCH_IMAGE = frozenset({"pretrain", "train", "generate"})


@dataclass(frozen=True)
class Work:
    """One step as it was done here: what a pod must do again."""

    step: str
    params: Mapping[str, Any]
    inputs: Mapping[str, Path]
    outputs: Mapping[str, manifests.Manifest]


def one_of_each(artifacts: Path) -> list[Work]:
    """For every step that was executed, one piece of work; `artifacts` is the run's folder of finished steps."""
    entries = [entry for entry in sorted(artifacts.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    by_digest: dict[str, Path] = {}
    made: dict[Path, dict[str, manifests.Manifest]] = {}
    for entry in entries:
        made[entry] = {folder.name: manifests.read(folder) for folder in sorted(entry.iterdir()) if folder.is_dir()}
        by_digest |= {found.digest: entry / name for name, found in made[entry].items()}
    chosen: dict[str, Work] = {}
    for outputs in made.values():
        first = next(iter(outputs.values()))
        step = first.step.rpartition(":")[2]
        # An input that was not given has the digest of nothing, which no artifact has.
        inputs = {port: by_digest[digest] for port, digest in first.parents.items() if digest in by_digest}
        chosen.setdefault(step, Work(step, first.params, inputs, outputs))
    assert set(chosen) <= set(catalog.steps())
    return list(chosen.values())
