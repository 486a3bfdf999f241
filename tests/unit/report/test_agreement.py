"""Agreement beside reference implementations, its interval, and each rater's record."""

from __future__ import annotations

from collections.abc import Callable

import krippendorff
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import sparse, stats
from scipy.special import expit, logit
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as reference_fleiss

from components.contracts.crowd_rows import NOBODY
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import RaterPool, RaterRecord
from components.report.preferring.agreement import (
    agreement,
    fleiss_kappa,
    krippendorff_alpha,
    raw_agreement,
    vote_counts,
)
from components.report.preferring.preference import preferences
from components.report.preferring.rater_quality import rater_pool, rater_quality
from components.report.preferring.rater_resampling import rater_interval, spread_over_raters
from components.report.preferring.resampling import drawn_weights
from tests.unit.report.rows_for_tests import judgment
from tests.unit.report.voting_for_tests import outputs, votes

OUTCOMES = ("win", "tie", "loss")
Voices = dict[str, dict[str, str]]


def _voices(items: int, raters: int, *, missing: float = 0.0, noise: float = 0.4, seed: int = 0) -> Voices:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, items)
    found: Voices = {}
    for i in range(items):
        said = {f"r{r}": int(rng.integers(0, 3)) if rng.random() < noise else int(truth[i]) for r in range(raters)}
        found[f"i{i}"] = {r: OUTCOMES[c] for r, c in said.items() if rng.random() >= missing}
    return found


def _matrix(voices: Voices) -> list[list[float]]:
    raters = sorted({name for said in voices.values() for name in said})
    return [[OUTCOMES.index(said[r]) if r in said else np.nan for said in voices.values()] for r in raters]


@pytest.mark.parametrize(("raters", "missing"), [(2, 0.0), (3, 0.0), (5, 0.3), (9, 0.7)])
def test_alpha_is_krippendorffs_with_voices_missing(raters: int, missing: float) -> None:
    voices = _voices(150, raters, missing=missing, seed=raters)
    expected = krippendorff.alpha(reliability_data=_matrix(voices), level_of_measurement="nominal")
    assert krippendorff_alpha(vote_counts(voices)) == pytest.approx(expected, abs=1e-12)


def test_kappas_are_those_of_statsmodels_and_scikit_learn() -> None:
    voices = _voices(120, 4)
    assert fleiss_kappa(vote_counts(voices)) == pytest.approx(reference_fleiss(vote_counts(voices)), abs=1e-12)
    two = {item: {r: c for r, c in said.items() if r in ("r0", "r1")} for item, said in voices.items()}
    both = [[said[r] for said in two.values()] for r in ("r0", "r1")]
    result = agreement(two, alpha=0.05, resamples=50, seed=0)
    assert result.cohen == pytest.approx(cohen_kappa_score(*both), abs=1e-12)
    assert result.raw == pytest.approx(np.mean([a == b for a, b in zip(*both, strict=True)]), abs=1e-12)


def test_raw_agreement_is_over_pairs_of_voices() -> None:
    assert (
        raw_agreement(vote_counts({"a": {"x": "win", "y": "win", "z": "loss"}, "b": {"x": "tie", "y": "tie"}})) == 0.5
    )


def test_the_interval_is_students_of_the_items_and_two_that_hold_rare_answers() -> None:
    voices = _voices(80, 3)
    several = vote_counts(voices).sum(axis=0)
    first, second = (int(place) for place in np.argsort(-several, kind="stable")[:2])
    # In the order of the sorted outcomes, as the reference takes any codes.
    codes = np.array([[sorted(OUTCOMES).index(said[r]) for said in voices.values()] for r in ("r0", "r1", "r2")])
    made_up = np.array([[second, first], [second, first], [second, second]])
    matrix = np.hstack([codes, made_up]).astype(float)
    left_out = np.array(
        [krippendorff.alpha(np.delete(matrix, item, axis=1), level_of_measurement="nominal") for item in range(82)]
    )
    spread = np.sqrt(81 / 82 * ((left_out - left_out.mean()) ** 2).sum())
    centre = krippendorff.alpha(matrix, level_of_measurement="nominal")
    expected = centre + stats.t.ppf([0.025, 0.975], 79) * spread
    result = agreement(voices, alpha=0.05, resamples=3000, seed=0)
    assert result.alpha_ci == pytest.approx(expected, abs=0.01)


