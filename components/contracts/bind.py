"""Binds a step's declaration to paths: reads the signature, finds finished work by content, runs the rest.

A step is a function whose keyword-only parameters are ports, at most one `params` model, and, where the work takes
long, a `journal` of finished rows or a `workplace` for whole states (see the modules of these names):

    def style(*, base: Input[Completion], profiles: Output[StyleProfile], params: Params) -> Metrics: ...
    def synthesize(*, dialogues: Output[Dialogue], journal: Journal, params: Params) -> Metrics: ...

With `declaration` the one module allowed to handle `Any`: it meets functions it does not know.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from components.contracts import canonical, environment, places, step_store
from components.contracts import manifest as manifests
from components.contracts.declaration import Contract as Contract
from components.contracts.declaration import Declaration as Declaration
from components.contracts.declaration import Metrics as Metrics
from components.contracts.declaration import Step as Step
from components.contracts.declaration import check_params as check_params
from components.contracts.declaration import code_version as code_version
from components.contracts.declaration import declare as declare
from components.contracts.declaration import validated as validated
from components.contracts.detached import local_ports
from components.contracts.errors import TouchstoneError
from components.contracts.metrics import Recorder, step_metrics
from components.contracts.ports import Input, Inputs, Nothing, Output, Provenance

PROGRESS_MARK = "[touchstone]"


@dataclass(frozen=True)
class Outcome:
    """What a call gave: its metrics, and whether finished work was found."""

    metrics: dict[str, float] = field(default_factory=dict)
    reused: bool = False

    def log_to(self, artifact: Any) -> None:
        """Copy the metrics into a KFP Metrics artifact."""
        for name, value in self.metrics.items():
            artifact.log_metric(name, value)


Place = str | Path | Sequence[str | Path]
"""Where a port's artifact lies: a folder or an address (s3://); of a port that takes many, all of theirs."""


def call(step: Step, *, params: Mapping[str, Any] | None = None, **paths: Place) -> Outcome:
    """Run a step on folders or addresses, or take its outputs from the store when the same work was done.

    A step's identity is its code version, its parameters (but for fields declared with
    `json_schema_extra={"identity": False}`) and the content of its inputs.

    Raises:
        TouchstoneError: whatever the step or its inputs complain of.
    """
    declared = declare(step)
    checked = check_params(step, params)
    single = _one_each(declared, paths)
    with local_ports(single, declared.outputs) as local:
        return _call(step, checked, local, beside=_beside(declared, single))


def _call(step: Step, checked: BaseModel | None, paths: Mapping[str, Path], *, beside: Path) -> Outcome:
    declared = declare(step)
    values: dict[str, object] = checked.model_dump(mode="json") if checked else {}
    inputs = {name: _input(declared, name, paths) for name in declared.inputs}
    provenance = Provenance(
        step=f"{step.__module__}:{step.__name__}",
        code_version=code_version(step),
        params=values,
        parents={name: port.digest for name, port in inputs.items()},
    )
    arguments: dict[str, Any] = dict(inputs)
    if checked is not None:
        arguments["params"] = checked

    def work(folders: Mapping[str, Path]) -> dict[str, float]:
        outputs = {name: Output(folder, declared.outputs[name], provenance) for name, folder in folders.items()}
        return dict(step(**arguments, **outputs) or {})

    targets = {name: paths[name] for name in declared.outputs}
    places.refuse_overwriting(targets, {name: place for name, place in paths.items() if name not in targets})
    named = step_store.opened()
    if named is None and not declared.continues:
        return Outcome(work(targets))
    # What was paid for is kept, whether or not the environment names a place for it.
    store = named or step_store.FolderStepStore(beside / step_store.BESIDE_OUTPUTS)
    entry = _entry_name(declared, identity_of(checked), provenance)
    found = store.find(entry, targets)
    if found is not None:
        if declared.journal:
            store.journal(entry).remove()
        if declared.workplace:
            store.workplace(entry).remove()
        return Outcome(found, reused=True)
    if not declared.continues:
        return Outcome(store.make(entry, targets, work))
    made = _made(declared, store, entry, targets, work, arguments, keep=named is not None)
    if named is None:
        with contextlib.suppress(OSError):  # not empty = something was kept
            (beside / step_store.BESIDE_OUTPUTS).rmdir()
    return Outcome(made)


def _one_each(declared: Declaration, paths: Mapping[str, Place]) -> dict[str, str | Path]:
    """A name for every single artifact: those of a port that takes many are numbered."""
    found: dict[str, str | Path] = {}
    for name, place in paths.items():
        if name in declared.many:
            places = [place] if isinstance(place, str | Path) else place
            found |= {f"{name}.{number}": each for number, each in enumerate(places)}
        else:
            assert isinstance(place, str | Path), f"{name} takes one artifact"
            found[name] = place
    return found


def _input(declared: Declaration, name: str, paths: Mapping[str, Path]) -> Input[Any] | Inputs[Any]:
    contract = declared.inputs[name]
    if name in declared.many:
        numbered = (f"{name}.{number}" for number in count())
        return Inputs(tuple(Input(paths[key], contract) for key in takewhile(paths.__contains__, numbered)), contract)
    if name in declared.optional and name not in paths:
        return Nothing(contract)
    return Input(paths[name], contract)


