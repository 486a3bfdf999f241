"""Each benchmark alone: tests with Holm over all of them, the gap closed, and a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.contracts.evidence_rows import PublishedScore
from components.contracts.verdict import BenchmarkLabel, BenchmarkResult, Interval
from components.report.demands import label_items
from components.report.estimates import Estimate, estimate
from components.report.fieller import fieller, gap_interval, is_measurable
from components.report.joining import ItemTable, Part
from components.report.paired_tests import detectable, holm
from components.report.policy import Policy
from components.report.prose import and_list
from components.report.support_sets import Coverage


@dataclass(frozen=True)
class Evidence:
    """One benchmark before tests: what was measured, and what is known about its coverage."""

    estimate: Estimate
    coverage: Coverage
    table: ItemTable | None = None
    published: Mapping[Part, PublishedScore] | None = None

    @classmethod
    def of(
        cls, benchmark: str, table: ItemTable | None, published: Mapping[Part, PublishedScore], coverage: Coverage
    ) -> Evidence:
        """Evidence from items, published numbers, or both."""
        return cls(estimate(benchmark, table, published), coverage, table, published)

    @property
    def unscored(self) -> int:
        """Items on which some model could not be scored."""
        return self.table.drops.unscored if self.table else 0

    def is_usable(self, policy: Policy) -> bool:
        """False when too many items could not be scored: what they hide could be anything."""
        return self.table is None or self.unscored <= policy.max_unscored * len(self.table.clusters)


@dataclass(frozen=True)
class Assessed:
    """One benchmark with its tests and label."""

    evidence: Evidence
    result: BenchmarkResult

    @property
    def name(self) -> str:
        """The benchmark."""
        return self.result.name

    @property
    def label(self) -> BenchmarkLabel:
        """What it says alone."""
        return self.result.label


@dataclass(frozen=True)
class _Tests:
    p: float | None = None
    gain: float | None = None
    regression: float | None = None


def assess(evidence: Sequence[Evidence], policy: Policy) -> list[Assessed]:
    """Every benchmark's row of the verdict; both one-sided tests are Holm-adjusted over the usable benchmarks."""
    tested = [e for e in evidence if e.is_usable(policy) and e.estimate.change is not None and e.estimate.change.df > 0]
    changes = [e.estimate.change for e in tested if e.estimate.change is not None]
    gains = holm([c.p_greater() for c in changes])
    losses = holm([c.p_less(-policy.regression_margin) for c in changes])
    tests = {
        e.estimate.benchmark: _Tests(c.p_two_sided(), gain, loss)
        for e, c, gain, loss in zip(tested, changes, gains, losses, strict=True)
    }
    family = max(1, len(tested))
    return [Assessed(e, _result(e, tests.get(e.estimate.benchmark, _Tests()), policy, family)) for e in evidence]


def _result(e: Evidence, tests: _Tests, policy: Policy, family: int) -> BenchmarkResult:
    found, change, c = e.estimate, e.estimate.change, e.estimate.contrasts
    published = list((e.published or {}).values())
    usable = e.is_usable(policy)
    closed, closed_ci, why = _gap_closed(e, policy)
    label = _label(found, tests, closed, closed_ci, policy) if usable else "unusable"
    known = change is not None and change.df > 0
    return BenchmarkResult(
        name=found.benchmark,
        n=change.n if change else 0,
        unscored=e.unscored,
        num_clusters=found.num_clusters,
        num_shots=_shots(e, published),
        paired=found.paired,
        base=found.means.get("base"),
        imitator=found.means.get("imitator"),
        target=found.means.get("target"),
        delta=change.value if change else None,
        delta_ci=change.interval(policy.alpha) if change and known else None,
        delta_ci_clustered=_by_clusters(found, policy),
        p=tests.p,
        p_gain_holm=tests.gain,
        p_regression_holm=tests.regression,
        p_mcnemar=found.p_mcnemar,
        gap=c.gap if c else None,
        gap_ci=gap_interval(c, policy.alpha) if c and c.df > 0 else None,
        gap_closed=closed,
        gap_closed_ci=closed_ci,
        gap_closed_reason=why,
        supported=e.coverage.supported,
        support=e.coverage.support,
        support_source=e.coverage.source,
        label=label,
        mde=detectable(change.variance, change.df, policy.alpha) if change and known else None,
        n_needed=_n_needed(found, label, policy, family),
        sources=tuple(dict.fromkeys(row.source for row in published)),
        unmatched=e.table.drops.unmatched if e.table else 0,
        n_gap=found.n_gap if c else None,
    )


def _by_clusters(found: Estimate, policy: Policy) -> Interval | None:
    change = found.change_clustered
    if change is None or change.df <= 0:
        return None
    return change.interval(policy.alpha)


def _gap_closed(e: Evidence, policy: Policy) -> tuple[float | None, Interval | None, str | None]:
    """g and its interval, or why there is none."""
    c = e.estimate.contrasts
    if not e.is_usable(policy):
        assert e.table is not None
        share = e.unscored / len(e.table.clusters)
        return None, None, f"{share:.1%} of the items could not be scored, {policy.max_unscored:.1%} are allowed"
    if c is None:
        missing = [part for part in ("base", "imitator", "target") if part not in e.estimate.means]
        verb = "were" if len(missing) > 1 else "was"
        return None, None, f"{and_list(missing) or 'a common item'} {verb} not measured"
    if c.df <= 0 and e.estimate.n_gap == 1:
        return None, None, "one item does not say how much others would differ"
    if c.df <= 0:
        return None, None, "nearly all items belong to one cluster, so their spread is unknown"
    if not is_measurable(c, policy.alpha):
        low, high = gap_interval(c, policy.alpha)
        return (
            None,
            None,
            f"the target is not measurably better than the base ({100 * low:+.1f} to {100 * high:+.1f} points)",
        )
    return c.delta / c.gap, fieller(c, policy.alpha), None


def _label(
    found: Estimate, tests: _Tests, closed: float | None, closed_ci: Interval | None, policy: Policy
) -> BenchmarkLabel:
    one_sided = policy.alpha / 2
    if tests.regression is not None and tests.regression < one_sided:
        return "regressed"
    if found.change is None:
        return "cannot tell"
    if closed is None or closed_ci is None:
        return "gap not measurable"
    if tests.gain is not None and tests.gain < one_sided and closed >= policy.capability_gap_closed:
        return "gained"
    return "nothing" if closed_ci[1] < policy.negligible_gap_closed else "cannot tell"


def _n_needed(found: Estimate, label: BenchmarkLabel, policy: Policy, family: int) -> int | None:
    """Items that would settle an unsettled benchmark if its numbers were the truth."""
    return label_items(found, policy, family) if label in ("cannot tell", "gap not measurable") else None


def _shots(e: Evidence, published: Sequence[PublishedScore]) -> int | None:
    shots = {row.num_shots for row in published} | ({e.table.num_shots} if e.table else set())
    return shots.pop() if len(shots) == 1 else None