@pytest.mark.slow
def test_alphas_interval_holds_the_truth_where_one_answer_takes_most_voices() -> None:
    rng = np.random.default_rng(4)
    held = []
    for seed in range(300):
        truth = rng.random(30) < 0.15
        # A voice knows the item's answer in 45% and otherwise says one at its share: alpha is 0.45 squared.
        said = np.where(rng.random((3, 30)) < 0.45, truth, rng.random((3, 30)) < 0.15)
        voices = {f"i{i}": {f"r{r}": "win" if said[r, i] else "loss" for r in range(3)} for i in range(30)}
        interval = agreement(voices, alpha=0.05, resamples=200, seed=seed).alpha_ci
        held.append(interval is not None and interval[0] <= 0.45**2 <= interval[1])
    # A standard error of 1.3 points; without the two made-up items it is 88%.
    assert np.mean(held) >= 0.93


def test_items_with_one_voice_add_nothing() -> None:
    voices = _voices(60, 3)
    alone = {f"x{k}": {"r9": "win"} for k in range(40)}
    result = agreement({**voices, **alone}, alpha=0.05, resamples=100, seed=0)
    assert (result.num_items, result.num_raters) == (60, 4)
    assert result.alpha == pytest.approx(krippendorff_alpha(vote_counts(voices)), abs=1e-12)
    assert result.fleiss is not None


@pytest.mark.parametrize(
    ("voices", "reason"),
    [
        ({}, "no item has two voices"),
        ({"a": {"x": "win"}, "b": {"y": "win"}}, "no item has two voices"),
        ({"a": {"x": "win", "y": "win"}, "b": {"x": "win", "y": "win"}}, "only one category occurs"),
    ],
)
def test_agreement_that_cannot_be_told_is_null_and_says_why(voices: Voices, reason: str) -> None:
    result = agreement(voices, alpha=0.05, resamples=50, seed=0)
    assert (result.alpha, result.alpha_ci, result.fleiss, result.cohen) == (None, None, None, None)
    assert result.reason is not None
    assert reason in result.reason


def test_full_agreement_is_one_and_not_infinitely_sure() -> None:
    widths = []
    for items in (6, 30, 300):
        voices = {f"i{k}": dict.fromkeys("xyz", OUTCOMES[k % 3]) for k in range(items)}
        result = agreement(voices, alpha=0.05, resamples=200, seed=0)
        assert (result.raw, result.alpha, result.fleiss, result.reason) == (1.0, 1.0, 1.0, None)
        assert result.alpha_ci is not None
        assert result.alpha_ci[1] == 1.0
        widths.append(1.0 - result.alpha_ci[0])
    assert widths[0] > 0.3 > widths[1] > widths[2] > 0


def test_a_single_item_has_no_interval() -> None:
    result = agreement({"i": {"x": "win", "y": "loss", "z": "win"}}, alpha=0.05, resamples=200, seed=0)
    assert result.alpha == pytest.approx(0.0)
    assert (result.alpha_ci, result.reason) == (None, "no interval of alpha: a single item has no spread")


def test_different_numbers_of_voices_have_no_fleiss() -> None:
    voices = _voices(40, 3)
    del voices["i0"]["r0"]
    result = agreement(voices, alpha=0.05, resamples=50, seed=0)
    assert result.fleiss is None
    assert result.reason == "Fleiss' kappa: items have different numbers of voices"


def test_every_resample_holds_as_many_draws_as_there_are_things() -> None:
    weights = drawn_weights(50, 2000, np.random.default_rng(0))
    assert (weights.sum(axis=0) == 50).all()
    # Drawn with replacement, one thing is left out of (1 - 1/50)^50 of the resamples.
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.005)


def _preference(rows: list[Judgment]) -> object:
    return preferences(rows, models={"imitator": "imitator", "target": "target"}, alpha=0.05, resamples=300, seed=0)[0]


