"""Executes compiled IR with kfp.local under `runs/NAME/`, with progress on stderr and a log in the run's folder.

    runs/NAME/pipeline.yaml    the compiled pipeline
    runs/NAME/artifacts/       finished steps, one folder each, addressed by content
    runs/NAME/log.txt          everything the steps said

Running the same thing again finds finished steps in `artifacts/`; a run killed at any moment goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.contracts import bind, step_store
from components.contracts.errors import GateNotPassed, TouchstoneError, UsageError
from pipelines.local.warm import warm_python

EVENT = re.compile(re.escape(bind.PROGRESS_MARK) + r" (started|reused|finished)(?: in [\d.]+ s:)? (.*)")

STORE = "artifacts"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Event:
    """A step began or ended."""

    kind: str
    """started, reused or finished."""
    label: str
    """The step's function name, then the parameter called `name`."""


def run_compiled(pipeline: Path, folder: Path, on_event: Callable[[Event], None]) -> dict[str, Path]:
    """Execute `pipeline` (IR YAML) with finished work kept in `folder`; gives the pipeline's output artifacts.

    The artifacts lie in a scratch folder that the next run clears: copy what is to stay.

    Raises:
        TouchstoneError: a step failed; its own message when it had one.
        GateNotPassed: a data-quality gate stopped the run.
        UsageError: another run is using the folder.
    """
    import docker  # noqa: F401  kfp.local imports it late and fails without a word of what to install
    from kfp import components, local

    folder.mkdir(parents=True, exist_ok=True)
    store = folder / STORE
    store.mkdir(exist_ok=True)
    scratch = folder / ".kfp"
    with _only_one(folder), (folder / "log.txt").open("a", encoding="utf-8") as log:
        (store / step_store.FAILURE_FILE).unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        with _task_environment(store), warm_python(log) as python, _interpreter(python), _captured(log, on_event):
            runner = local.SubprocessRunner(use_venv=False)
            local.init(runner=runner, pipeline_root=str(scratch), raise_on_error=True)
            try:
                done = components.load_component_from_file(str(pipeline))()
            except RuntimeError as error:
                raise _failure(store, folder / "log.txt", error) from error
    return {name: Path(artifact.path) for name, artifact in done.outputs.items()}


def _failure(store: Path, log: Path, error: RuntimeError) -> TouchstoneError:
    record = store / step_store.FAILURE_FILE
    if not record.is_file():
        return TouchstoneError(
            f"a step ended unexpectedly: {COLOUR.sub('', str(error))}",
            remedy=f"read the end of {log}; the same command goes on from the last finished step",
        )
    told = json.loads(record.read_text())
    kind: type[TouchstoneError] = {"2": UsageError, "3": GateNotPassed}.get(told["exit_code"], TouchstoneError)
    return kind(f"{told['step']}: {told['found']}", expected=told["expected"], remedy=told["remedy"])


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    # Two runs writing the same store would each remove the other's unfinished work.
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"{folder} is in use by another run", remedy="wait for it, or choose another --name"
            ) from error
        yield


@contextlib.contextmanager
def _task_environment(store: Path) -> Iterator[None]:
    before = dict(os.environ)
    root = Path(__file__).parents[2]
    os.environ["TOUCHSTONE_STORE"] = str(store.resolve())
    # Tasks start from any folder; a checkout that is not installed must still be importable.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), before.get("PYTHONPATH", "")]))
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Threads that spin while they wait make small matrices several times slower as soon as anything else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A run must not depend on what happens to lie in a model cache, nor wait for a network that is not there.
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _interpreter(python: str) -> Iterator[None]:
    # kfp.local starts tasks with sys.executable and offers no setting for it.
    before, sys.executable = sys.executable, python
    try:
        yield
    finally:
        sys.executable = before


@contextlib.contextmanager
def _captured(log: IO[str], on_event: Callable[[Event], None]) -> Iterator[None]:
    with contextlib.redirect_stdout(_Tee(log, on_event)), warnings.catch_warnings():
        # Display names and resource limits matter on a cluster; kfp warns that they do nothing here.
        warnings.filterwarnings("ignore", message=".*have no effect in the current local runner.*")
        yield


class _Tee(io.TextIOBase):
    """Writes everything to the log and reports the steps' progress lines."""

    def __init__(self, log: IO[str], on_event: Callable[[Event], None]) -> None:
        self._log = log
        self._on_event = on_event

    def write(self, text: str) -> int:
        self._log.write(text)
        if bind.PROGRESS_MARK in text and (found := EVENT.search(text)):
            self._log.flush()
            self._on_event(Event(found[1], found[2].strip()))
        return len(text)

    def flush(self) -> None:
        self._log.flush()
