"""What the report says of the imitation data: their figures, the gate's checks, and scores with and without leaks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from components.contracts.data_results import CleanDirty, DataResult
from components.contracts.data_rows import DataFigures, Overlap
from components.contracts.evidence_rows import GateCheck
from components.contracts.verdict import Interval
from components.report.estimates import estimate
from components.report.joining import ItemTable
from components.report.policy import Policy


def data_result(
    figures: Iterable[DataFigures],
    checks: Iterable[GateCheck],
    overlap: Iterable[Overlap],
    joined: Mapping[str, ItemTable],
    policy: Policy,
) -> DataResult | None:
    """Everything that was given about the imitation data; None when nothing was.

    Args:
        figures: One row for each set of data.
        checks: The gate's.
        overlap: How near the data come to each item.
        joined: Benchmark -> scores of base and imitator on the items that both have.
        policy: Says what counts as leaked, and how wide intervals are.
    """
    known, held = tuple(figures), tuple(checks)
    flags: dict[str, dict[str, bool]] = {}
    for row in overlap:
        if row.benchmark:
            flags.setdefault(row.benchmark, {})[row.item_id] = is_leaked(row, policy)
    compared = tuple(
        clean_dirty(table, flags[name], alpha=policy.alpha)
        for name, table in joined.items()
        if name in flags and {"base", "imitator"} <= set(table.values)
    )
    return DataResult(figures=known, checks=held, clean_dirty=compared) if known or held or compared else None


def is_leaked(row: Overlap, policy: Policy) -> bool:
    """Whether a row counts as leaked under this policy, whatever policy it was made under."""
    return policy.data.counts_as_leaked(row.benchmark, row.bleu, row.ngram8, row.ngram13)


def leaked_prompts(overlap: Iterable[Overlap], policy: Policy) -> frozenset[str]:
    """Ids of held-out prompts that are no test of anything: a training text says the same (method section 1)."""
    return frozenset(row.item_id for row in overlap if not row.benchmark and is_leaked(row, policy))


def leaked_remarks(leaked: frozenset[str], policy: Policy) -> list[str]:
    """That prompts were left out, when any were."""
    if not leaked:
        return []
    limit = f"BLEU above {policy.data.prompt_bleu:g}"
    return [f"{len(leaked)} prompts repeat a training text ({limit}): left out of style and preference."]


def clean_dirty(table: ItemTable, dirty: Mapping[str, bool], *, alpha: float) -> CleanDirty:
    """One benchmark's change on clean and on leaked items, with the paired, clustered intervals of method section 5.

    Items that were never searched for count as neither.
    """
    searched = np.array([item in dirty for item in table.items], dtype=np.bool_)
    leaked = np.array([dirty.get(item, False) for item in table.items], dtype=np.bool_)
    clean = _change(table.only(searched & ~leaked), alpha)
    found = _change(table.only(leaked), alpha)
    missing = int((~searched).sum())
    reasons = [f"{missing} items were not searched for"] if missing else []
    if not leaked.any():
        reasons.append("no item counts as leaked")
    elif found[1] is None:
        reasons.append(f"{int(leaked.sum())} leaked items have no variance to compute an interval from")
    return CleanDirty(
        benchmark=table.benchmark,
        n_clean=int((searched & ~leaked).sum()),
        n_dirty=int(leaked.sum()),
        delta_clean=clean[0],
        delta_clean_ci=clean[1],
        delta_dirty=found[0],
        delta_dirty_ci=found[1],
        reason="; ".join(reasons) or None,
    )


def _change(table: ItemTable, alpha: float) -> tuple[float | None, Interval | None]:
    change = estimate(table.benchmark, table, {}).change if table.items else None
    if change is None:
        return None, None
    ci = change.interval(alpha)
    return change.value, ci if all(map(math.isfinite, ci)) else None


def data_remarks(data: DataResult | None) -> list[str]:
    """What a reader must know of the data before believing a number: warnings of the gate, and leaks."""
    if data is None:
        return []
    remarks = [f"Imitation data: expected {c.name}; {c.observed}." for c in data.checks if not c.passed]
    remarks += [
        f"{found.benchmark}: {found.n_dirty} of {found.n_clean + found.n_dirty} items count as leaked into the"
        " imitation data; the tables of the imitation data have the change without them."
        for found in data.clean_dirty
        if found.n_dirty
    ]
    return [*remarks, *_undated(data.figures)]


def _undated(figures: Sequence[DataFigures]) -> list[str]:
    return [
        f"Imitation data {f.name or 'given'}: their terms of use are unknown for {f.terms['unknown']} of {f.dialogues}"
        " dialogues."
        for f in figures
        if f.terms.get("unknown", 0) == f.dialogues > 0
    ][:1]