def test_raters_who_lean_widen_the_interval_that_speaks_for_others() -> None:
    features = outputs(100)
    leaning = _preference(votes(features, raters=6, lean=2.0))
    even = _preference(votes(features, raters=6))
    for result in (leaning, even):
        assert result.ci_raters[0] < result.ci[0] < result.at_least_target < result.ci[1] < result.ci_raters[1]  # type: ignore[attr-defined]
    spread = [result.ci_raters[1] - result.ci_raters[0] for result in (leaning, even)]  # type: ignore[attr-defined]
    assert spread[0] > 1.5 * spread[1]


def test_a_single_voice_has_neither_agreement_nor_an_interval_for_other_raters() -> None:
    result = _preference([judgment(f"p{k}", "win" if k % 2 else "loss") for k in range(20)])
    assert (result.agreement, result.ci_raters) == (None, None)  # type: ignore[attr-defined]


def test_two_orders_of_one_rater_are_one_voice() -> None:
    rows = []
    for k in range(20):
        rows += [judgment(f"p{k}", "win"), judgment(f"p{k}", "win" if k else "loss", order="opponent_first")]
        rows.append(judgment(f"p{k}", "win" if k % 2 else "tie", rater="s"))
    result = _preference(rows)
    assert result.agreement.num_raters == 2  # type: ignore[attr-defined]
    assert result.agreement.raw == 11 / 20  # type: ignore[attr-defined]


def test_a_share_of_all_has_wilsons_interval_whoever_votes() -> None:
    voices = {f"p{k}": {"r": "win", "s": "tie", "t": "win"} for k in range(20)}
    expected = stats.binomtest(20, 20).proportion_ci(method="wilson")
    found = rater_interval(voices, alpha=0.05, resamples=50, seed=0)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.slow
def test_the_interval_over_raters_has_the_spread_of_resampled_columns_where_all_rate_all() -> None:
    voices = _voices(40, 12, noise=0.9)
    rng = np.random.default_rng(1)
    raters, prompts = [f"r{k}" for k in range(12)], list(voices)
    draws = []
    for _ in range(3000):
        drawn, kept = rng.choice(raters, 12), 0
        for prompt in rng.choice(prompts, len(prompts)):
            said = [voices[prompt][r] for r in drawn]
            kept += 2 * said.count("loss") <= len(said)
        draws.append(kept / len(prompts))
    low, high = rater_interval(voices, alpha=0.05, resamples=3000, seed=0) or (0, 0)
    share = np.mean([2 * list(said.values()).count("loss") <= len(said) for said in voices.values()])
    half = float(stats.t.ppf(0.975, 11) * np.std(draws) * np.sqrt(12 / 11)) / (share * (1 - share))
    assert (logit(high) - logit(low)) / 2 == pytest.approx(half, rel=0.04)


def test_the_spread_over_raters_is_the_jackknifes_less_what_it_counts_of_prompts_too_often() -> None:
    rng = np.random.default_rng(2)
    who = np.array([np.isin(np.arange(9), rng.choice(9, 1 + prompt % 3, replace=False)) for prompt in range(60)])
    kept = (rng.random(60) < 0.7).astype(float)
    share, jackknife, weights = kept.mean(), 0.0, np.zeros(60)
    for r in range(9):
        mine = ~who[:, r] / (~who[:, r]).sum()
        jackknife += 8 / 9 * (kept @ mine - share) ** 2
        weights += 8 / 9 * (mine - 1 / 60) ** 2
    expected = jackknife - ((weights - 1 / 60**2) * (kept - share) ** 2).sum()
    assert spread_over_raters(kept, sparse.csr_array(who.astype(float))) == pytest.approx(np.sqrt(max(0, expected)))
    everybody = sparse.csr_array(np.ones((60, 9)))
    assert spread_over_raters(kept, everybody) == 0.0, "where nobody can be left out nothing is known"


@pytest.mark.slow
def test_the_spread_over_raters_is_right_on_average_where_their_effects_add_up() -> None:
    rng = np.random.default_rng(3)
    shares, spreads = [], []
    for _ in range(1500):
        who = (rng.random((120, 12)).argsort(axis=1).argsort(axis=1) < 3).astype(float)
        kept = who @ rng.standard_normal(12) + 2 * rng.standard_normal(120)
        shares.append(kept.mean())
        spreads.append(spread_over_raters(kept, sparse.csr_array(who)))
    # 1,500 draws: a standard error of 4% of a variance.
    assert np.mean(np.square(spreads)) == pytest.approx(np.var(shares), rel=0.12)


