"""The gate's result as a page. Great Expectations' own page loads styles and scripts from seven hosts; ours none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.contracts.rows import GateCheck

TEMPLATES = Path(__file__).parent / "data"
PAGE = "index.html"
RESULT = "validation_result.json"


def write_docs(folder: Path, *, name: str, num_dialogues: int, checks: Sequence[GateCheck], document: Any) -> None:
    """Write `index.html` and `validation_result.json` into an existing folder."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("gate.html.j2").render(
        name=name, num_dialogues=num_dialogues, checks=checks, failed=failed_checks(checks)
    )
    (folder / PAGE).write_text(page, encoding="utf-8")
    (folder / RESULT).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def failed_checks(checks: Sequence[GateCheck]) -> list[GateCheck]:
    """The checks that close the gate."""
    return [check for check in checks if not check.passed and check.severity == "error"]
