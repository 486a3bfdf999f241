"""Every wrapper says what its step declares: names, directions, and whether a port is a model or a table."""

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

import components
from components.contracts import bind
from components.contracts.ports import Checkpoint
from pipelines import catalog

ROOT = Path(str(components.__file__)).parent
WRAPPERS = sorted(ROOT.glob("*/component.py"))
MAX_BODY_LINES = 8


def wrapper(name: str) -> Any:
    step = catalog.steps()[name]
    return getattr(importlib.import_module(step.__module__.replace(".step", ".component")), name)


def ports_of(component: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Artifact inputs and outputs of a kfp component, with their stock type; `metrics` and `page` are for kfp's UI."""
    spec = component.component_spec
    inputs = {name: i.type for name, i in (spec.inputs or {}).items() if i.type.startswith("system.")}
    outputs = {name: o.type for name, o in (spec.outputs or {}).items() if name not in ("metrics", "page")}
    return inputs, outputs


def stock(contract: bind.Contract) -> str:
    kind = "Model" if contract is Checkpoint else "Dataset" if hasattr(contract, "model_fields") else "Artifact"
    return f"system.{kind}@0.0.1"


def mismatch(declared: bind.Declaration, component: Any) -> str | None:
    """What differs between a step and its wrapper; None when nothing does."""
    inputs, outputs = ports_of(component)
    lists = {name for name, i in (component.component_spec.inputs or {}).items() if i.is_artifact_list}
    if lists != declared.many:
        return f"lists are {sorted(lists)}, the step declares {sorted(declared.many)}"
    for direction, found, wanted in (("input", inputs, declared.inputs), ("output", outputs, declared.outputs)):
        expected = {name: stock(contract) for name, contract in wanted.items()}
        if found != expected:
            return f"{direction}s are {found}, the step declares {expected}"
    has_params = "params" in (component.component_spec.inputs or {})
    return None if has_params == (declared.params is not None) else "params differ"


@pytest.mark.parametrize("name", sorted(catalog.steps()))
def test_wrapper_has_the_ports_of_its_step(name: str) -> None:
    assert mismatch(bind.declare(catalog.steps()[name]), wrapper(name)) is None


@pytest.mark.parametrize("name", sorted(catalog.steps()))
def test_what_a_run_can_set_is_a_parameter_of_the_step(name: str) -> None:
    inputs = wrapper(name).component_spec.inputs or {}
    settable = {key for key, i in inputs.items() if not i.type.startswith("system.")} - {"params"}
    model = bind.declare(catalog.steps()[name]).params
    assert settable <= {"seed", "policy"}
    assert settable <= set(model.model_fields if model else ())


def test_a_renamed_port_is_noticed() -> None:
    declared = bind.declare(catalog.steps()["ask"])
    renamed = bind.Declaration(
        declared.box, declared.name, {"prompt": declared.inputs["prompts"]}, declared.outputs, declared.params
    )
    assert "inputs are" in str(mismatch(renamed, wrapper("ask")))


@pytest.mark.parametrize("path", WRAPPERS, ids=lambda p: p.parent.name)
def test_wrappers_are_thin_and_free_of_postponed_annotations(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            # Its ports, whatever their number, and a call.
            assert node.end_lineno is not None
            assert node.end_lineno - node.body[0].lineno < MAX_BODY_LINES, node.name
    # kfp reads the annotations of a component at run time; as strings they break it.
    assert "from __future__ import annotations" not in path.read_text()


def test_every_step_has_a_wrapper_and_no_wrapper_is_without_step() -> None:
    wrapped = {
        node.name for path in WRAPPERS for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }
    assert wrapped == set(catalog.steps())


@pytest.mark.parametrize("name", sorted(catalog.steps()))
def test_parameters_have_defaults_prose_and_refuse_unknown_keys(name: str) -> None:
    model = bind.declare(catalog.steps()[name]).params
    if model is None:
        return
    assert model.model_config.get("extra") == "forbid"
    for field, info in model.model_fields.items():
        assert info.description, f"{name}: {field} has no prose"


def test_steps_do_not_import_heavy_libraries() -> None:
    # A scoring pod has no torch, and `touchstone step` must start at once.
    for step in catalog.steps().values():
        source = inspect.getsource(importlib.import_module(step.__module__))
        names = {
            alias.name.split(".")[0]
            for node in ast.parse(source).body
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {str(node.module).split(".")[0] for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)}
        assert not names & {"torch", "transformers", "kfp", "great_expectations"}, step.__module__
