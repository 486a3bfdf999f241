"""Dialogues and benchmark items -> checked dialogues behind a gate."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.bind import Metrics
from components.contracts.errors import GateNotPassed
from components.contracts.ports import DataDocs, Input, Output
from components.contracts.rows import Dialogue, GateCheck, Prompt, TaskItem
from components.validate.docs import PAGE, failed_checks, write_docs
from components.validate.gate import hold
from components.validate.suite import Params, expectations
from components.validate.table import heldout_texts, tabulate

NAMED_IN_ERRORS = 5


def validate(
    *,
    dialogues: Input[Dialogue],
    items: Input[TaskItem],
    heldout: Input[Prompt],
    checked: Output[Dialogue],
    checks: Output[GateCheck],
    docs: Output[DataDocs],
    params: Params,
) -> Metrics:
    """Hold imitation data against the suite; `checked` is written only when every error-severity check holds.

    The checks and the page are written first, so that they can be read when the gate does not pass.

    Raises:
        GateNotPassed: an expectation of severity error failed; the message names all of them.
    """
    data = dialogues.rows()
    facts = tabulate(data, heldout_texts(items.rows(), heldout.rows()))
    result = hold(facts, expectations(params))
    checks.write(result.checks)
    write_docs(docs.folder, name=params.name, num_dialogues=len(data), checks=result.checks, document=result.document)
    docs.commit()
    if failed := failed_checks(result.checks):
        raise GateNotPassed(
            _report(params.name, len(data), failed),
            expected="imitation data that hold every expectation of severity error",
            remedy=f"mend or remove the named dialogues, or change the thresholds; all checks: {docs.path / PAGE}",
        )
    checked.write(data)
    warnings = sum(not check.passed for check in result.checks)
    replies = sum(row.reply_words for row in facts) / max(1, len(facts))
    return {"dialogues": float(len(data)), "warnings": float(warnings), "reply_words_mean": replies, "gate_passed": 1.0}


def _report(name: str, num_dialogues: int, failed: Sequence[GateCheck]) -> str:
    title = f"imitation data {name}".rstrip()
    lines = [f"{title}: {len(failed)} of the gate's expectations failed on {num_dialogues} dialogues"]
    for check in failed:
        lines.append(f"  - {check.name}: {check.observed}")
        if check.failing:
            more = ", ..." if len(check.failing) > NAMED_IN_ERRORS else ""
            lines.append(f"    {', '.join(check.failing[:NAMED_IN_ERRORS])}{more}")
    return "\n".join(lines)
