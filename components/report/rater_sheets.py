"""The page's tables about raters: who was left out by which rule, what the others lean to, each one's record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from components.contracts.preference_results import RaterPool, RaterRecord
from components.contracts.verdict import PreferenceResult
from components.report.sheets import Cell, Column, Notes, Sheet
from components.report.wording import count, percent, points, ratio

MOST_RECORDS = 30
"""Raters of one source that the page shows; verdict.json has all."""
PSEUDONYM = re.compile(r"[0-9a-f]{24}")
"""What the rating service calls a rater: a keyed hash."""
NAME_CHARACTERS = 10
RULES: Mapping[str, str] = {
    "gold items right": "gold items",
    "repeats alike": "repeats",
    "s an answer": "time per answer",
    "by the same button": "one button",
}
"""Words of the rule that a rater broke -> the rule."""
UNTIMED = "no times are given"


def rater_sheets(results: Sequence[PreferenceResult]) -> list[Sheet]:
    """How the raters worked, pool by pool and one by one."""
    pools = [(row, row.raters) for row in results if row.raters is not None]
    return [_pools_sheet(pools), _records_sheet(pools)]


def _pools_sheet(pools: Iterable[tuple[PreferenceResult, RaterPool]]) -> Sheet:
    notes = Notes()
    columns = (
        Column("Source", numeric=False),
        Column("Raters"),
        Column("Left out", "by a rule fixed before the data"),
        Column("Votes left out"),
        Column("Picked the first", "of all picks; one half = no liking for a side"),
        Column("Time a vote", "last against first, mean over raters; falling = tired or practised"),
        Column("Raters timed"),
    )
    rows = tuple(
        (
            Cell(row.source, f"{row.model} against {row.opponent}"),
            Cell(count(pool.num_raters)),
            Cell(count(pool.num_left_out), note=notes.number(_by_rule(pool)) if pool.num_left_out else None),
            Cell(count(pool.num_left_out_votes)),
            notes.cell(pool.first_share, percent, "no order was seen, or all votes are ties", pool.first_ci),
            notes.cell(pool.time_trend, change_of_time, UNTIMED, pool.time_trend_ci),
            Cell(count(pool.num_timed)),
        )
        for row, pool in pools
    )
    return Sheet("rater-pools-table", "How the raters worked", columns, rows, tuple(notes.reasons))


def _records_sheet(pools: Iterable[tuple[PreferenceResult, RaterPool]]) -> Sheet:
    notes = Notes()
    columns = (
        Column("Source", numeric=False),
        Column("Rater", numeric=False),
        Column("Votes", "that count"),
        Column("Agrees", "with the others' majority"),
        Column("Picked the first", "of their picks"),
        Column("Ties"),
        Column("Seconds a vote", "median"),
        Column("Time a vote", "change over the session"),
        Column("Counts", numeric=False),
    )
    rows = tuple(cells for row, pool in pools for cells in _record_rows(row, pool, notes))
    return Sheet("rater-records-table", "Rater by rater", columns, rows, tuple(notes.reasons))


def _record_rows(row: PreferenceResult, pool: RaterPool, notes: Notes) -> Iterable[tuple[Cell, ...]]:
    cut = None
    if len(pool.records) > MOST_RECORDS:
        cut = notes.number(f"the {MOST_RECORDS} of {len(pool.records)} who agree least; verdict.json has all")
    for place, (number, record) in enumerate(shown_records(pool)):
        first = Cell(row.source, f"{row.model} against {row.opponent}", note=cut) if place == 0 else Cell("")
        yield (first, Cell(_name(record, number)), *_record_cells(record, notes))


def shown_records(pool: RaterPool) -> list[tuple[int, RaterRecord]]:
    """Raters that the page shows, those who agree least first, each with its place in verdict.json."""
    ordered = sorted(enumerate(pool.records, 1), key=lambda p: (p[1].agreement is None, p[1].agreement, p[1].rater))
    return ordered[:MOST_RECORDS]


def _record_cells(record: RaterRecord, notes: Notes) -> tuple[Cell, ...]:
    none = "no vote counts"
    alone = "nobody else's majority on the same pairs" if record.n else none
    unseen = "no order was seen, or all votes are ties" if record.n else none
    timed = UNTIMED if record.median_seconds is None else "too few timed votes"
    left_out = notes.number(record.left_out) if record.left_out is not None else None
    return (
        Cell(count(record.n)),
        notes.cell(record.agreement, percent, alone, record.agreement_ci),
        notes.cell(record.first_share, percent, unseen, record.first_ci),
        notes.cell(record.tie_share, percent, none),
        notes.cell(record.median_seconds, seconds, UNTIMED),
        notes.cell(record.time_trend, change_of_time, timed, record.time_trend_ci),
        Cell("no" if left_out else "yes", note=left_out, tone="regressed" if left_out else ""),
    )


def _name(record: RaterRecord, number: int) -> str:
    """A pseudonym's beginning; whoever has another name, by their place in verdict.json: a page is passed around."""
    return record.rater[:NAME_CHARACTERS] + "…" if PSEUDONYM.fullmatch(record.rater) else f"rater {number}"


def _by_rule(pool: RaterPool) -> str:
    told = [record.left_out for record in pool.records if record.left_out is not None]
    broken = Counter(next((rule for words, rule in RULES.items() if words in one), one) for one in told)
    return ", ".join(f"{number} by {rule}" for rule, number in sorted(broken.items())) + ": rules fixed before the data"


def change_of_time(value: float | None) -> str:
    """A factor less 1 as a signed percentage."""
    return f"{points(value)}%" if value is not None else points(value)


def seconds(value: float | None) -> str:
    """A time: whole seconds from ten on."""
    return f"{value:.0f}" if value is not None and value >= 10 else ratio(value)