def test_ties_that_nobody_was_asked_about_are_no_raters() -> None:
    voices = _voices(80, 6, missing=0.5, noise=0.7)
    unasked = {f"same {k}": {NOBODY: "tie"} for k in range(20)}
    result = agreement({**voices, **unasked}, alpha=0.05, resamples=100, seed=0)
    alone = agreement(voices, alpha=0.05, resamples=100, seed=0)
    assert result == alone
    plain = rater_interval(voices, alpha=0.05, resamples=400, seed=0) or (0, 0)
    found = rater_interval({**voices, **unasked}, alpha=0.05, resamples=400, seed=0) or (0, 0)
    # A fifth of the prompts is known: the share moves towards 1 and is surer than before.
    assert found[0] > plain[0]
    assert found[1] - found[0] < plain[1] - plain[0]
    rows = [said("ann", 1, "win"), said("bob", 1, "win"), said(NOBODY, 2, "tie", order="none")]
    assert [record.rater for record in pool_of(rows).records] == ["ann", "bob"]


def _records(rows: list[Judgment], **other: object) -> dict[str, RaterRecord]:
    return {row.rater: row for row in rater_quality(rows, alpha=0.05, **other)}  # type: ignore[arg-type]


def test_a_rater_is_measured_against_the_majority_of_the_others() -> None:
    rows = []
    for k in range(30):
        rows += [judgment(f"p{k}", "win", rater=r) for r in ("a", "b", "c")]
        rows.append(judgment(f"p{k}", "win" if k < 6 else "loss", rater="contrary"))
    # Here the others are divided: there is no majority to agree with.
    rows += [judgment("p99", outcome, rater=r) for r, outcome in (("a", "win"), ("b", "loss"), ("contrary", "win"))]
    found = _records(rows)
    assert (found["contrary"].num_shared, found["contrary"].agreement) == (30, 0.2)
    assert found["b"].agreement == pytest.approx(30 / 31)
    assert found["contrary"].agreement_ci == pytest.approx(stats.binomtest(6, 30).proportion_ci(method="wilson"))


def test_a_liking_for_a_side_is_seen_whichever_way_the_pair_is_written() -> None:
    rows = []
    for k in range(40):
        first = k % 2 == 0
        row = judgment(f"p{k}", "win" if first else "loss", order="model_first" if first else "opponent_first")
        rows.append(row if k % 3 else row.model_copy(update={"rater": "r"}))
    rows += [judgment(f"q{k}", "tie") for k in range(10)]
    record = _records(rows)["r"]
    assert (record.n, record.first_share, record.tie_share) == (50, 1.0, 0.2)
    assert record.first_ci is not None
    assert record.first_ci[0] > 0.9


def test_a_rater_who_hurries_shows_a_falling_time() -> None:
    rows = [judgment(f"p{k}", "win", rater=r) for r in ("hurried", "steady") for k in range(41)]
    rng = np.random.default_rng(0)
    noise = np.exp(0.1 * rng.standard_normal(41))
    steps = np.linspace(0, 1, 41)
    found = _records(rows, seconds={"hurried": list(30 * 0.25**steps * noise), "steady": list(30 * noise)})
    expected = stats.linregress(steps, np.log(30 * 0.25**steps * noise)).slope
    assert found["hurried"].time_trend == pytest.approx(np.expm1(expected), abs=1e-9)
    assert found["hurried"].time_trend == pytest.approx(-0.75, abs=0.05)
    assert found["hurried"].time_trend_ci is not None
    assert found["hurried"].time_trend_ci[1] < -0.6
    assert found["steady"].time_trend_ci is not None
    assert found["steady"].time_trend_ci[0] < 0 < found["steady"].time_trend_ci[1]
    assert found["hurried"].median_seconds == pytest.approx(15, rel=0.15)


