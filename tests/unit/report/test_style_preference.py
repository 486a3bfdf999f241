"""Preference with style held equal: the fit beside reference implementations, what its effects mean, and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import statsmodels.api as sm
from scipy import optimize, stats
from scipy.special import expit, logit
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import AdjustedPreference
from components.contracts.preference_rows import StyleFeatures
from components.report.preferring.preference import preferences
from components.report.preferring.resampling import drawn_weights
from components.report.preferring.style_design import Design
from components.report.preferring.style_fit import Solver
from components.report.preferring.style_intervals import ShareLimits
from components.report.preferring.style_preference import RIDGE, SENSITIVITY, adjust
from components.report.preferring.style_rows import FEATURES, style_rows, surface
from components.report.preferring.voices import turned
from tests.unit.report.voting_for_tests import PAIR, outputs, votes

Array = npt.NDArray[np.float64]
SCORE = {"win": 1.0, "tie": 0.5, "loss": 0.0}


def _adjusted(rows: Sequence[Judgment], features: Sequence[StyleFeatures], **other: float) -> AdjustedPreference:
    return adjust(rows, features, PAIR, alpha=0.05, resamples=200, seed=0, **other)


def _by_hand(
    rows: Sequence[Judgment], features: Sequence[StyleFeatures], models: Sequence[str]
) -> tuple[Array, Array, Array]:
    """Columns, outcomes and weights as one would type them for a statistics package: a tie is two rows of one half."""
    counts = {(f.prompt_id, f.model): [float(getattr(f, name)) for name in FEATURES] for f in features}
    strengths, deltas, places = [], [], []
    for row in rows:
        strengths.append([(row.model == m) - (row.opponent == m) for m in models])
        pairs = zip(counts[row.prompt_id, row.model], counts[row.prompt_id, row.opponent], strict=True)
        deltas.append([(a - b) / (a + b) if a + b else 0.0 for a, b in pairs])
        places.append(1.0 if row.order == "model_first" else -1.0)
    delta = np.array(deltas)
    x = np.column_stack([np.array(strengths, float), delta / np.sqrt((delta**2).mean(axis=0)), places])
    y = np.array([SCORE[row.outcome or ""] for row in rows])
    tied = y == 0.5
    columns = np.concatenate([x[~tied], x[tied], x[tied]])
    outcomes = np.concatenate([y[~tied], np.ones(tied.sum()), np.zeros(tied.sum())])
    return columns, outcomes, np.concatenate([np.ones((~tied).sum()), np.full(2 * tied.sum(), 0.5)])


def _statsmodels(x: Array, y: Array, weights: Array) -> Array:
    fitted = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=weights).fit(tol=1e-13, maxiter=100)
    return np.asarray(fitted.params)


def test_a_pair_is_fitted_as_statsmodels_does() -> None:
    features = outputs(120)
    rows = votes(features, raters=1, strength=0.3, length=1.5, place=0.3, both_places=True)
    found = style_rows(rows, surface(features), PAIR)
    assert found is not None
    fits = Solver(found.penalised(0)).whole()
    assert fits.converged.all()
    assert fits.point.terms[:, 0] == pytest.approx(_statsmodels(*_by_hand(rows, features, ["imitator"])), abs=1e-6)


def test_several_models_are_fitted_together_as_statsmodels_does() -> None:
    models = ("imitator", "target", "base", "other")
    features = outputs(60, models)
    # Of two voices on a pair without the model asked about nobody's leaning is fitted: equal votes are one row.
    rows = votes(features, raters=2, strength=0.4, length=1.0, place=0.2)
    found = style_rows(rows, surface(features), PAIR)
    assert found is not None
    found = found._replace(design=found.design._replace(rater=np.full(len(found.design.y), -1)))
    expected = _statsmodels(*_by_hand(rows, features, ["imitator", "base", "other"]))
    assert Solver(found.penalised(0)).whole().point.terms[:, 0] == pytest.approx(expected, abs=1e-6)
    assert len(found.asked) == 120
    assert found.design.size.max() == 2


def test_every_resample_is_what_a_fit_to_the_copied_rows_gives() -> None:
    features = outputs(80)
    rows = votes(features, strength=0.3, length=1.5, place=0.3)
    found = style_rows(rows, surface(features), PAIR)
    assert found is not None
    design = found.penalised(0)
    solver = Solver(design)
    weights = drawn_weights(80, 5, np.random.default_rng(3))
    fits = solver.fit(weights, solver.whole().point)
    for k in range(5):
        copied = np.repeat(np.arange(80), weights[:, k].astype(int))
        expected = sm.GLM(design.y[copied], design.x[copied], family=sm.families.Binomial()).fit(tol=1e-13).params
        assert fits.point.terms[:, k] == pytest.approx(expected, abs=1e-5)


def _objective(design: Design, weights: Array) -> Callable[[Array], float]:
    q = design.x.shape[1]

    def value(at: Array) -> float:
        terms, leanings = at[:q], np.append(at[q:], 0.0)
        eta = design.x @ terms + leanings[design.rater]
        loss = weights[design.prompt] * design.size * (np.logaddexp(0, eta) - design.y * eta)
        return float(loss.sum() + (design.penalty * terms**2).sum() / 2 + (design.rater_penalty @ at[q:] ** 2) / 2)

    return value


def test_penalties_and_leanings_minimise_the_stated_objective() -> None:
    features = outputs(40)
    found = style_rows(votes(features, raters=4, strength=0.3, length=2, lean=1.0), surface(features), PAIR)
    assert found is not None
    design = found.penalised(3.0)
    solver = Solver(design)
    weights = drawn_weights(40, 3, np.random.default_rng(0))
    fits = solver.fit(weights, solver.whole().point)
    assert fits.converged.all()
    for k in range(3):
        at = np.concatenate([fits.point.terms[:, k], fits.point.leanings[:, k]])
        expected = optimize.minimize(_objective(design, weights[:, k]), np.zeros(len(at)), tol=1e-12)
        assert at == pytest.approx(expected.x, abs=1e-4)


def test_a_start_far_away_ends_at_the_same_place() -> None:
    # Plain Newton steps run off to infinity from here.
    features = outputs(60)
    found = style_rows(votes(features, strength=0.3, length=2), surface(features), PAIR)
    assert found is not None
    solver = Solver(found.penalised(1.0))
    near = solver.whole()
    far = solver.fit(np.ones((60, 1)), near.point._replace(terms=near.point.terms + 6.0))
    assert far.converged.all()
    assert far.point.terms == pytest.approx(near.point.terms, abs=1e-9)


def test_effects_are_the_change_of_the_share_when_models_are_exchanged() -> None:
    features = outputs(50)
    rows = votes(features, raters=3, strength=1.5, length=2, place=0.4, lean=0.8)
    result = _adjusted(rows, features)
    found = style_rows(rows, surface(features), PAIR)
    assert found is not None
    design, point = found.design, Solver(found.penalised(RIDGE)).whole().point
    raw, adjusted = [], []
    for i in range(len(design.y)):
        liking = point.terms[0, 0] + point.leanings[design.rater[i], 0]
        style = float(design.x[i, 1:-1] @ point.terms[1:-1, 0])
        place = point.terms[-1, 0]
        share = {
            side: sum(1 / (1 + math.exp(-(side * liking + style + sign * place))) for sign in (1, -1)) / 2
            for side in (1, -1)
        }
        raw.append(share[1] - 0.5)
        adjusted.append((share[1] - share[-1]) / 2)
    assert result.raw == pytest.approx(float(np.mean(raw)), abs=1e-12)
    assert result.adjusted == pytest.approx(float(np.mean(adjusted)), abs=1e-12)
    assert result.style_share == pytest.approx(1 - np.mean(adjusted) / np.mean(raw), abs=1e-12)


def test_raw_is_the_observed_share_as_a_model_without_style_gives_it() -> None:
    features = outputs(60)
    rows = votes(features, strength=0.3, length=2, place=0.5, both_places=True)
    observed = float(np.mean([SCORE[row.outcome or ""] for row in rows])) - 0.5
    bare = [row.model_copy(update=dict.fromkeys(FEATURES, 1)) for row in features]
    assert _adjusted(rows, features).raw == pytest.approx(observed, abs=1e-7)
    assert _adjusted(rows, bare).raw == pytest.approx(observed, abs=1e-7)


def test_the_interval_of_a_share_is_students_around_its_log_odds() -> None:
    features = outputs(60)
    rows = votes(features, strength=0.6, length=2, both_places=True)
    # Each prompt in both places: raw is the mean of the prompts' scores, whatever the style terms are.
    scores = np.array([SCORE[row.outcome or ""] for row in rows]).reshape(60, 2).mean(axis=1)
    share = scores.mean()
    half = stats.t.ppf(0.975, 59) * scores.std(ddof=1) / np.sqrt(60) / (share * (1 - share))
    expected = expit(logit(share) + np.array([-half, half])) - 0.5
    found = adjust(rows, features, PAIR, alpha=0.05, resamples=4000, seed=0).raw_ci
    assert found == pytest.approx(expected, abs=0.004)


def test_a_model_that_nearly_always_wins_has_a_raw_interval_near_wilsons() -> None:
    features = outputs(80)
    rows = _same(votes(features), "win")
    rows[:3] = _same(rows[:3], "loss")
    found = _adjusted(rows, features).raw_ci
    # Resamples without any loss have infinite log-odds: taken as they come, they would widen this to nearly all.
    assert found == pytest.approx(np.array(proportion_confint(77, 80, method="wilson")) - 0.5, abs=0.04)


@pytest.mark.parametrize(("won", "exchanged"), [(56, 48), (10, 3), (70, 2)])
def test_limits_of_a_difference_are_newcombes_where_shares_are_independent(won: int, exchanged: int) -> None:
    limits = ShareLimits(
        won=won / 70,
        exchanged=exchanged / 80,
        won_ci=proportion_confint(won, 70, method="wilson"),
        exchanged_ci=proportion_confint(exchanged, 80, method="wilson"),
        correlation=0.0,
    )
    expected = confint_proportions_2indep(won, 70, exchanged, 80, method="newcomb")
    assert np.array(limits.adjusted) * 2 == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("correlation", [-0.9, -0.3, 0.6])
@pytest.mark.parametrize(("won", "exchanged"), [(0.7, 0.4), (0.7, 0.75), (0.3, 0.2)])
def test_limits_of_the_explained_share_are_fiellers_where_all_are_symmetric(
    won: float, exchanged: float, correlation: float
) -> None:
    limits = ShareLimits(won, exchanged, (won - 0.1, won + 0.1), (exchanged - 0.15, exchanged + 0.15), correlation)
    # Roots of the quadratic for D / G with D = p - m, G = 2p - 1, and half-widths in place of t times standard errors.
    both = correlation * 0.1 * 0.15
    d, g, dd, gg, dg = won - exchanged, 2 * won - 1, 0.01 + 0.0225 - 2 * both, 0.04, 2 * (0.01 - both)
    roots = 1 - np.sort(np.roots([g * g - gg, -2 * (d * g - dg), d * d - dd]).real)[::-1]
    assert limits.explained == pytest.approx(tuple(roots), abs=1e-9)


def test_where_the_raw_preference_may_be_nothing_no_share_of_it_is_explained() -> None:
    assert ShareLimits(0.55, 0.5, (0.49, 0.6), (0.4, 0.6), 0.0).explained is None
    low, high = ShareLimits(0.55, 0.5, (0.501, 0.6), (0.4, 0.6), 0.0).explained or (0.0, 0.0)
    assert low < 1 - 0.05 / 0.1 < high


def test_style_that_favours_nobody_explains_nothing() -> None:
    # Strong pulls that cancel out: a model without style would understate theta, marginal effects must not.
    features = outputs(300, ("imitator", "target"), seed=4)
    swapped = [
        row.model_copy(update={"prompt_id": row.prompt_id + "s", "model": PAIR[row.model == PAIR[0]]})
        for row in features
    ]
    features = [*features, *swapped]
    result = _adjusted(votes(features, strength=0.8, length=4), features)
    assert result.style_share == pytest.approx(0, abs=0.06)


def test_raters_who_reward_length_alone_leave_nothing_for_the_model() -> None:
    features = outputs(400)
    result = _adjusted(votes(features, raters=3, length=3), features)
    assert result.raw_ci is not None
    assert result.adjusted_ci is not None
    assert result.raw_ci[0] > 0
    assert result.adjusted_ci[0] < 0 < result.adjusted_ci[1]
    assert result.style_share is not None
    assert result.style_share > 0.6
    pulls = {row.feature: row for row in result.coefficients}
    assert pulls["words"].ci is not None
    assert pulls["words"].ci[0] > 0.5
    assert all(row.ci is not None and row.ci[0] < 0.2 for row in result.coefficients if row.feature != "words")


def test_raters_who_reward_the_model_alone_keep_it() -> None:
    features = outputs(400)
    result = _adjusted(votes(features, raters=3, strength=0.8), features)
    assert result.adjusted_ci is not None
    assert result.adjusted_ci[0] > 0
    assert result.style_share_ci is not None
    assert result.style_share_ci[0] < 0 < result.style_share_ci[1]
    assert [ridge for ridge, _ in result.sensitivity] == list(SENSITIVITY)
    assert all(share is not None and abs(share) < 0.2 for _, share in result.sensitivity)


def test_exchanged_models_turn_every_sign() -> None:
    features = outputs(60)
    rows = votes(features, strength=0.6, length=1)
    one = _adjusted(rows, features)
    other = adjust([turned(row) for row in rows], features, PAIR[::-1], alpha=0.05, resamples=200, seed=0)
    assert one.raw == pytest.approx(-(other.raw or 0), abs=1e-12)
    assert one.adjusted == pytest.approx(-(other.adjusted or 0), abs=1e-12)
    assert one.raw_ci == pytest.approx([-bound for bound in reversed(other.raw_ci or ())], abs=1e-9)


def test_neither_the_order_of_rows_nor_the_way_a_pair_is_written_matters() -> None:
    features = outputs(50)
    rows = votes(features, raters=2, strength=0.6, length=1)
    mixed = [turned(row) if k % 3 else row for k, row in enumerate(rows)]
    np.random.default_rng(0).shuffle(mixed)  # type: ignore[arg-type]
    assert _adjusted(mixed, features[::-1]) == _adjusted(rows, features)


def test_judged_in_one_place_only_there_is_no_term_for_the_place() -> None:
    features = outputs(50)
    rows = [row.model_copy(update={"order": "model_first"}) for row in votes(features, strength=0.6, length=1)]
    result = _adjusted(rows, features)
    assert result.adjusted is not None
    assert "first_position" not in {row.feature for row in result.coefficients}


def test_no_preference_has_no_share_of_style() -> None:
    features = outputs(60)
    result = _adjusted(votes(features, seed=2), features)
    assert result.adjusted is not None
    assert (result.style_share, result.style_share_ci) == (None, None)
    assert result.reason is not None
    assert "reaches 0" in result.reason
    assert {share for _, share in result.sensitivity} == {None}


def _same(rows: Sequence[Judgment], outcome: str) -> list[Judgment]:
    return [row.model_copy(update={"outcome": outcome}) for row in rows]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows[:1], "1 prompts with votes and style features are too few"),
        (lambda rows: _same(rows, "tie"), "every vote is a tie"),
        (lambda rows: _same(rows, "win"), "every vote is for imitator"),
        (lambda rows: _same(rows, "loss"), "every vote is for target"),
        (lambda rows: [], "no vote on this pair has style features of both outputs"),
        (
            lambda rows: [
                row.model_copy(update={"outcome": "win" if row.order == "model_first" else "loss"}) for row in rows
            ],
            "every vote is for the output shown first",
        ),
    ],
)
def test_votes_that_hold_no_regression_say_why(
    change: Callable[[Sequence[Judgment]], list[Judgment]], reason: str
) -> None:
    features = outputs(50)
    result = _adjusted(change(votes(features, strength=0.3)), features)
    assert (result.raw, result.adjusted, result.style_share, result.coefficients) == (None, None, None, ())
    assert result.reason is not None
    assert reason in result.reason


def test_a_model_compared_with_itself_is_no_preference() -> None:
    features = outputs(50)
    rows = [row.model_copy(update={"opponent": "imitator"}) for row in votes(features)]
    result = adjust(rows, features, ("imitator", "imitator"), alpha=0.05, resamples=50, seed=0)
    assert (result.raw, result.reason) == (None, "imitator was compared with itself")


def test_outputs_that_look_alike_leave_the_preference_as_it_is() -> None:
    features = [row.model_copy(update=dict.fromkeys(FEATURES, 3)) for row in outputs(60)]
    result = _adjusted(votes(features, strength=1.0), features)
    assert result.adjusted == pytest.approx(result.raw, abs=1e-12)
    assert result.style_share == pytest.approx(0, abs=1e-12)
    assert [row.feature for row in result.coefficients] == ["first_position"]


def test_a_difference_that_is_always_the_same_cannot_be_told_from_the_model() -> None:
    features = [row.model_copy(update={"has_summary": row.model == "imitator"}) for row in outputs(60)]
    result = _adjusted(votes(features, strength=1.0), features)
    assert result.raw is not None
    assert (result.adjusted, result.style_share) == (None, None)
    assert result.reason is not None
    assert result.reason.startswith("has_summary differ")


def test_another_model_can_tell_it_after_all() -> None:
    features = [
        row.model_copy(update={"has_summary": row.model == "imitator" or (row.model == "base" and row.words % 2 == 0)})
        for row in outputs(60, ("imitator", "target", "base"))
    ]
    assert _adjusted(votes(features, strength=1.0), features).adjusted is not None


def test_votes_that_length_separates_fully_stay_finite() -> None:
    features = outputs(80)
    words = {(row.prompt_id, row.model): row.words for row in features}
    rows = [
        row.model_copy(
            update={
                "outcome": "win" if words[row.prompt_id, row.model] > words[row.prompt_id, row.opponent] else "loss"
            }
        )
        for row in votes(features)
    ]
    result = _adjusted(rows, features)
    assert result.adjusted is not None
    assert all(abs(row.value) < 20 for row in result.coefficients)
    assert result.style_share is not None
    assert result.style_share > 0.5


def test_resamples_in_which_one_model_wins_everything_stay_finite() -> None:
    features = outputs(40)
    rows = _same(votes(features), "win")
    rows[0] = rows[0].model_copy(update={"outcome": "loss"})
    result = _adjusted(rows, features)
    assert result.raw == pytest.approx(0.475, abs=0.02)
    assert result.raw_ci is not None
    assert result.raw_ci[1] <= 0.5


def test_raters_of_one_vote_each_decide_nothing_by_themselves() -> None:
    features = outputs(60)
    rows = votes(features, strength=0.8)
    single = [row.model_copy(update={"rater": f"r{k}"}) for k, row in enumerate(rows)]
    one, many = _adjusted(rows, features), _adjusted(single, features)
    assert many.raw == pytest.approx(one.raw, abs=0.01)
    assert many.adjusted == pytest.approx(one.adjusted, abs=0.03)


def test_votes_without_features_are_left_out_and_counted() -> None:
    features = outputs(60)
    rows = votes(features, strength=0.8)
    known = [row for row in features if row.model == "target" or int(row.prompt_id[1:]) < 40]
    result = _adjusted(rows, known)
    assert result.num_prompts == 40
    assert result == _adjusted([row for row in rows if int(row.prompt_id[1:]) < 40], features)


def test_unreadable_votes_are_not_ties() -> None:
    features = outputs(60)
    rows = votes(features, strength=0.8)
    unread = [row.model_copy(update={"outcome": None, "unscored": "two verdicts"}) for row in rows[40:]]
    assert _adjusted([*rows[:40], *unread], features) == _adjusted(rows[:40], features)


def test_features_that_contradict_each_other_are_refused() -> None:
    features = outputs(40)
    with pytest.raises(TouchstoneError, match="two different style features of imitator on prompt p0"):
        _adjusted(votes(features), [*features, features[0].model_copy(update={"words": 7000})])


def test_the_adjustment_stands_beside_the_shares() -> None:
    features = outputs(60)
    rows = votes(features, raters=3, strength=0.8, length=1)
    (result,) = preferences(
        rows,
        models={"imitator": "imitator", "target": "target"},
        alpha=0.05,
        resamples=200,
        seed=0,
        features=[row for row in features if row.prompt_id != "p7"],
    )
    assert result.adjustment is not None
    assert result.adjustment.adjusted is not None
    assert result.adjusted == 0.5 + result.adjustment.adjusted
    assert result.style_share == result.adjustment.style_share
    assert result.note is not None
    assert "style features of both outputs are known on 59 of 60 prompts" in result.note
