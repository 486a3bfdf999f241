"""The standard tasks: templates as data, beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from components.benchmark.prompting import Template
from components.contracts.yaml_documents import read_mapping

FOLDER = Path(__file__).parent / "tasks"


@cache
def standard_templates() -> dict[str, Template]:
    """Benchmark -> how it is asked."""
    return {path.stem: Template.model_validate(read_mapping(path)) for path in sorted(FOLDER.glob("*.yaml"))}


def default_template(kind: str) -> Template:
    """How a benchmark of this kind is asked when nothing else is said."""
    if kind == "program":
        return standard_templates()["humaneval"]
    if kind == "continuation":
        return standard_templates()["realtoxicity"]
    return Template() if kind == "choice" else Template(num_shots=3)
