"""Gain against support: the line and its interval beside brute force and statsmodels, and the words made of them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import statsmodels.api as sm

from components.contracts.evidence_rows import Support, SupportClaim
from components.contracts.rows import Score
from components.contracts.support_results import SupportMap
from components.contracts.verdict import Verdict
from components.report.decision import decide
from components.report.policy import Policy
from components.report.slopes import clustered_slope
from tests.unit.report.rows_for_tests import scores

Floats = npt.NDArray[np.float64]


def drawn(n: int, clusters: int, seed: int) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Unequal clusters whose members share part of their y."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.choice(clusters, n, p=rng.dirichlet(np.ones(clusters) * 2)))
    x = rng.random(n) + 0.5 * rng.random(clusters)[labels]
    y = 0.3 * x + rng.normal(0, 0.3, clusters)[labels] + rng.normal(0, 1, n)
    return x, y, labels.astype(np.int64)


def brute_force(x: Floats, y: Floats, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    """CR2 variance and Bell-McCaffrey degrees of freedom of the slope, by the n x n matrices of their definition."""
    design = np.stack([np.ones_like(x), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    hat = design @ inverse @ design.T
    rest = np.eye(len(x)) - hat
    residuals = rest @ y
    contrast = inverse @ np.array([0.0, 1.0])
    columns, variance = [], 0.0
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        values, vectors = np.linalg.eigh(rest[np.ix_(own, own)])
        adjust = vectors @ np.diag(values**-0.5) @ vectors.T
        column = np.zeros(len(x))
        column[own] = adjust @ design[own] @ contrast
        variance += float(column @ residuals) ** 2
        columns.append(column)
    made = np.stack(columns, axis=1)
    form = made.T @ rest @ made
    return variance, float(np.trace(form) ** 2 / np.trace(form @ form))


@pytest.mark.parametrize(("n", "clusters"), [(40, 6), (120, 25), (60, 60)])
def test_variance_and_degrees_of_freedom_are_those_of_their_definition(n: int, clusters: int) -> None:
    x, y, labels = drawn(n, clusters, seed=n)
    line = clustered_slope(x, y, labels)
    assert line is not None
    fitted = sm.OLS(y, sm.add_constant(x)).fit()
    assert (line.intercept, line.value) == pytest.approx(tuple(fitted.params))
    variance, df = brute_force(x, y, labels)
    assert line.variance == pytest.approx(variance)
    assert line.df == pytest.approx(df)


def test_items_that_stand_alone_have_the_variance_hc2() -> None:
    x, y, _ = drawn(200, 7, seed=1)
    line = clustered_slope(x, y, np.arange(200))
    assert line is not None
    wanted = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HC2").bse[1] ** 2
    assert line.variance == pytest.approx(wanted)


def test_a_line_that_one_cluster_fixes_has_no_interval() -> None:
    x, y = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    line = clustered_slope(x, y, np.array([0, 1, 2, 3]))
    assert line is not None
    assert line.value == pytest.approx(2 / 3)
    assert math.isnan(line.variance)


def test_without_spread_there_is_no_line() -> None:
    assert clustered_slope(np.full(9, 0.3), np.arange(9.0), np.arange(9)) is None


def supports(values: Floats, benchmark: str = "nq") -> list[Support]:
    return [Support(item_id=f"i{i}", benchmark=benchmark, similarity=float(v)) for i, v in enumerate(values)]


def world(pull: float, *, n: int = 600, seed: int = 0, benchmark: str = "nq") -> tuple[dict[str, list[Score]], Floats]:
    """An imitator that learns items of support s with probability pull x s, and forgets one in fifty."""
    rng = np.random.default_rng(seed)
    support = rng.uniform(0.05, 0.6, n)
    base = (rng.random(n) < 0.3).astype(float)
    imitator = np.where(rng.random(n) < pull * support, 1.0, base)
    imitator = np.where(rng.random(n) < 0.02, 0.0, imitator)
    target = (rng.random(n) < 0.9).astype(float)
    parts = {"base": base, "imitator": imitator, "target": target}
    rows = {part: scores(values.tolist(), model=part, benchmark=benchmark) for part, values in parts.items()}
    return rows, support


def decided(rows: dict[str, list[Score]], support: list[Support], **more: object) -> Verdict:
    return decide(
        base_scores=rows["base"],
        imitator_scores=rows["imitator"],
        target_scores=rows["target"],
        support=support,
        resamples=100,
        **more,  # type: ignore[arg-type]
    )


def mapped(verdict: Verdict) -> SupportMap:
    assert verdict.support_map is not None
    return verdict.support_map


def test_gains_that_grow_with_support_are_found_and_said() -> None:
    rows, support = world(0.9)
    made = mapped(decided(rows, supports(support)))
    (slope,) = made.benchmarks
    assert (slope.n, slope.without_support, slope.num_clusters) == (600, 0, 600)
    assert slope.slope_ci is not None
    assert slope.slope_ci[0] > 0
    assert slope.slope is not None
    assert sum(b.n for b in slope.bins) == 600
    gains = [b.gain for b in slope.bins]
    assert len(gains) == 5
    assert gains[-1] > gains[0]
    assert made.sentence == (
        f"Within benchmarks, each 0.1 of support goes with a change of +{10 * slope.slope:.1f} points on nq"
        f" (+{10 * slope.slope_ci[0]:.1f} to +{10 * slope.slope_ci[1]:.1f})."
    )


def test_without_a_pull_nothing_is_claimed() -> None:
    rows, support = world(0.0)
    assert mapped(decided(rows, supports(support))).sentence == (
        "Within nq, items nearer to the data did not measurably gain more or less than others."
    )


def two_benchmarks(near: float, far: float) -> Verdict:
    """An imitator that gained much on nq and nothing on quiz, whose mean supports are given."""
    gained, _ = world(2.0, n=400)
    nothing, _ = world(0.0, n=400, seed=1, benchmark="quiz")
    rows = {part: gained[part] + nothing[part] for part in gained}
    rng = np.random.default_rng(3)
    measured = [
        *supports(near + rng.uniform(-0.03, 0.03, 400)),
        *supports(far + rng.uniform(-0.03, 0.03, 400), "quiz"),
    ]
    return decided(rows, measured)


def test_local_is_explained_where_gains_lie_with_the_data() -> None:
    verdict = two_benchmarks(0.5, 0.1)
    assert verdict.verdict == "LOCAL"
    assert mapped(verdict).sentence.startswith(
        "Mean support is 0.50 on nq where the imitator gained and 0.10 on quiz where it did not: the gains lie"
        " where the imitation data lie, as LOCAL says."
    )


def test_gains_away_from_the_data_are_not_explained_by_them() -> None:
    verdict = two_benchmarks(0.05, 0.1)
    assert "support alone does not say where the gains lie" in mapped(verdict).sentence


def test_a_benchmark_that_is_covered_and_did_not_gain_speaks_against_support_as_the_reason() -> None:
    said = mapped(two_benchmarks(0.5, 0.3)).sentence
    assert "but quiz is covered by the data: support alone does not say where the gains lie" in said
    assert "LOCAL" not in said


def test_items_without_a_support_are_counted_and_left_out() -> None:
    rows, support = world(0.9)
    made = mapped(decided(rows, supports(support)[:500]))
    assert (made.benchmarks[0].n, made.benchmarks[0].without_support) == (500, 100)


def test_unscored_items_are_no_items_of_the_map() -> None:
    rows, support = world(0.9)
    rows["imitator"][0] = rows["imitator"][0].model_copy(update={"value": None, "unscored": "refused"})
    assert mapped(decided(rows, supports(support))).benchmarks[0].n == 599


@pytest.mark.parametrize(
    ("kept", "level", "reason"),
    [
        (1, None, "fewer than three items have a score of both models and a support"),
        (600, 0.2, "all items have the same support"),
    ],
)
def test_what_cannot_be_drawn_says_why(kept: int, level: float | None, reason: str) -> None:
    rows, support = world(0.9)
    given = supports(support if level is None else np.full(600, level))[:kept]
    (slope,) = mapped(decided(rows, given)).benchmarks
    assert (slope.slope, slope.slope_ci, slope.p, slope.reason) == (None, None, None, reason)


def test_items_that_all_change_alike_fix_no_interval() -> None:
    rows, support = world(0.0)
    rows["imitator"] = [row.model_copy(update={"model": "imitator"}) for row in rows["base"]]
    (slope,) = mapped(decided(rows, supports(support))).benchmarks
    assert slope.slope == pytest.approx(0.0)
    assert slope.slope_ci is None
    assert slope.reason == "all items changed alike, so the spread of a slope is unknown"


def test_without_measured_support_there_is_no_map() -> None:
    rows, _ = world(0.9)
    claims = [SupportClaim(benchmark="nq", supported=True)]
    assert decided(rows, [], claims=claims).support_map is None


def test_behaviour_is_no_capability_and_has_no_line() -> None:
    rows, support = world(0.9, benchmark="toxicity")
    policy = Policy(behaviour=("toxicity",))
    assert decided(rows, supports(support, "toxicity"), policy=policy).support_map is None


@pytest.mark.slow
@pytest.mark.parametrize(("n", "clusters"), [(300, 10), (400, 40)])
def test_intervals_cover_the_true_slope_at_the_promised_rate(n: int, clusters: int) -> None:
    from components.report.fieller import confidence

    covered, worlds = 0, 2000
    for seed in range(worlds):
        x, y, labels = drawn(n, clusters, seed)
        line = clustered_slope(x, y, labels)
        assert line is not None
        low, high = confidence(line.value, line.variance, line.df, 0.05)
        covered += low <= 0.3 <= high
    assert 0.93 <= covered / worlds <= 0.975