def _made(
    declared: Declaration,
    store: step_store.StepStore,
    entry: str,
    targets: Mapping[str, Path],
    work: step_store.Work,
    arguments: dict[str, Any],
    *,
    keep: bool,
) -> dict[str, float]:
    """Do the work of a step that can go on where it was interrupted.

    Args:
        declared: The step.
        store: Where its journal and states are, and its outputs will be.
        entry: Its name there.
        targets: Output -> where it is wanted.
        work: Calls the step with `arguments`.
        arguments: The step's; journal and workplace are added.
        keep: Keep the outputs in the store even if neither was used.
    """
    with contextlib.ExitStack() as held:
        journal = held.enter_context(contextlib.closing(store.journal(entry))) if declared.journal else None
        workplace = held.enter_context(contextlib.closing(store.workplace(entry))) if declared.workplace else None
        if journal is not None:
            arguments["journal"] = journal
            journal.claim()
        if workplace is not None:
            arguments["workplace"] = workplace
        tools = [tool for tool in (journal, workplace) if tool is not None]

        def final() -> bool:
            return not (journal and journal.unfinished) and (keep or any(tool.used for tool in tools))

        made = store.make(entry, targets, work, final=final)
        if not (journal and journal.unfinished):
            for tool in tools:
                if tool.used:
                    tool.remove()
    return made


def _beside(declared: Declaration, paths: Mapping[str, str | Path]) -> Path:
    """Where work of a step is kept when the environment names no store: the folder that holds its outputs."""
    here = [Path(paths[name]).parent for name in declared.outputs if not environment.is_address(paths[name])]
    return here[0] if here else environment.cache_folder()


def run(step: Step, *, params: Mapping[str, Any] | None = None, **paths: Place) -> Outcome:
    """`call` for a task of its own: a user's failure ends the process with a message and its exit code.

    Prints one line when the step begins and one when it ends; `touchstone run` draws its progress from them.
    """
    label = " ".join(filter(None, [step.__name__, str((params or {}).get("name", ""))]))
    print(f"{PROGRESS_MARK} started {label}", flush=True)
    began = time.monotonic()
    try:
        with step_metrics(step.__name__, str((params or {}).get("name", ""))) as recorder:
            outcome = call(step, params=params, **paths)
            _record(recorder, {name: paths[name] for name in declare(step).outputs}, outcome)
        how = "reused" if outcome.reused else f"finished in {time.monotonic() - began:.1f} s:"
        print(f"{PROGRESS_MARK} {how} {label}", flush=True)
        return outcome
    except TouchstoneError as error:
        print(f"{label}: {error}", file=sys.stderr)
        store = environment.step_store()
        if isinstance(store, Path):
            record = {"step": step.__name__, "found": error.found, "expected": error.expected}
            record |= {"remedy": error.remedy, "exit_code": str(error.exit_code)}
            # On a full disk even this may fail; the message above is then in the log alone.
            with contextlib.suppress(OSError):
                (store / step_store.FAILURE_FILE).write_text(json.dumps(record))
        raise SystemExit(error.exit_code) from None


def _record(recorder: Recorder, outputs: Mapping[str, Place], outcome: Outcome) -> None:
    recorder.outcome("reused" if outcome.reused else "finished")
    recorder.step_metrics(outcome.metrics)
    for name, place in outputs.items():
        if not environment.is_address(str(place)):
            recorder.rows(name, manifests.read(Path(str(place))).num_rows)


def run_task(step: Step, arguments: Mapping[str, Any]) -> None:
    """`run` with a kfp wrapper's own arguments (its `locals()`): artifacts by their path, metrics into `metrics`.

    `seed` and `policy` are what a person can set in the form of a run: a seed is added to the compiled one (a step
    that must differ from another keeps its distance), a policy's keys replace the compiled ones.
    """
    declared = declare(step)
    ports = [name for name in (*declared.inputs, *declared.outputs) if arguments.get(name) is not None]
    params = dict(arguments.get("params") or {})
    if "seed" in arguments:
        params["seed"] = int(params.get("seed", 0)) + int(arguments["seed"])
    if arguments.get("policy"):
        params["policy"] = {**params.get("policy", {}), **arguments["policy"]}
    outcome = run(step, params=params, **{name: _paths(arguments[name]) for name in ports})
    if "metrics" in arguments:
        outcome.log_to(arguments["metrics"])
    for name in declared.outputs:
        _describe(arguments[name])


def _paths(given: Any) -> Place:
    # What a loop made comes as a list of artifacts.
    return [artifact.path for artifact in given] if isinstance(given, list) else str(given.path)


def _describe(artifact: Any) -> None:
    # What the Kubeflow UI shows beside an artifact. It is copied into every task that reads the artifact, and Argo
    # keeps all tasks of a run in one object of a megabyte: all else that is known stands in the artifact's manifest.
    made = manifests.read(Path(artifact.path))
    artifact.metadata.update({"contract": made.contract, "digest": made.digest[:12], "num_rows": made.num_rows})


def identity_of(params: BaseModel | None) -> dict[str, object]:
    """The parameters that decide what the outputs are."""
    if params is None:
        return {}
    values = params.model_dump(mode="json")
    for name, info in type(params).model_fields.items():
        extra, value = info.json_schema_extra, getattr(params, name)
        if isinstance(extra, dict) and extra.get("identity") is False:
            del values[name]
        elif isinstance(value, BaseModel):
            values[name] = identity_of(value)
    return values


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
