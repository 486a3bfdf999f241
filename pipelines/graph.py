"""Reads compiled IR back as a flat graph: which task feeds which port of which task, nested pipelines resolved.

A task in a loop is one task with a round for each item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Ir = Mapping[str, Any]
IMPORTER = "importer"
"""Step of the tasks that bring in an artifact from outside."""
_FIELD = re.compile(r'"([^"]+)"\]$')


@dataclass(frozen=True)
class Port:
    """One end of an arrow."""

    task: str
    """Path of task names, outermost first, joined by /."""
    step: str
    """The step function the task executes."""
    name: str
    """The port of that step."""


@dataclass(frozen=True)
class Task:
    """One box of the graph."""

    path: str
    """Task names, outermost first, joined by /."""
    step: str
    """The step function it executes."""
    params: Mapping[str, Any]
    """Constant parameters given to it; in a loop, those of its first item."""
    inputs: Mapping[str, Port] = field(default_factory=dict)
    """Input port -> where it comes from."""
    fed: frozenset[str] = frozenset()
    """Parameters that the run itself gives."""
    rounds: tuple[Mapping[str, Any], ...] = ()
    """Constant parameters of every item, where the task stands in a loop."""

    @property
    def times(self) -> int:
        """How often it is executed."""
        return len(self.rounds) or 1


def documents(path: Path) -> Iterator[Any]:
    """Every document of an IR file, by libyaml where it is there: PyYAML's own reader takes six times as long."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    yield from yaml.load_all(path.read_text(encoding="utf-8"), Loader=loader)


def load(path: Path) -> Ir:
    """The pipeline document of an IR file (a second document holds platform settings)."""
    document: Ir = next(documents(path))
    return document


def tasks(ir: Ir) -> list[Task]:
    """All executable tasks in an order in which every task follows those it reads from."""
    return list(_Walk(ir).dag(ir["root"]["dag"], "", {})[0])


class _Loop(NamedTuple):
    """What the tasks of a loop are given: the items, and where their fields come in."""

    items: tuple[Any, ...] = ()
    parameter: str = ""
    """Name of the whole item among the parameters of the loop's body."""


_NO_LOOP = _Loop()


class _Walk:
    def __init__(self, ir: Ir) -> None:
        self._components = ir["components"]
        self._executors = ir["deploymentSpec"]["executors"]

    def dag(
        self, dag: Ir, prefix: str, given: Mapping[str, Port], loop: _Loop = _NO_LOOP
    ) -> tuple[list[Task], dict[str, Port]]:
        """Tasks inside `dag`, and where each of its own outputs comes from."""
        outputs: dict[tuple[str, str], Port] = {}
        found: list[Task] = []
        for name in _in_order(dag["tasks"]):
            spec = dag["tasks"][name]
            component = self._components[spec["componentRef"]["name"]]
            sources = {port: _source(wire, given, outputs) for port, wire in _wires(spec)}
            if "dag" in component:
                inner, made = self.dag(component["dag"], f"{prefix}{name}/", sources, _loop(spec) or loop)
                found += inner
            else:
                step = _step_name(self._executors[component["executorLabel"]])
                path = f"{prefix}{name}"
                rounds = tuple(_constants(spec) | _of_item(spec, loop, item) for item in loop.items)
                params = rounds[0] if rounds else _constants(spec)
                found.append(Task(path, step, params, sources, _fed(spec, loop), rounds))
                artifacts = component.get("outputDefinitions", {}).get("artifacts", {})
                made = {port: Port(path, step, port) for port in artifacts}
            outputs |= {(name, port): origin for port, origin in made.items()}
        return found, _dag_outputs(dag, outputs)


def _loop(spec: Ir) -> _Loop | None:
    iterator = spec.get("parameterIterator")
    return _Loop(tuple(json.loads(iterator["items"]["raw"])), iterator["itemInput"]) if iterator else None


def _of_item(spec: Ir, loop: _Loop, item: Any) -> dict[str, Any]:
    """Parameters that are the loop's item or one of its fields."""
    found = {}
    for name, value in spec.get("inputs", {}).get("parameters", {}).items():
        if loop.items and value.get("componentInputParameter") == loop.parameter:
            field = _FIELD.search(value.get("parameterExpressionSelector", ""))
            found[name] = item[field[1]] if field else item
    return found


def _in_order(specs: Ir) -> Iterator[str]:
    done: set[str] = set()
    while len(done) < len(specs):
        ready = [n for n, s in specs.items() if n not in done and set(s.get("dependentTasks", ())) <= done]
        assert ready, "the graph has a cycle"
        done.update(ready)
        yield from ready


def _wires(spec: Ir) -> list[tuple[str, Ir]]:
    return list(spec.get("inputs", {}).get("artifacts", {}).items())


def _source(wire: Ir, given: Mapping[str, Port], outputs: Mapping[tuple[str, str], Port]) -> Port:
    if "componentInputArtifact" in wire:
        return given[wire["componentInputArtifact"]]
    produced = wire["taskOutputArtifact"]
    return outputs[produced["producerTask"], produced["outputArtifactKey"]]


def _dag_outputs(dag: Ir, outputs: Mapping[tuple[str, str], Port]) -> dict[str, Port]:
    declared = dag.get("outputs", {}).get("artifacts", {})
    chosen = {port: spec["artifactSelectors"][0] for port, spec in declared.items()}
    return {port: outputs[s["producerSubtask"], s["outputArtifactKey"]] for port, s in chosen.items()}


def _step_name(executor: Ir) -> str:
    if "importer" in executor:
        return IMPORTER
    arguments = executor["container"]["args"]
    return str(arguments[arguments.index("--function_to_execute") + 1])


def _constants(spec: Ir) -> dict[str, Any]:
    parameters = spec.get("inputs", {}).get("parameters", {})
    return {name: value["runtimeValue"]["constant"] for name, value in parameters.items() if "runtimeValue" in value}


def _fed(spec: Ir, loop: _Loop) -> frozenset[str]:
    parameters = spec.get("inputs", {}).get("parameters", {})
    given = {name: value.get("componentInputParameter") for name, value in parameters.items()}
    return frozenset(name for name, source in given.items() if source not in (None, loop.parameter))
