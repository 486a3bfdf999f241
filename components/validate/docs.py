"""The gate's result as a page. Great Expectations' own page loads styles and scripts from seven hosts; ours none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.contracts.data_rows import STUDY_SHARES, DataFigures
from components.contracts.evidence_rows import GateCheck
from components.validate.excerpts import Excerpt
from components.validate.gate import MAX_FAILING_IDS
from components.validate.tables import HELD_OUT

TEMPLATES = Path(__file__).parent / "data"
PAGE = "index.html"
RESULT = "validation_result.json"
SHOWN_PARTS = 12


def write_docs(
    folder: Path,
    *,
    figures: DataFigures,
    checks: Sequence[GateCheck],
    excerpts: Sequence[Sequence[Excerpt]],
    document: Any,
) -> None:
    """Write `index.html` and `validation_result.json` into an existing folder.

    Args:
        folder: Where to.
        figures: What the data are.
        checks: The gate's.
        excerpts: Failing dialogues of each check, in the order of the checks.
        document: Great Expectations' result.
    """
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"share": _share, "parts": _parts}
    page = environment.get_template("gate.html.j2").render(
        figures=figures,
        entries=list(zip(checks, excerpts, strict=True)),
        failed=failed_checks(checks),
        warned=[check for check in checks if not check.passed and check.severity == "warning"],
        held=[check for check in checks if check.passed],
        study=STUDY_SHARES,
        held_out=HELD_OUT,
        most_listed=MAX_FAILING_IDS,
        result=RESULT,
    )
    (folder / PAGE).write_text(page, encoding="utf-8")
    (folder / RESULT).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def failed_checks(checks: Sequence[GateCheck]) -> list[GateCheck]:
    """The checks that close the gate."""
    return [check for check in checks if not check.passed and check.severity == "error"]


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"


def _parts(counts: Mapping[str, int], empty: str) -> list[tuple[str, int]]:
    """The largest parts by name, `empty` for a part without one, the rest added up."""
    found = [(name or empty, number) for name, number in counts.items()]
    shown, rest = found[:SHOWN_PARTS], found[SHOWN_PARTS:]
    return [*shown, (f"{len(rest)} others", sum(number for _, number in rest))] if rest else shown
