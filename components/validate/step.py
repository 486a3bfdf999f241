"""Dialogues -> checked dialogues behind a gate, the gate's checks, their page, and the figures of the data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.contracts.bind import Metrics
from components.contracts.data_rows import CategoryReview, DataFigures, Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import GateNotPassed
from components.contracts.evidence_rows import GateCheck
from components.contracts.places import disk_errors
from components.contracts.ports import DataDocs, Input, Nothing, Output
from components.contracts.rows import Prompt, TaskItem
from components.validate.docs import PAGE, failed_checks, write_docs
from components.validate.excerpts import excerpts
from components.validate.figures import data_figures, measure
from components.validate.gate import hold, refuse_impossible
from components.validate.suite import Params, expectations
from components.validate.table import heldout_texts, tabulate

NAMED_IN_ERRORS = 5


def validate(
    *,
    dialogues: Input[Dialogue],
    items: Input[TaskItem],
    heldout: Input[Prompt],
    removed: Input[Removal] = Nothing(Removal),  # noqa: B008 - a frozen value that says "nothing given"
    overlap: Input[Overlap] = Nothing(Overlap),  # noqa: B008
    neighbours: Input[QueryNeighbour] = Nothing(QueryNeighbour),  # noqa: B008
    review: Input[CategoryReview] = Nothing(CategoryReview),  # noqa: B008
    checked: Output[Dialogue],
    checks: Output[GateCheck],
    figures: Output[DataFigures],
    docs: Output[DataDocs],
    params: Params,
) -> Metrics:
    """Hold imitation data against the suite; `checked` is written only when every error-severity check holds.

    Checks, figures and the page are written first, so that they can be read when the gate does not pass. The dialogues
    are read two or three times and never held: once for the table, once for excerpts, once to be written.

    Raises:
        GateNotPassed: an expectation of severity error failed; the message names all of them.
        TouchstoneError: a reviewed query is not in the data.
        UsageError: an extra expectation that Great Expectations does not have.
    """
    suite = expectations(params.thresholds, params.extra)
    refuse_impossible(suite)
    protected = heldout_texts(items.iter_rows(), heldout.iter_rows())
    tables = measure(
        tabulate(dialogues.iter_rows(), protected),
        overlap=None if isinstance(overlap, Nothing) else overlap.iter_rows(),
        neighbours=None if isinstance(neighbours, Nothing) else neighbours.iter_rows(),
        review=review.iter_rows(),
        anything_held_out=bool(protected),
    )
    result = hold(tables, suite, seed=params.seed)
    row = data_figures(params.name, tables, removed.iter_rows())
    checks.write(result.checks)
    figures.write([row])
    shown = excerpts(dialogues.iter_rows(), suite, result.held, tables, protected)
    with disk_errors(docs.path):
        write_docs(docs.folder, figures=row, checks=result.checks, excerpts=shown, document=result.document)
    docs.commit()
    _close_if_failed(row, result.checks, docs.path / PAGE)
    checked.write(dialogues.iter_rows())
    return {
        "dialogues": float(row.dialogues),
        "warnings": float(sum(not check.passed for check in result.checks)),
        "reply_words_mean": row.imitation_words / max(1, row.dialogues),
        "gate_passed": 1.0,
    }


def _close_if_failed(figures: DataFigures, checks: Sequence[GateCheck], page: Path) -> None:
    if failed := failed_checks(checks):
        raise GateNotPassed(
            _report(figures.name, figures.dialogues, failed),
            expected="imitation data that hold every expectation of severity error",
            remedy=f"mend or remove the named dialogues, or change the thresholds; all checks: {page}",
        )


def _report(name: str, num_dialogues: int, failed: Sequence[GateCheck]) -> str:
    title = f"imitation data {name}".rstrip()
    lines = [f"{title}: {len(failed)} of the gate's expectations failed on {num_dialogues} dialogues"]
    for check in failed:
        lines.append(f"  - {check.name}: {check.observed}")
        if check.failing:
            more = ", ..." if len(check.failing) > NAMED_IN_ERRORS else ""
            lines.append(f"    {', '.join(check.failing[:NAMED_IN_ERRORS])}{more}")
    return "\n".join(lines)