@pytest.mark.parametrize("change", [lambda row: row, lambda row: row.model_copy(update={"order": "none"})])
def test_a_rater_of_one_vote_has_a_record_without_what_cannot_be_known(change: Callable[[Judgment], Judgment]) -> None:
    record = _records([change(judgment("p0", "tie"))], seconds={"r": [4.0]})["r"]
    assert (record.n, record.agreement, record.first_share, record.tie_share) == (1, None, None, 1.0)
    assert (record.median_seconds, record.time_trend) == (4.0, None)


def pool_of(rows: list[Judgment]) -> RaterPool:
    found = rater_pool(rows, alpha=0.05)
    assert found is not None
    return found


def said(rater: str, prompt: int, outcome: str | None, **changes: object) -> Judgment:
    values: dict[str, object] = {
        "prompt_id": f"q{prompt}",
        "source": "crowd",
        "rater": rater,
        "model": "imitator",
        "opponent": "target",
        "outcome": outcome,
        "order": "model_first",
        **changes,
    }
    return Judgment.model_validate(values)


def test_raters_whom_a_rule_leaves_out_are_told_with_it_and_count_in_no_share() -> None:
    reason = "1 of 4 gold items right, the rule asks for 50%"
    rows = [said("ann", n, "win" if n % 2 else "loss") for n in range(10)]
    rows += [said("bob", n, None, unscored=f"rater excluded: {reason}") for n in range(10)]
    rows.append(said("bob", 10, None, unscored="the pair already had its raters when this answer came"))
    rows += [said("cy", n, None, unscored="the pair already had its raters when this answer came") for n in range(3)]
    found = pool_of(rows)
    assert (found.num_raters, found.num_left_out, found.num_left_out_votes) == (3, 1, 11)
    assert {record.rater: record.left_out for record in found.records} == {"ann": None, "bob": reason, "cy": None}
    assert found.first_share == 0.5
    assert rater_pool(rows[:10], alpha=0.05) is None, "one voice is no pool"


def test_the_pull_of_the_first_place_is_that_of_the_pool_and_wider_than_its_picks_say() -> None:
    rows = [said(f"r{who}", n, "win" if who < 5 else "loss") for who in range(10) for n in range(20)]
    found = pool_of(rows)
    assert found.first_share == 0.5
    assert found.first_ci is not None
    low, high = found.first_ci
    assert high - low > 0.4, "ten raters who each love one side are ten observations, not two hundred"


def test_the_pull_of_the_first_place_varies_as_an_intercept_with_raters_as_clusters() -> None:
    rng = np.random.default_rng(3)
    liking = rng.normal(0.4, 1, 14)
    rows = [
        said(f"r{who}", n, "win" if rng.logistic() < liking[who] else "loss")
        for who in range(14)
        for n in range(10 + 4 * who)
    ]
    y, groups = np.array([float(row.outcome == "win") for row in rows]), np.array([int(row.rater[1:]) for row in rows])
    fitted = sm.OLS(y, np.ones(len(y))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False, "df_correction": False}
    )
    share, spread = float(fitted.params[0]), float(fitted.bse[0]) * np.sqrt(14 / 13)
    half = stats.t.ppf(0.975, 13) * spread / (share * (1 - share))
    found = pool_of(rows)
    assert found.first_share == pytest.approx(share)
    assert found.first_ci == pytest.approx(expit(logit(share) + np.array([-half, half])))
    alike = pool_of([said(f"r{who}", n, "win") for who in range(6) for n in range(9)])
    expected = stats.binomtest(6, 6).proportion_ci(method="wilson")
    assert (alike.first_share, alike.first_ci) == (1.0, pytest.approx((expected.low, expected.high)))


def test_fatigue_is_the_raters_mean_change_and_those_without_times_have_none() -> None:
    half = {f"r{who}": [20.0 * 0.5 ** (n / 9) for n in range(10)] for who in range(4)}
    rows = [said(who, n, "win", seconds=taken) for who, times in half.items() for n, taken in enumerate(times)]
    rows += [said("untimed", n, "win") for n in range(10)]
    found = pool_of(rows)
    assert found.num_timed == 4
    assert found.time_trend == pytest.approx(-0.5)
    assert found.time_trend_ci == pytest.approx((-0.5, -0.5))
    assert pool_of([said("a", 0, "win"), said("b", 0, "win")]).time_trend is None
