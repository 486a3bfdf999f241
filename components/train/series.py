"""A series of checkpoints on growing amounts of data: put together, and one taken out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from components.contracts import manifest as manifests
from components.contracts.bind import Metrics
from components.contracts.detached import address_of, leave_pointer, remote_manifest
from components.contracts.errors import UsageError
from components.contracts.ports import Checkpoint, CheckpointSeries, Input, Output


def add(series: Output[CheckpointSeries], label: str, made: Path, notes: Mapping[str, object]) -> None:
    """Put a checkpoint's files into the series, as an artifact of its own."""
    part = Output(series.path / label, Checkpoint, series.provenance)
    folder = part.folder
    for source in sorted(made.rglob("*")):
        target = folder / source.relative_to(made)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        elif source.name != manifests.FILE_NAME:
            _link(source, target)
    part.commit(notes=notes)


def labels(made: manifests.Manifest) -> list[str]:
    """The checkpoints of a series, by the names of their folders."""
    ends = f"/{manifests.FILE_NAME}"
    found = [entry.name.removesuffix(ends) for entry in made.files if entry.name.endswith(ends)]
    return sorted(found, key=lambda name: (len(name), name))


def pick(series: Input[CheckpointSeries], checkpoint: Output[Checkpoint], label: str) -> Metrics:
    """See `step.pick_checkpoint`. What lies in an object store stays there: only its address is handed on."""
    there = labels(series.manifest)
    if label not in there:
        raise UsageError(f"the series holds no checkpoint {label or '(no label given)'}", expected=", ".join(there))
    address = address_of(series.path)
    if address is not None:
        found = remote_manifest(f"{address}/{label}")
        leave_pointer(checkpoint.path, _provenance(found, checkpoint), f"{address}/{label}")
    else:
        source = Input(series.folder / label, Checkpoint)
        found = source.manifest
        shutil.copytree(source.folder, checkpoint.folder, copy_function=_link, dirs_exist_ok=True)
        # Not a link: it is written anew, and the series' own must stay as it is.
        (checkpoint.path / manifests.FILE_NAME).unlink()
        manifests.write(checkpoint.path, _provenance(found, checkpoint))
    return {name: float(value) for name, value in found.notes.items() if isinstance(value, int | float)}


def _provenance(found: manifests.Manifest, checkpoint: Output[Checkpoint]) -> manifests.Manifest:
    # The data and the base stay among the parents: a takedown finds the checkpoint by them.
    own = checkpoint.provenance
    return found.model_copy(
        update={
            "step": own.step,
            "code_version": own.code_version,
            "params": dict(own.params or {}),
            "parents": {**found.parents, **dict(own.parents or {})},
        }
    )


def _link(source: str | Path, target: str | Path) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
    return str(target)
