"""Every arrow of every compiled pipeline joins equal row types, and every constant parameter is one its step takes."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from components.contracts import bind
from components.contracts.errors import UsageError
from pipelines import catalog, graph
from pipelines.cli.compile import compile_to


@pytest.fixture(scope="session", params=catalog.PIPELINES)
def ir(request: pytest.FixtureRequest) -> Any:
    """What the compiler writes, without the second that kfp takes to write it as YAML."""
    built = catalog.pipeline(request.param).build(catalog.preset(request.param, "smoke"), None)
    return json.loads(json.dumps(MessageToDict(built.pipeline_spec), sort_keys=True))


@pytest.mark.slow
def test_the_file_says_what_the_compiler_was_given(ir: Any, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name = request.node.callspec.params["ir"]
    compile_to(name, catalog.preset(name, "smoke"), tmp_path / "ir.yaml")
    written = graph.load(tmp_path / "ir.yaml")
    assert (written, graph.tasks(written)) == (ir, graph.tasks(ir))


def broken_arrows(ir: Any) -> list[str]:
    """Arrows whose two ends are declared with different row types, or that name a port that is not there."""
    found = []
    for task in graph.tasks(ir):
        declared = bind.declare(catalog.steps()[task.step])
        wanted = declared.inputs
        if not set(wanted) - declared.optional <= set(task.inputs) <= set(wanted):
            found.append(f"{task.path}: ports {sorted(task.inputs)} are fed, {sorted(wanted)} are declared")
        for port, origin in task.inputs.items():
            given = bind.declare(catalog.steps()[origin.step]).outputs.get(origin.name)
            if given is not wanted.get(port):
                found.append(f"{origin.task}.{origin.name} is {given}, {task.path}.{port} is {wanted.get(port)}")
    return found


def test_every_arrow_joins_equal_row_types(ir: Any) -> None:
    assert broken_arrows(ir) == []


def test_an_arrow_between_other_types_is_noticed(ir: Any) -> None:
    mutated = copy.deepcopy(ir)
    dag, name = _first_dag_with(mutated, "style")
    wires = dag["tasks"][name]["inputs"]["artifacts"]
    some = next(spec for spec in dag["tasks"].values() if "requests" in spec.get("inputs", {}).get("artifacts", {}))
    wires["base"] = some["inputs"]["artifacts"]["requests"]
    assert any("base" in line for line in broken_arrows(mutated))


def test_a_renamed_port_in_the_graph_is_noticed(ir: Any) -> None:
    mutated = copy.deepcopy(ir)
    dag, name = _first_dag_with(mutated, "style")
    wires = dag["tasks"][name]["inputs"]["artifacts"]
    wires["imitatr"] = wires.pop("imitator")
    assert any("imitatr" in line for line in broken_arrows(mutated))


def _first_dag_with(ir: Any, task: str) -> tuple[Any, str]:
    for component in (ir["root"], *ir["components"].values()):
        if task in component.get("dag", {}).get("tasks", {}):
            return component["dag"], task
    raise AssertionError(f"no task {task}")


def test_every_parameter_is_one_its_step_takes(ir: Any) -> None:
    for task in graph.tasks(ir):
        for given in task.rounds or (task.params,):
            bind.check_params(catalog.steps()[task.step], given.get("params"))


def test_an_unknown_parameter_is_noticed(ir: Any) -> None:
    task = next(task for task in graph.tasks(ir) if task.step == "ask")
    with pytest.raises(UsageError, match="temperatur"):
        bind.check_params(catalog.steps()["ask"], {**task.params.get("params", {}), "temperatur": 1.0})


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.PIPELINES)
def test_the_seed_in_a_runs_form_is_the_seed_of_the_preset(name: str, tmp_path: Path) -> None:
    # Compiled with seed 0 and started with seed 3, every step must get what the preset with seed 3 would give it.
    def compiled_with(seed: int) -> dict[str, Any]:
        compile_to(name, catalog.preset(name, "smoke", seed=seed), tmp_path / "ir.yaml")
        return {task.path: task for task in graph.tasks(graph.load(tmp_path / "ir.yaml"))}

    compiled, wanted = compiled_with(0), compiled_with(3)
    for path, task in compiled.items():
        if task.step == "register":
            continue
        given, expected = (
            [{"seed": 0, **t.get("params", {})} for t in each.rounds or (each.params,)] for each in (task, wanted[path])
        )
        added = 3 if "seed" in task.fed else 0
        assert [{**one, "seed": one["seed"] + added} for one in given] == expected, path


def test_tasks_do_not_install_packages_when_they_start(ir: Any) -> None:
    for executor in ir["deploymentSpec"]["executors"].values():
        assert "pip install" not in " ".join(executor["container"]["command"])


@pytest.mark.slow
def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in catalog.PIPELINES:
        config = catalog.preset(name, "smoke")
        compile_to(name, config, tmp_path / "a.yaml")
        compile_to(name, config, tmp_path / "b.yaml")
        assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
