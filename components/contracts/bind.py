"""Binds a step's declaration to paths: reads the signature, finds finished work by content, runs the rest.

A step is a function whose keyword-only parameters are ports and at most one `params` model:

    def style(*, base: Input[Completion], profiles: Output[StyleProfile], params: Params) -> Metrics: ...

This is the one module allowed to handle `Any`: it meets functions it does not know.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import shutil
import sys
import time
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from components.contracts import canonical, environment
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Folder, Input, Nothing, Output, Provenance, disk_errors
from components.contracts.rows import Row

Metrics = Mapping[str, float]
"""Scalars a step wants shown beside its task; names end in their unit."""

Step = Callable[..., "Metrics | None"]
Contract = type[Row] | type[Folder]
PROGRESS_MARK = "[touchstone]"
METRICS_FILE = "metrics.json"
FAILURE_FILE = "failure.json"


@dataclass(frozen=True)
class Declaration:
    """A step's ports and parameters, as its signature states them."""

    box: str
    name: str
    inputs: Mapping[str, Contract]
    outputs: Mapping[str, Contract]
    params: type[BaseModel] | None
    optional: frozenset[str] = frozenset()
    """Inputs that need not be given; they default to `Nothing`."""


@dataclass(frozen=True)
class Outcome:
    """What a call gave: its metrics, and whether finished work was found."""

    metrics: dict[str, float] = field(default_factory=dict)
    reused: bool = False

    def log_to(self, artifact: Any) -> None:
        """Copy the metrics into a KFP Metrics artifact."""
        for name, value in self.metrics.items():
            artifact.log_metric(name, value)


@cache
def declare(step: Step) -> Declaration:
    """Read a step's signature.

    Raises:
        TypeError: a parameter is neither a port nor `params`, or is not keyword-only (our own mistake).
    """
    hints = typing.get_type_hints(step)
    inputs: dict[str, Contract] = {}
    outputs: dict[str, Contract] = {}
    params: type[BaseModel] | None = None
    optional: set[str] = set()
    for name, parameter in inspect.signature(step).parameters.items():
        hint = hints[name]
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{step.__qualname__}: {name} must be keyword-only")
        if get_origin(hint) is Input:
            inputs[name] = get_args(hint)[0]
            if parameter.default is not inspect.Parameter.empty:
                optional.add(name)
        elif get_origin(hint) is Output:
            outputs[name] = get_args(hint)[0]
        elif name == "params" and issubclass(hint, BaseModel):
            params = hint
        else:
            raise TypeError(f"{step.__qualname__}: {name} is neither Input, Output nor params")
    return Declaration(step.__module__.split(".")[1], step.__name__, inputs, outputs, params, frozenset(optional))


@cache
def code_version(step: Step) -> str:
    """sha256 over every source and data file of the step's box and of the contracts."""
    here = Path(__file__).parent
    parts: list[list[str]] = []
    for folder in (here, here.parent / declare(step).box):
        parts += [
            [f"{folder.name}/{name}", canonical.file_digest(folder / name)]
            for name in canonical.tree_files(folder)
            if "__pycache__" not in name and not name.endswith(".md")
        ]
    return canonical.digest(parts)


def check_params(step: Step, given: Mapping[str, Any] | None) -> BaseModel | None:
    """Validate a step's parameters.

    Raises:
        UsageError: an unknown or impossible parameter, by name.
    """
    model = declare(step).params
    if model is None:
        if given:
            raise UsageError(f"{step.__name__} takes no parameters, got {', '.join(given)}")
        return None
    try:
        return model.model_validate(dict(given or {}))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'params'}: {e['msg']}" for e in error.errors())
        raise UsageError(
            f"parameters of {step.__name__}: {problems}",
            expected=", ".join(model.model_fields),
            remedy="correct the preset or the parameter file",
        ) from error


