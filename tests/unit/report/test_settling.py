"""Items that would settle what is open: power beside statsmodels, and what a verdict tends to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower

from components.report.benchmark_results import Evidence, assess
from components.report.closeness import no_style
from components.report.demands import (
    MOST,
    MOST_MISTAKEN,
    PLANNED_POWER,
    Demand,
    chance_of_nothing,
    growth_needed,
    label_demands,
    loss_demands,
)
from components.report.fieller import Contrasts
from components.report.joining import Part
from components.report.policy import Policy
from components.report.rules import Court
from components.report.settling import settling
from components.report.support_sets import Coverage
from tests.unit.report.rows_for_tests import published

CAPTURED = no_style("").model_copy(update={"closeness": 0.9, "ci": (0.8, 0.95), "reason": None})
LOST = no_style("").model_copy(update={"closeness": 0.1, "ci": (0.0, 0.2), "reason": None})


def _court(closed: dict[str, float], *, n: int = 300, policy: Policy | None = None, captured: bool = True) -> Court:
    """Base .30, target .60, the imitator having closed the given share of the gap."""
    policy, outside = policy or Policy(), Coverage(supported=False, support=None, source="declared")
    evidence = []
    for name, share in closed.items():
        rows = published(name, {"base": 0.3, "imitator": 0.3 + 0.3 * share, "target": 0.6}, n=n, rounding=0.0)
        numbers: dict[Part, object] = {row.role: row for row in rows}  # type: ignore[misc]
        evidence.append(Evidence.of(name, None, numbers, outside))  # type: ignore[arg-type]
    return Court(assess(evidence, policy), CAPTURED if captured else LOST, policy)


def test_one_demands_growth_has_the_planned_power() -> None:
    growth = growth_needed([Demand(0.03, 0.25 / 200, 0.025)])
    assert growth is not None
    # One sample is two of which one is infinitely large.
    power = NormalIndPower(ddof=0).power(0.03 / 0.5, 200 * growth, 0.025, ratio=0, alternative="larger")
    assert power == pytest.approx(0.98, abs=1e-6)


def test_several_demands_hold_together_with_the_planned_power() -> None:
    demands = [Demand(0.03, 0.25 / 200, 0.025), Demand(0.02, 0.1 / 200, 0.5), Demand(0.05, 0.3 / 200, 0.025)]
    growth = growth_needed(demands)
    assert growth is not None
    rng = np.random.default_rng(0)
    holds = np.ones(40_000, dtype=bool)
    for demand in demands:
        spread = math.sqrt(demand.variance / growth)
        level = {0.025: 1.959964, 0.5: 0.0}[demand.level]
        holds &= demand.effect + spread * rng.standard_normal(len(holds)) > level * spread
    assert PLANNED_POWER - 0.005 <= holds.mean() <= PLANNED_POWER + 0.02


@pytest.mark.parametrize("effect", [0.0, -0.01, 1e-9])
def test_no_growth_is_named_for_what_does_not_point_the_right_way(effect: float) -> None:
    assert growth_needed([Demand(effect, 1e-3, 0.025), Demand(1.0, 1e-3, 0.025)]) is None
    assert growth_needed([]) is None


@pytest.mark.parametrize(
    ("closed", "word"),
    [
        ({"a": 0.02, "b": 0.05}, "STYLE_ONLY"),
        ({"a": 0.40, "b": 0.45}, "CAPABILITY"),
        ({"a": 0.60, "b": 0.0, "c": 0.0}, "LOCAL"),
        ({"a": 0.60, "b": 0.60, "c": -0.9}, "CAPABILITY"),
    ],
)
def test_numbers_tend_to_the_verdict_that_more_items_would_bring(closed: dict[str, float], word: str) -> None:
    few = _court(closed, n=40)
    assert few.verdict == "INCONCLUSIVE"
    found = settling(few)
    assert found is not None
    assert found.word == word
    many = {name: round(40 * found.growth * 3) for name in closed}
    assert _court(closed, n=max(many.values())).verdict == word


def test_a_loss_without_style_tends_to_regression() -> None:
    court = _court({"a": 0.0, "b": -0.3}, n=40, captured=False)
    found = settling(court)
    assert (court.verdict, found and found.word) == ("INCONCLUSIVE", "REGRESSION")


def test_numbers_between_the_limits_tend_to_nothing() -> None:
    court = _court({"a": 0.22, "b": 0.22})
    assert court.verdict == "INCONCLUSIVE"
    assert settling(court) is None


def test_where_style_is_missing_no_number_of_items_is_named() -> None:
    court = _court({"a": 0.0, "b": 0.0}, captured=False)
    assert settling(court) is None


@pytest.mark.parametrize("n", [40, 4000], ids=["tending to capability", "capability but for support"])
def test_support_that_a_policy_demands_is_not_had_by_more_items(n: int) -> None:
    policy = Policy(require_support=True)
    court = _court({"a": 0.60, "b": 0.65}, n=n, policy=policy)
    unknown = [
        Evidence(b.evidence.estimate, Coverage(None, None, "unknown"), None, b.evidence.published)
        for b in court.benchmarks
    ]
    court = Court(assess(unknown, policy), CAPTURED, policy)
    assert court.verdict == "INCONCLUSIVE"
    assert settling(court) is None, "LOCAL is not to be had by more items either"


def test_a_critical_tolerance_has_its_own_demand() -> None:
    closed = {"a": 0.40, "b": 0.45, "c": 0.0}
    plain = settling(_court(closed, n=60))
    careful = settling(_court(closed, n=60, policy=Policy(critical=("c",), critical_tolerance=0.03)))
    assert plain is not None
    assert careful is not None
    assert careful.growth > 1.5 * plain.growth


def test_single_benchmarks_ask_for_more_items_the_more_of_them_are_tested() -> None:
    found = _court({"a": 0.6}, n=30).benchmarks[0].evidence.estimate
    alone, among = (growth_needed(label_demands(found, Policy(), family)) for family in (1, 4))
    assert alone is not None
    assert among is not None
    assert among > 1.1 * alone


@pytest.mark.parametrize(("p", "chance"), [(0.05, 0.289), (0.01, 0.111), (0.4, 0.5), (0.9, 0.5)])
def test_the_chance_of_nothing_is_what_a_p_value_leaves_of_it(p: float, chance: float) -> None:
    # Sellke, Bayarri and Berger 2001, table 1.
    c = Contrasts(delta=float(norm.isf(p)), gap=1.0, var_delta=1.0, var_gap=1.0, covariance=0.0, df=math.inf)
    assert chance_of_nothing(c) == pytest.approx(chance, abs=5e-4)


@pytest.mark.parametrize("closed", [0.6, 0.3, -0.1])
def test_items_asked_for_would_also_show_that_nothing_was_gained(closed: float) -> None:
    """Of what a benchmark seems to gain with few items, much is chance: with those it asks for, that comes out."""
    (few,) = _court({"a": closed}, n=30).benchmarks
    assert few.result.n_needed is not None
    c = few.evidence.estimate.contrasts
    assert c is not None
    limit = Policy().negligible_gap_closed
    spread = math.sqrt((c.var_delta - 2 * limit * c.covariance + limit**2 * c.var_gap) * 30 / few.result.n_needed)
    shown = norm.sf(norm.isf(0.025) - limit * c.gap / spread)
    assert chance_of_nothing(c) * (1 - shown) <= MOST_MISTAKEN + 1e-3


def test_a_loss_with_a_gap_asks_for_no_more_than_shows_that_nothing_was_gained() -> None:
    """To show the loss itself would take ten times as many."""
    (few,) = _court({"a": -0.05}, n=100).benchmarks
    found = few.evidence.estimate
    loss = growth_needed(loss_demands(found, Policy(), 1))
    assert few.result.n_needed is not None
    assert loss is not None
    assert 100 * loss > 10 * few.result.n_needed


def test_growth_beyond_a_plan_is_not_named() -> None:
    assert growth_needed([Demand(1e-4, 1.0, 0.025)]) is None
    assert growth_needed([Demand(1.0, MOST / 20, 0.025)]) is not None
