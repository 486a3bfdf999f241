"""From votes to outcomes, and the share of prompts not lost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.verdict import PreferenceResult
from components.report.preferring.preference import preferences, share_interval
from components.report.preferring.voices import majority
from tests.unit.report.rows_for_tests import judgment


def _results(*rows: Judgment) -> tuple[PreferenceResult, ...]:
    models = {"imitator": "imitator", "target": "target"}
    return preferences(rows, models=models, alpha=0.05, resamples=2000, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        (["win", "win", "loss"], "win"),
        (["win", "tie", "loss"], "tie"),
        (["win", "loss"], "tie"),
        (["loss", "loss", "loss", "win", "tie"], "loss"),
        (["win", "win", "tie", "loss"], "tie"),
        (["loss", None], "loss"),
        ([None, None], None),
    ],
)
def test_a_prompt_goes_to_the_strict_majority_of_readable_votes(votes: list[str | None], outcome: str | None) -> None:
    assert majority(votes) == outcome  # type: ignore[arg-type]


def test_raters_are_reduced_to_prompts_before_anything_is_counted() -> None:
    rows = [judgment("p1", o, rater=f"r{i}") for i, o in enumerate(["win", "win", "loss"])]
    rows += [judgment("p2", o, rater=f"r{i}") for i, o in enumerate(["loss", "loss", "loss"])]
    (result,) = _results(*rows)
    assert (result.n, result.wins, result.ties, result.losses) == (2, 1, 0, 1)
    assert result.at_least_target == 0.5


def test_orders_that_disagree_are_a_tie_and_counted() -> None:
    rows = []
    for prompt, first, second in (("p1", "win", "loss"), ("p2", "win", "win"), ("p3", "tie", "loss")):
        rows += [judgment(prompt, first), judgment(prompt, second, order="opponent_first")]
    (result,) = _results(*rows)
    assert (result.wins, result.ties, result.losses) == (1, 2, 0)
    assert result.order_flips == 2


def test_one_order_only_is_said_and_has_no_flips() -> None:
    (result,) = _results(judgment("p1", "win"), judgment("p2", "loss"))
    assert result.order_flips is None
    assert result.note is not None
    assert "one order only" in result.note


def test_a_judge_without_order_says_so() -> None:
    (result,) = _results(judgment("p1", "win", order="none"), judgment("p2", "loss", order="none"))
    assert result.order_flips is None
    assert result.note == "the judge saw no order"


def test_unreadable_outcomes_are_counted_and_never_losses() -> None:
    (result,) = _results(judgment("p1", "win"), judgment("p2", None), judgment("p3", "tie"))
    assert (result.n, result.unscored, result.losses) == (2, 1, 0)
    assert result.at_least_target == 1.0


def test_half_of_a_pair_of_orders_is_not_an_outcome() -> None:
    rows = [judgment("p1", "win"), judgment("p1", None, order="opponent_first")]
    rows += [judgment("p2", "win"), judgment("p2", "win", order="opponent_first")]
    (result,) = _results(*rows)
    assert (result.n, result.unscored, result.order_flips) == (1, 1, 0)


def test_the_same_pair_written_the_other_way_round_is_turned() -> None:
    (result,) = _results(
        judgment("p1", "win", scores=(9, 5)),
        judgment("p2", "win", model="target", opponent="imitator", scores=(8, 3)),
    )
    assert (result.model, result.opponent) == ("imitator", "target")
    assert (result.wins, result.losses) == (1, 1)
    assert (result.score_total, result.opponent_score_total) == (12, 13)


def test_grades_are_summed_where_both_have_one() -> None:
    both = judgment("p0", "win", scores=(8, 5))
    one_sided = judgment("p1", None, scores=(0, 9)).model_copy(update={"score": None})
    (result,) = _results(both, one_sided)
    assert (result.score_total, result.opponent_score_total) == (8, 5)
    (alone,) = _results(one_sided)
    assert (alone.score_total, alone.opponent_score_total) == (None, 9)


def test_imitator_against_target_comes_first() -> None:
    results = _results(
        judgment("p1", "win", opponent="base"), judgment("p1", "loss"), judgment("p1", "tie", source="crowd")
    )
    assert [(r.source, r.opponent) for r in results] == [("gpt-4", "target"), ("crowd", "target"), ("gpt-4", "base")]


def test_a_vote_given_twice_is_refused() -> None:
    with pytest.raises(TouchstoneError, match="r judged imitator against target on prompt p1 twice in the same order"):
        _results(judgment("p1", "win"), judgment("p1", "loss"))


def test_the_interval_is_a_bootstrap_of_prompts() -> None:
    outcomes = np.array([1.0] * 30 + [0.0] * 50)
    low, high = share_interval(30, 80, alpha=0.05, resamples=20000, rng=np.random.default_rng(0))
    expected = stats.bootstrap((outcomes,), np.mean, n_resamples=20000, method="percentile", rng=1).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_a_share_of_nothing_or_all_has_wilsons_interval() -> None:
    for wins in (0, 12):
        expected = stats.binomtest(wins, 12).proportion_ci(method="wilson")
        found = share_interval(wins, 12, alpha=0.05, resamples=10, rng=np.random.default_rng(0))
        assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_grades_that_were_not_given_have_no_total() -> None:
    (result,) = _results(judgment("p1", "win"))
    assert result.score_total is None