def call(step: Step, *, params: Mapping[str, Any] | None = None, **paths: str | Path) -> Outcome:
    """Run a step on paths, or take its outputs from the store when the same work was already done.

    A step's identity is its code version, its parameters and the content of its inputs.

    Raises:
        TouchstoneError: whatever the step or its inputs complain of.
    """
    declared = declare(step)
    checked = check_params(step, params)
    values: dict[str, object] = checked.model_dump(mode="json") if checked else {}
    inputs: dict[str, Input[Any]] = {
        name: Nothing(contract)
        if name in declared.optional and name not in paths
        else Input(Path(paths[name]), contract)
        for name, contract in declared.inputs.items()
    }
    provenance = Provenance(
        step=f"{step.__module__}:{step.__name__}",
        code_version=code_version(step),
        params=values,
        parents={name: port.digest for name, port in inputs.items()},
    )
    arguments: dict[str, Any] = dict(inputs)
    if checked is not None:
        arguments["params"] = checked
    targets = {name: Path(paths[name]) for name in declared.outputs}
    store = environment.step_store()
    if store is None:
        return Outcome(_run(step, arguments, targets, provenance))
    kept = store / _entry_name(declared, values, provenance)
    reused = _is_finished(kept, declared)
    if not reused:
        _make(step, arguments, declared, provenance, kept)
    for name, target in targets.items():
        _link_tree(kept / name, target)
    return Outcome(json.loads((kept / METRICS_FILE).read_text()), reused)


def run(step: Step, *, params: Mapping[str, Any] | None = None, **paths: str | Path) -> Outcome:
    """`call` for a task of its own: a user's failure ends the process with a message and its exit code.

    Prints one line when the step begins and one when it ends; `touchstone run` draws its progress from them.
    """
    label = " ".join(filter(None, [step.__name__, str((params or {}).get("name", ""))]))
    print(f"{PROGRESS_MARK} started {label}", flush=True)
    began = time.monotonic()
    try:
        outcome = call(step, params=params, **paths)
        how = "reused" if outcome.reused else f"finished in {time.monotonic() - began:.1f} s:"
        print(f"{PROGRESS_MARK} {how} {label}", flush=True)
        return outcome
    except TouchstoneError as error:
        print(f"{step.__name__}: {error}", file=sys.stderr)
        store = environment.step_store()
        if store is not None:
            record = {"step": step.__name__, "found": error.found, "expected": error.expected}
            record |= {"remedy": error.remedy, "exit_code": str(error.exit_code)}
            # On a full disk even this may fail; the message above is then in the log alone.
            with contextlib.suppress(OSError):
                (store / FAILURE_FILE).write_text(json.dumps(record))
        raise SystemExit(error.exit_code) from None


def run_task(step: Step, arguments: Mapping[str, Any]) -> None:
    """`run` with a kfp wrapper's own arguments (its `locals()`): artifacts by their path, metrics into `metrics`."""
    declared = declare(step)
    ports = [name for name in (*declared.inputs, *declared.outputs) if arguments.get(name) is not None]
    paths = {name: arguments[name].path for name in ports}
    outcome = run(step, params=arguments.get("params"), **paths)
    if "metrics" in arguments:
        outcome.log_to(arguments["metrics"])


def _run(
    step: Step, arguments: Mapping[str, Any], targets: Mapping[str, Path], provenance: Provenance
) -> dict[str, float]:
    contracts = declare(step).outputs
    outputs = {name: Output(path, contracts[name], provenance) for name, path in targets.items()}
    metrics = step(**arguments, **outputs)
    return dict(metrics or {})


def _entry_name(declared: Declaration, values: Mapping[str, object], provenance: Provenance) -> str:
    identity = canonical.digest(
        {
            "step": provenance.step,
            "code": provenance.code_version,
            "params": values,
            "parents": dict(provenance.parents or {}),
        }
    )
    # A person reads these folder names, so the parameter called `name` goes into them.
    label = f"-{values['name']}" if isinstance(values.get("name"), str) and values["name"] else ""
    return f"{declared.box}-{declared.name}{label}-{identity[:12]}"


def _is_finished(kept: Path, declared: Declaration) -> bool:
    if not (kept / METRICS_FILE).is_file():
        return False
    for name in declared.outputs:
        manifests.verify(kept / name, manifests.read(kept / name))
    return True


def _make(step: Step, arguments: Mapping[str, Any], declared: Declaration, provenance: Provenance, kept: Path) -> None:
    # Worked on aside and renamed when whole: a kill at any moment leaves no half-made entry under the final name.
    aside = kept.with_name(f".{kept.name}.partial")
    with disk_errors(kept):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        metrics = _run(step, arguments, {name: aside / name for name in declared.outputs}, provenance)
        (aside / METRICS_FILE).write_text(canonical.dumps(metrics))
        shutil.rmtree(kept, ignore_errors=True)
        aside.rename(kept)


def _link_tree(source: Path, target: Path) -> None:
    if target.exists():
        shutil.rmtree(target)
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except OSError:
        # Another file system (KFP's root on tmpfs, say): links cannot cross it.
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
