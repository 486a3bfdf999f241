"""Style closeness: Table 2 from profiles, and from published numbers (method section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import PublishedStyle, StyleMetricName, StyleProfile
from components.contracts.rows import Role
from components.contracts.verdict import Interval, StyleMetric, StyleResult
from components.report.clustered import Floats

METRICS: tuple[StyleMetricName, ...] = (
    "list_agreement",
    "summary_agreement",
    "length_correlation",
    "authoritative",
    "unigram_f1",
)
IDENTITY: Mapping[str, float] = {
    "list_agreement": 1.0,
    "summary_agreement": 1.0,
    "length_correlation": 1.0,
    "unigram_f1": 100.0,
}
"""What the target scores against itself; its tone is its own and not implied."""
MIN_METRICS = 3
MIN_PROMPTS = 30
MIN_CASES = 5
"""Prompts behind a conditional metric below which a resample too often has none."""


def measured_style(profiles: Iterable[StyleProfile], *, alpha: float, resamples: int, seed: int) -> StyleResult:
    """The imitator's place between base and target on the prompts that all given roles answered.

    Closeness of a metric = (imitator - base) / (ceiling - base); overall = mean over the metrics whose span has a lower
    bound above 0, each capped at 1. Metrics are selected once, on all prompts; intervals are percentiles over resampled
    prompts. Without `target_second` the ceiling is the target against itself and closeness a lower bound.

    Args:
        profiles: Rows of base, imitator, target and perhaps target_second.
        alpha: Intervals are at 1 - alpha.
        resamples: Bootstrap resamples.
        seed: Of the bootstrap.

    Raises:
        TouchstoneError: two profiles of one prompt and role.
    """
    by_role: dict[Role, dict[str, StyleProfile]] = {}
    for row in profiles:
        if row.prompt_id in by_role.setdefault(row.role, {}):
            raise _twice(f"{row.role} has two profiles of prompt {row.prompt_id}")
        by_role[row.role][row.prompt_id] = row
    if missing := [role for role in ("base", "imitator", "target") if role not in by_role]:
        return no_style(f"no outputs of {' and '.join(missing)} were given")
    # Sorted, so that the order of rows decides no resample.
    shared = [prompt for prompt in sorted(by_role["target"]) if all(prompt in rows for rows in by_role.values())]
    if not shared:
        return no_style("the models answered no prompt in common")
    lower_bound = "target_second" not in by_role
    ceiling: Role = "target" if lower_bound else "target_second"
    table = _Table.of([[by_role[role][p] for p in shared] for role in ("base", "imitator", ceiling, "target")])
    points = table.metrics(np.ones((1, len(shared))))[:, 0]
    if lower_bound:
        for index, metric in enumerate(METRICS):
            points[index, 2] = IDENTITY.get(metric, points[index, 2])
    draws = table.metrics(resample_weights(len(shared), resamples, np.random.default_rng([seed, 1])))
    return _result(table, points, draws, lower_bound=lower_bound, alpha=alpha)


def resample_weights(n: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each of n prompts was drawn: (resamples, n), every row summing to n."""
    drawn = rng.integers(0, n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


class _Table(NamedTuple):
    """Per-prompt columns whose weighted sums give every metric, so that all resamples are one matrix product."""

    columns: Floats
    """(n, m)"""
    cases: dict[str, int]
    """Prompts behind each metric, the fewest over the models."""
    n: int

    @classmethod
    def of(cls, roles: Sequence[Sequence[StyleProfile]]) -> _Table:
        """Columns of base, imitator and ceiling against the target, which comes last."""
        target = roles[3]
        lists, summaries = _flags(target, "has_list"), _flags(target, "has_summary")
        words, english = _centred(target), _flags(target, "english")
        columns, cases = [words, words**2], {"list_agreement": int(lists.sum()), "unigram_f1": len(target)}
        for mine in roles[:3]:
            readable = _flags(mine, "english")
            # Closing markers and the tone lexicon are English; lists, words and lengths are not.
            closing = summaries * english * readable
            tone = np.array([np.nan if row.authoritative is None else row.authoritative for row in mine])
            toned = readable * ~np.isnan(tone)
            own = _centred(mine)
            columns += [lists * _flags(mine, "has_list"), closing * _flags(mine, "has_summary"), closing]
            columns += [np.nan_to_num(tone) * toned, toned, np.array([row.unigram_f1 for row in mine])]
            columns += [own, own**2, own * words]
            for name, valid in (("summary_agreement", closing), ("authoritative", toned)):
                cases[name] = min(cases.get(name, len(mine)), int(valid.sum()))
        columns.append(lists)
        return cls(
            np.stack(columns, axis=1).astype(np.float64), cases | {"length_correlation": len(target)}, len(target)
        )

    def metrics(self, weights: Floats) -> Floats:
        """Values under prompt weights, (metric, weighting, model): base, imitator, ceiling; NaN = undefined."""
        sums = weights @ self.columns
        n = weights.sum(axis=1)
        words, squares, num_lists = sums[:, 0], sums[:, 1], sums[:, -1]
        out = np.empty((len(METRICS), len(weights), 3))
        spread = squares / n - (words / n) ** 2
        for model in range(3):
            s = sums[:, 2 + 9 * model : 11 + 9 * model].T
            own_spread = s[7] / n - (s[6] / n) ** 2
            product = s[8] / n - s[6] * words / n**2
            scale = np.sqrt(np.where((spread > 1e-9) & (own_spread > 1e-9), spread * own_spread, np.nan))
            out[:, :, model] = [
                _ratio(s[0], num_lists),
                _ratio(s[1], s[2]),
                product / scale,
                _ratio(s[3], s[4]),
                s[5] / n,
            ]
        return out


def _flags(rows: Sequence[StyleProfile], name: str) -> Floats:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _centred(rows: Sequence[StyleProfile]) -> Floats:
    # Centred before squaring: word counts in the thousands would cost digits in the correlation.
    words = np.array([row.words for row in rows], dtype=np.float64)
    centred: Floats = words - words.mean()
    return centred


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    quotient: Floats = numerator / np.where(denominator > 0, denominator, np.nan)
    return quotient


def _result(table: _Table, points: Floats, draws: Floats, *, lower_bound: bool, alpha: float) -> StyleResult:
    metrics: dict[str, StyleMetric] = {}
    kept: list[tuple[float, Floats]] = []
    for index, name in enumerate(METRICS):
        base, imitator, ceiling = (None if np.isnan(v) else float(v) for v in points[index])
        drawn = draws[index].copy()
        if lower_bound and name in IDENTITY:
            drawn[:, 2] = IDENTITY[name]
        spans = drawn[:, 2] - drawn[:, 0]
        why = _unmeasurable(name, table.cases[name], base, imitator, ceiling, spans, alpha)
        closeness, ci = None, None
        if why is None and base is not None and imitator is not None and ceiling is not None:
            closeness = (imitator - base) / (ceiling - base)
            ratios = (drawn[:, 1] - drawn[:, 0]) / np.where(spans > 0, spans, np.nan)
            ci = _percentiles(ratios, alpha)
            kept.append((min(1.0, closeness), np.minimum(ratios, 1.0)))
        metrics[name] = StyleMetric(
            base=base,
            imitator=imitator,
            ceiling=ceiling,
            closeness=closeness,
            ci=ci,
            measurable=why is None,
            reason=why,
        )
    reason = _too_little(table.n, len(kept))
    known = reason is None
    return StyleResult(
        closeness=float(np.mean([point for point, _ in kept])) if known else None,
        ci=_percentiles(np.mean([ratios for _, ratios in kept], axis=0), alpha) if known else None,
        n=table.n,
        lower_bound=lower_bound,
        reason=reason,
        metrics=metrics,
    )


def _unmeasurable(
    name: str,
    cases: int,
    base: float | None,
    imitator: float | None,
    ceiling: float | None,
    spans: npt.NDArray[np.float64],
    alpha: float,
) -> str | None:
    """Why a metric does not count, or None when its span is measurable."""
    if cases < MIN_CASES:
        many = {0: "no prompt", 1: "only one prompt"}.get(cases, f"only {cases} prompts")
        return f"{many} on which it is defined"
    if base is None or imitator is None or ceiling is None:
        return "not defined for every model on these prompts"
    lowest = np.nanquantile(spans, alpha / 2) if np.isnan(spans).mean() < 0.01 else -np.inf
    if not lowest > 0:
        return "base and target do not differ beyond chance"
    return None


def _percentiles(draws: Floats, alpha: float) -> Interval:
    low, high = np.nanquantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _too_little(n: int, measurable: int) -> str | None:
    if n < MIN_PROMPTS:
        return f"{n} prompts, at least {MIN_PROMPTS} are needed"
    if measurable < MIN_METRICS:
        return (
            f"base and target measurably differ on {measurable} of the {len(METRICS)} metrics, {MIN_METRICS} are needed"
        )
    return None


def _twice(found: str) -> TouchstoneError:
    return TouchstoneError(found, expected="one for each model", remedy="keep one of them")


def no_style(reason: str) -> StyleResult:
    """A style result without numbers."""
    return StyleResult(closeness=None, ci=None, n=0, lower_bound=False, reason=reason, metrics={})


def printed_style(cells: Iterable[PublishedStyle]) -> StyleResult:
    """Closeness from a printed table: there are no prompts to resample, so the point stands without an interval.

    Raises:
        TouchstoneError: two numbers for one cell.
    """
    table: dict[str, dict[str, PublishedStyle]] = {}
    for cell in cells:
        if cell.role in table.setdefault(cell.metric, {}):
            raise _twice(f"two published numbers for {cell.metric} of the {cell.role}")
        table[cell.metric][cell.role] = cell
    lower_bound = not any("target_second" in roles for roles in table.values())
    metrics = {name: _published_metric(name, table[name], lower_bound) for name in METRICS if name in table}
    sizes = [cell.n for roles in table.values() for cell in roles.values() if cell.n is not None]
    closeness = [min(1.0, m.closeness) for m in metrics.values() if m.closeness is not None]
    n = min(sizes, default=0)
    reason = _too_little(n if sizes else MIN_PROMPTS, len(closeness))
    return StyleResult(
        closeness=None if reason else float(np.mean(closeness)),
        ci=None,
        n=n,
        lower_bound=lower_bound,
        reason=reason or "a published table has no prompts to resample: no interval, the point decides",
        metrics=metrics,
    )


def _published_metric(name: str, roles: Mapping[str, PublishedStyle], lower_bound: bool) -> StyleMetric:
    values = {role: cell.value for role, cell in roles.items()}
    base, imitator = values.get("base"), values.get("imitator")
    ceiling = IDENTITY.get(name) if lower_bound else values.get("target_second")
    complete = base is not None and imitator is not None and ceiling is not None
    why = None if complete else "the table does not give every model"
    closeness = None
    if base is not None and imitator is not None and ceiling is not None:
        if ceiling > base:
            closeness = (imitator - base) / (ceiling - base)
        else:
            why = "base and target do not differ"
    return StyleMetric(
        base=base,
        imitator=imitator,
        ceiling=ceiling,
        closeness=closeness,
        ci=None,
        measurable=closeness is not None,
        reason=why,
    )
