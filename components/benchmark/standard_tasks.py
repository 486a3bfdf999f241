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
