"""Dialogues and what is asked later -> how near the two come: the support map."""

from __future__ import annotations

from components.contracts.bind import Metrics
from components.contracts.ports import Input, Output
from components.contracts.rows import Dialogue, Support, TaskItem
from components.overlap.support import SupportParams, measure_support


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
