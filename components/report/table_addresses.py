"""Which number stands in which cell of the page's tables, by its address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from components.contracts.verdict import Verdict
from components.report.data_entries import category_address, leak_address
from components.report.data_measures import DATA
from components.report.rater_sheets import shown_records
from components.report.sheets import Sheet

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "scores-table": ("", "n", "unscored", "base", "imitator", "target", "delta", "gap", "gap_closed"),
    "tests-table": ("", "p", "p_gain_holm", "p_regression_holm", "p_mcnemar", "num_clusters", "mde", "n_needed"),
    "pooled-table": ("", "", "gap_closed"),
    "style-table": ("", "base", "imitator", "ceiling", "closeness"),
    "preference-table": (
        *("", "n", "unscored", "wins", "ties", "losses"),
        *("at_least_target", "adjusted", "style_share", "order_flips", "score_total"),
    ),
    "raters-table": (
        *("", "num_raters", "num_items", "raw", "alpha", "fleiss"),
        *("at_least_target", "ppi", "rogan_gladen"),
    ),
    "rater-pools-table": (
        *("", "num_raters", "num_left_out", "num_left_out_votes"),
        *("first_share", "time_trend", "num_timed"),
    ),
    "rater-records-table": ("", "", "n", "agreement", "first_share", "tie_share", "median_seconds", "time_trend"),
    "judges-table": ("", "", "n", "unscored", "opponent_preferred", "", "gold_agreement"),
    "attribution-table": (
        *("", "imitator.share", "base.share", "target.share", "target_second.share"),
        *("base_or_target.accuracy", "imitator.n"),
    ),
    "apart-table": ("", "imitator_or_target.accuracy", "imitator_or_target.chance", "imitator_or_target.n"),
    "format-table": ("", "n", "strict", "knowledge", "form"),
    "readings-table": ("", "", "", "n", "base", "imitator", "delta"),
    "support-table": ("", "n", "without_support", "num_clusters", "slope", "p", "least.gain", "most.gain"),
    "confident-table": ("", "", "n", "unscored", "wrong", "sure", "sure_and_wrong", "wrong_given_sure"),
    "leakage-table": (
        *("", "n", "dirty", "bleu_mean", "bleu_above_20", "ngram8_found", "ngram13_found"),
        *("support", "delta_clean", "delta_dirty"),
    ),
    "cost-table": ("", "replies", "tokens", "usd"),
}
"""Table -> last part of the address of each column's numbers; empty = none of its own."""


def cell_addresses(verdict: Verdict, sheet: Sheet) -> Iterator[tuple[str, ...]]:
    """For each row of a table the address of each cell's number; empty where it has none.

    Args:
        verdict: What the table shows.
        sheet: The table.
    """
    starts, ends = _rows(verdict, sheet), _columns(sheet)
    for place, cells in enumerate(sheet.rows):
        start = starts[place] if place < len(starts) else ""
        filled = (*ends, *[""] * (len(cells) - len(ends)))
        yield tuple(f"{start}.{end}" if start and end else "" for end in filled)


def _columns(sheet: Sheet) -> tuple[str, ...]:
    """Last part of the addresses of each column."""
    if sheet.key == "data-table":  # set by set; rows are what is counted
        return ("", *(str(place) for place in range(1, len(sheet.columns))))
    if sheet.key == "pull-table":
        return ("", *(column.key for column in sheet.columns[1:]))
    if sheet.key.startswith("categories"):
        return ("", "share", "classified", "reviewed")
    return _COLUMNS.get(sheet.key, ())


def _rows(verdict: Verdict, sheet: Sheet) -> tuple[str, ...]:
    """First part of the addresses of each row of a table."""
    names = tuple(b.name for b in verdict.benchmarks)
    found: Mapping[str, tuple[str, ...]] = {
        "scores-table": names,
        "tests-table": names,
        "pooled-table": ("pooled.unsupported", "pooled.supported", "pooled.all"),
        "style-table": (*(f"style.{name}" for name in verdict.style.metrics), "style"),
        "attribution-table": _classifiers(verdict),
        "apart-table": _classifiers(verdict, apart=True),
        "format-table": tuple(f"form.{loss.benchmark}" for loss in verdict.format_loss),
        "readings-table": _numbered("readings", verdict.readings),
        "support-table": tuple(f"support.{s.benchmark}" for s in verdict.support_map.benchmarks)
        if verdict.support_map
        else (),
        "confident-table": _numbered("sure", verdict.confidently_wrong),
        "cost-table": _numbered("costs", sheet.rows),
    }
    return found.get(sheet.key) or _of_opinions(verdict, sheet.key) or _of_data(verdict, sheet.key)


def _of_opinions(verdict: Verdict, key: str) -> tuple[str, ...]:
    """Tables that show some of the sources only keep the numbers that these have among all."""
    rows = list(enumerate(verdict.preference, 1))
    if key == "preference-table":
        return _numbered("preference", verdict.preference)
    if key == "pull-table":
        return tuple(f"preference.{i}.pull" for i, row in rows if row.adjustment and row.adjustment.coefficients)
    if key == "raters-table":
        heard = [i for i, row in rows if row.agreement or any(c.value is not None for c in row.corrected)]
        return tuple(f"agreement.{i}" for i in heard)
    if key == "rater-pools-table":
        return tuple(f"raters.{i}" for i, row in rows if row.raters)
    if key == "rater-records-table":
        shown = [(i, number) for i, row in rows if row.raters for number, _ in shown_records(row.raters)]
        return tuple(f"raters.{i}.{number}" for i, number in shown)
    if key == "judges-table":
        tried = [(i, len(judge.placebos) or 1) for i, judge in enumerate(verdict.judges, 1)]
        return tuple(f"judges.{i}.{number}" for i, times in tried for number in range(1, times + 1))
    return ()


def _of_data(verdict: Verdict, key: str) -> tuple[str, ...]:
    figures = list(enumerate(verdict.data.figures, 1)) if verdict.data else []
    if key == "data-table":
        return tuple(f"data.{field}" for field in DATA)
    if key == "leakage-table":
        return tuple(leak_address(leak.benchmark, i) for i, f in figures for leak in f.leakage)
    of_categories = (
        tuple(category_address(share.category, i) for share in f.categories)
        for i, f in figures
        if key == f"categories-{f.name or 'data'}"
    )
    return next(of_categories, ())


def _numbered(start: str, parts: Sequence[object]) -> tuple[str, ...]:
    return tuple(f"{start}.{place}" for place in range(1, len(parts) + 1))


def _classifiers(verdict: Verdict, *, apart: bool = False) -> tuple[str, ...]:
    asked = verdict.attribution.classifiers if verdict.attribution else ()
    return tuple(f"attribution.{by.classifier}" for by in asked if by.imitator_or_target or not apart)
