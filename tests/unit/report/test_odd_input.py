"""Input that contradicts itself or cannot tell: refused by name, or INCONCLUSIVE with the reason; no false claim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Score
from components.contracts.verdict import BenchmarkResult, Verdict
from components.report.decision import decide
from tests.unit.report.rows_for_tests import counted, profiles, published, scores

STYLED = profiles(0.85, n=200)
Values = Sequence[float | None]


def _decide(base: Values, imitator: Values, target: Values, **more: Any) -> Verdict:
    given: dict[str, list[Score]] = {
        f"{role}_scores": scores(values, model=role, **more)
        for role, values in (("base", base), ("imitator", imitator), ("target", target))
    }
    return decide(profiles=STYLED, **given)  # type: ignore[arg-type]


def _only(verdict: Verdict) -> BenchmarkResult:
    (found,) = verdict.benchmarks
    return found


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_item_says_nothing(value: float) -> None:
    verdict = _decide([0.0], [value], [1.0])
    assert verdict.verdict == "INCONCLUSIVE"
    assert _only(verdict).delta == value
    assert _only(verdict).delta_ci is None
    assert "one item does not say" in (_only(verdict).gap_closed_reason or "")


def test_two_items_prove_nothing() -> None:
    found = _only(_decide([0.0, 0.0], [1.0, 1.0], [1.0, 1.0]))
    assert found.label == "gap not measurable"
    assert found.delta_ci is not None
    assert found.delta_ci[0] < -0.3
    assert found.delta_ci[1] == 1


def test_a_target_worse_than_the_base_leaves_no_gap_to_close() -> None:
    verdict = _decide(counted(500, 0.5), counted(500, 0.7), counted(500, 0.3))
    assert verdict.verdict == "INCONCLUSIVE"
    assert _only(verdict).gap_closed is None
    assert _only(verdict).n_needed is None, "no number of items turns the target round"
    assert "not measurably better than the base (-23.7 to -16.7 points)" in (_only(verdict).gap_closed_reason or "")


@pytest.mark.parametrize("share", [0.6, 0.7])
def test_a_gap_of_exactly_zero_is_never_divided_by(share: float) -> None:
    verdict = _decide(counted(500, 0.6), counted(500, share), counted(500, 0.6))
    assert verdict.verdict == "INCONCLUSIVE"
    assert (_only(verdict).gap, _only(verdict).gap_closed, _only(verdict).label) == (0.0, None, "gap not measurable")


def test_all_unscored_is_unusable_and_not_wrong() -> None:
    for imitator in ([None] * 50, [1.0] * 50):
        verdict = _decide([None] * 50, imitator, [1.0] * 50)
        assert verdict.verdict == "INCONCLUSIVE"
        assert (_only(verdict).label, _only(verdict).unscored) == ("unusable", 50)
        assert _only(verdict).base is None
        assert "100.0% of the items could not be scored" in (_only(verdict).gap_closed_reason or "")


@pytest.mark.parametrize("alone", [1, 200])
def test_a_cluster_that_holds_nearly_everything_has_no_known_spread(alone: int) -> None:
    rng = np.random.default_rng(0)
    n = 2000
    clusters = ["giant"] * (n - alone) + [f"c{i}" for i in range(alone)]
    base, imitator = ((rng.random(n) < p).astype(float).tolist() for p in (0.3, 0.6))
    verdict = _decide(base, imitator, [1.0] * n, cluster=clusters)
    assert verdict.verdict == "INCONCLUSIVE"
    assert _only(verdict).delta_ci is None
    assert "nearly all items belong to one cluster" in (_only(verdict).gap_closed_reason or "")


def test_a_large_cluster_among_others_widens_the_interval_and_loses_degrees_of_freedom() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    base, imitator = ((rng.random(n) < p).astype(float).tolist() for p in (0.3, 0.6))
    clusters = ["large"] * 1000 + [f"c{i // 20}" for i in range(1000)]
    wide = _only(_decide(base, imitator, [1.0] * n, cluster=clusters)).delta_ci
    even = _only(_decide(base, imitator, [1.0] * n, cluster=[f"c{i // 20}" for i in range(n)])).delta_ci
    assert wide is not None
    assert even is not None
    assert wide[1] - wide[0] > 1.2 * (even[1] - even[0])


def test_an_item_scored_twice_by_one_model_is_refused() -> None:
    rows = scores([1.0, 0.0], model="base")
    with pytest.raises(TouchstoneError, match="base has item i0 twice"):
        decide(base_scores=[*rows, *scores([0.0], model="base")], imitator_scores=scores([1.0, 0.0], model="imitator"))


def test_an_item_in_two_clusters_is_refused() -> None:
    base = scores([1.0, 0.0, 1.0], model="base", cluster=["x", "x", "y"])
    other = scores([1.0, 0.0, 1.0], model="imitator", cluster=["x", "y", "y"])
    with pytest.raises(TouchstoneError, match="item i1 is in cluster x for base and in y for another model"):
        decide(base_scores=base, imitator_scores=other)
    silent = scores([1.0, 0.0, 1.0], model="imitator", cluster=["x", "", "y"])
    assert decide(base_scores=base, imitator_scores=silent).benchmarks[0].num_clusters == 2


def test_two_published_numbers_for_one_model_are_refused() -> None:
    rows = published("a", {"base": 0.1, "imitator": 0.2, "target": 0.3})
    with pytest.raises(TouchstoneError, match="a: two published numbers for the base"):
        decide(published=[*rows, *published("a", {"base": 0.2})])


def test_a_published_number_of_one_item_says_nothing() -> None:
    verdict = decide(published=published("a", {"base": 0.0, "imitator": 1.0, "target": 1.0}, n=1), profiles=STYLED)
    assert verdict.verdict == "INCONCLUSIVE"
    assert _only(verdict).label == "gap not measurable"


def test_what_was_not_measured_is_named() -> None:
    verdict = decide(base_scores=scores([1.0, 0.0], model="base"))
    assert verdict.verdict == "INCONCLUSIVE"
    assert _only(verdict).gap_closed_reason == "imitator and target were not measured"


def test_a_perfect_imitator_is_not_infinitely_sure() -> None:
    found = _only(_decide([0.0] * 100, [1.0] * 100, [1.0] * 100))
    assert found.label == "gained"
    assert found.delta_ci is not None
    assert found.delta_ci[1] - found.delta_ci[0] == pytest.approx(2 * 1.96**2 / (100 + 1.96**2), rel=1e-3)
    assert math.isfinite(found.p or math.nan)
