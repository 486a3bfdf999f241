"""An audit that takes the place of one on fewer items of the same run: a further look, which is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from components.contracts.rows import Score
from components.report.prose import and_list
from components.report.sequential import error_unspent
from pipelines.audit.decide import read_settings
from pipelines.audit.place import ROWS, is_audit

PORTS = ("base_scores", "imitator_scores")
LOOKS = "earlier_looks"
"""Key of the provenance: items of each benchmark at the looks before, in order."""
Sizes = dict[str, int]


def looks_before(out: Path, rows: Path) -> list[Sizes]:
    """Items of each benchmark at the looks that the audit in `out` and those before it took at this run.

    Args:
        out: Where the new audit goes; perhaps an audit is there.
        rows: The new audit's rows. Another run's, or the same items once more, are no further look.
    """
    if not is_audit(out):
        return []
    try:
        old, new = _values(out / ROWS), _values(rows)
        recorded = read_settings(out).provenance.get(LOOKS)
    except TouchstoneError:
        return []  # what was there is lost or of another version
    before = [dict(sizes) for sizes in recorded if isinstance(sizes, Mapping)] if isinstance(recorded, list) else []
    if not old or not old.items() <= new.items():
        return []
    return before if len(old) == len(new) else [*before, _sizes(old)]


def remark(before: list[Sizes], rows: Path, alpha: float) -> list[str]:
    """What a reader must know of looks before this one; nothing of a first look.

    Args:
        before: As `looks_before` gives them.
        rows: This look's.
        alpha: Level at which every look is judged.
    """
    if not before:
        return []
    now = _sizes(_values(rows))
    worst = max(_error([*(sizes.get(name, 0) for sizes in before), n], alpha) for name, n in now.items())
    told = [f"{name} {', '.join(f'{sizes.get(name, 0):,}' for sizes in before)} of {n:,}" for name, n in now.items()]
    return [
        f"Look {len(before) + 1} at this run: this folder held a verdict on fewer of these items ({and_list(told)})."
        f" Alpha is not spent: looks at {alpha:g} each find something that is not there in {worst:.1%}, not"
        f" {alpha:.1%}. Results in folders of their own and `touchstone verdict DIR --earlier DIR --planned-items N`"
        " would spend it."
    ]


def _error(sizes: list[int], alpha: float) -> float:
    grown = [size for i, size in enumerate(sizes) if size > max(sizes[:i], default=0)]
    return error_unspent([size / grown[-1] for size in grown], alpha) if grown else alpha


def _sizes(values: Mapping[tuple[str, str, str], float | None]) -> Sizes:
    """Benchmark -> items of base or imitator."""
    return dict(Counter(benchmark for benchmark, _ in dict.fromkeys(key[1:] for key in values)))


def _values(rows: Path) -> dict[tuple[str, str, str], float | None]:
    """Item scores of base and imitator: (port, benchmark, item) -> value."""
    return {
        (port, row.benchmark, row.item_id): row.value
        for port in PORTS
        if (rows / port).exists()
        for row in Input(rows / port, Score).iter_rows()
    }
