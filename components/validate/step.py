"""Dialogues and benchmark items -> checked dialogues behind a gate, and the support map."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.bind import Metrics
from components.contracts.errors import GateNotPassed
from components.contracts.ports import DataDocs, Input, Output
from components.contracts.rows import Dialogue, GateCheck, Prompt, Support, TaskItem
from components.validate.docs import PAGE, failed_checks, write_docs
from components.validate.gate import hold
from components.validate.suite import Params, expectations
from components.validate.support import SupportParams, measure_support
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


def support(
    *, dialogues: Input[Dialogue], items: Input[TaskItem], support: Output[Support], params: SupportParams
) -> Metrics:
    """Measure, for each benchmark, how closely the imitation data ask what its test items ask.

    The threshold that the means are to be compared with goes into the manifest's notes, with the source that came
    closest for each benchmark.

    Raises:
        TouchstoneError: no test items, or no user turns in the dialogues.
    """
    texts: dict[str, dict[str, str]] = {}
    for item in items.rows():
        if item.split == "test":
            texts.setdefault(item.benchmark, {})[item.id] = item.question
    data = dialogues.rows()
    # With no test item at all the pure function says what is missing.
    measured = {name: measure_support(t, data, params=params) for name, t in (texts or {"none": {}}).items()}
    support.write(
        (
            Support(item_id=item_id, benchmark=name, similarity=found.similarity, nearest=found.nearest)
            for name, measure in measured.items()
            for item_id, found in measure.items.items()
        ),
        # One scale for the whole data set, so every benchmark has the same threshold.
        notes={
            "threshold": next(iter(measured.values())).threshold,
            "subsample": next(iter(measured.values())).subsample,
            "closest_source": {name: measure.source for name, measure in measured.items()},
            "supported": {name: measure.supported for name, measure in measured.items()},
        },
    )
    return {f"support_{name}": measure.mean for name, measure in measured.items()}
