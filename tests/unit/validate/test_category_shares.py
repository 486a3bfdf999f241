"""Shares corrected by a review: the formulas against numpy, and coverage in simulated reviews."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from components.contracts.data_rows import CATEGORIES, STUDY_SHARES, CategoryReview
from components.contracts.errors import TouchstoneError
from components.validate.category_shares import category_shares, corrected_share

TRIALS = 1_500


def test_without_a_review_the_share_is_the_classifiers_and_has_no_interval() -> None:
    shares = category_shares({"a": "Coding", "b": "Coding", "c": "Chat"}, [])
    assert [one.category for one in shares] == list(CATEGORIES)
    by_name = {one.category: one for one in shares}
    assert (by_name["Coding"].share, by_name["Coding"].ci) == (2 / 3, None)
    assert sum(one.share for one in shares) == pytest.approx(1.0)


def test_the_estimate_is_that_of_the_paper() -> None:
    random = np.random.default_rng(3)
    chosen = (random.random(80) < 0.3).astype(float)
    guesses = np.where(random.random(80) < 0.8, chosen, 1 - chosen)
    others = (random.random(1000) < 0.4).astype(float)
    found = corrected_share(list(chosen), list(guesses), num_others=1000, others_guessed=int(others.sum()))
    everything = np.concatenate([guesses, others])
    weight = np.cov(chosen, guesses, bias=True)[0, 1] / ((1 + 80 / 1000) * everything.var())
    assert 0 < weight < 1
    assert found.weight == pytest.approx(weight)
    assert found.share == pytest.approx(chosen.mean() + weight * (others.mean() - guesses.mean()))
    variance = np.var(chosen - weight * guesses) / 80 + weight**2 * everything.var() / 1000
    size = found.share * (1 - found.share) / variance
    assert 80 / 4 < size < 4 * 80
    # Wilson's interval, as statsmodels computes it for a proportion of `size` trials, with Student's quantile.
    level = 2 * stats.norm.sf(stats.t.ppf(0.975, 79))
    low, high = proportion_confint(found.share * size, size, alpha=level, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_perfect_classifier_is_followed_and_a_useless_one_ignored() -> None:
    chosen = [1.0] * 20 + [0.0] * 30
    perfect = corrected_share(chosen, chosen, num_others=5000, others_guessed=1500)
    assert perfect.share == pytest.approx(0.3, abs=0.002)
    contrary = corrected_share(chosen, [1.0 - one for one in chosen], num_others=5000, others_guessed=4500)
    assert (contrary.weight, contrary.share) == (0.0, 0.4)
    assert perfect.high - perfect.low < contrary.high - contrary.low


def test_a_category_that_nobody_chose_still_has_an_interval() -> None:
    never = corrected_share([0.0] * 50, [0.0] * 50, num_others=5000, others_guessed=0)
    assert (never.share, never.low) == (0.0, 0.0)
    assert 0.05 < never.high < 0.1
    assert corrected_share([1.0], [1.0], num_others=9, others_guessed=9)[1:3] == (0.0, 1.0)
    assert corrected_share([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], num_others=0, others_guessed=0).share == pytest.approx(
        1 / 3
    )


@pytest.mark.slow
@pytest.mark.parametrize("reviewed", [50, 150])
def test_intervals_cover_93_to_97_per_cent_of_the_time_with_a_classifier_like_ours(reviewed: int) -> None:
    random = np.random.default_rng(reviewed)
    names = list(STUDY_SHARES)
    truth = np.array(list(STUDY_SHARES.values())) / sum(STUDY_SHARES.values())
    covered = np.zeros(len(names))
    for _ in range(TRIALS):
        right = random.choice(len(names), 3000, p=truth)
        # Right for four queries in five, as on real ones; where wrong, any category by its share.
        guess = np.where(random.random(3000) < 0.75, right, random.choice(len(names), 3000, p=truth))
        for category in range(len(names)):
            yes, said = (right == category).astype(float), (guess == category).astype(float)
            found = corrected_share(
                yes[:reviewed].tolist(),
                said[:reviewed].tolist(),
                num_others=3000 - reviewed,
                others_guessed=int(said[reviewed:].sum()),
            )
            covered[category] += found.low <= yes.mean() <= found.high
    rates = covered / TRIALS
    common = truth * reviewed >= 4
    assert ((rates[common] >= 0.93) & (rates[common] <= 0.97)).all()
    # A category that is expected once or twice in the sample cannot be covered more exactly than its few values allow.
    assert (rates >= 0.93).all()
    assert rates.mean() <= 0.975


def test_several_raters_of_a_query_share_its_vote() -> None:
    classified = {f"d{n}": "Chat" for n in range(10)}
    review = [CategoryReview(dialogue_id=f"d{n}", category="Chat", rater="x") for n in range(10)]
    review += [CategoryReview(dialogue_id="d0", category="Coding", rater="y")]
    by_name = {one.category: one for one in category_shares(classified, review)}
    assert by_name["Chat"].share == pytest.approx(0.95)
    assert by_name["Coding"].share == pytest.approx(0.05)


def test_reviewed_queries_of_other_data_are_an_error_that_names_them() -> None:
    review = [CategoryReview(dialogue_id=f"x{n}", category="Chat") for n in range(7)]
    with pytest.raises(TouchstoneError, match=r"7 reviewed queries are not in these data: x0, x1, x2, x3, x4, \.\.\."):
        category_shares({"a": "Chat"}, review)
