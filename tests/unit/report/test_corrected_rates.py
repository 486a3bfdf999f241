"""A judge's rate set right by people's labels: formulas by hand, what is null and why, and bad input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from components.contracts.errors import TouchstoneError
from components.contracts.preference_results import CorrectedPreference
from components.contracts.preference_rows import GoldLabel
from components.report.preferring.corrected_rates import LabelledRate, corrected, ppi_plus_plus, rogan_gladen
from components.report.preferring.preference import preferences
from tests.unit.report.rows_for_tests import judgment

Outcome = Literal["win", "tie", "loss"]
PAIR = ("imitator", "target")


def _label(prompt: int, outcome: Outcome, model: str = "imitator", opponent: str = "target") -> GoldLabel:
    return GoldLabel(prompt_id=f"p{prompt}", model=model, opponent=opponent, outcome=outcome, num_raters=3)


def _both(outcomes: Sequence[Outcome | None], gold: Sequence[GoldLabel]) -> dict[str, CorrectedPreference]:
    shown = {f"p{k}": outcome for k, outcome in enumerate(outcomes)}
    return {row.method: row for row in corrected(shown, gold, PAIR, alpha=0.05)}


def _rate(n: int, rest: int, share: float, right: float, seed: int = 0) -> LabelledRate:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n + rest) < share).astype(float)
    judged = np.where(rng.random(n + rest) < right, truth, 1 - truth)
    return LabelledRate(truth[:n], judged[:n], judged[n:])


def test_lambda_is_the_weight_that_makes_the_variance_least() -> None:
    rate = _rate(200, 600, 0.5, 0.85)
    found = ppi_plus_plus(rate, 0.05)

    def variance(weight: float) -> float:
        return float(np.var(rate.people - weight * rate.judged, ddof=1) / 200 + weight**2 * np.var(rate.rest) / 600)

    weights = np.linspace(0, 1, 1001)
    assert found.weight == pytest.approx(weights[np.argmin([variance(w) for w in weights])], abs=0.02)
    assert found.weight is not None
    shift = found.weight * (rate.rest.mean() - rate.judged.mean())
    assert found.value == pytest.approx(rate.people.mean() + shift, abs=1e-12)
    half = stats.t.ppf(0.975, 199) * np.sqrt(variance(found.weight) + 1 / 200**2)
    assert found.ci == pytest.approx((found.value - half, found.value + half), abs=1e-9)


def test_a_good_judge_narrows_the_interval_of_peoples_labels() -> None:
    rate = _rate(100, 900, 0.4, 0.95)
    found = ppi_plus_plus(rate, 0.05)
    alone = ppi_plus_plus(rate._replace(rest=np.empty(0)), 0.05)
    assert found.ci is not None
    assert alone.ci is not None
    assert found.ci[1] - found.ci[0] < 0.7 * (alone.ci[1] - alone.ci[0])


@pytest.mark.parametrize("right", [0.5, 0.1])
def test_a_judge_that_knows_nothing_or_the_contrary_is_not_listened_to(right: float) -> None:
    rate = _rate(400, 4000, 0.5, right, seed=3)
    found = ppi_plus_plus(rate, 0.05)
    assert found.weight == pytest.approx(0, abs=0.06)
    assert found.value == pytest.approx(rate.people.mean(), abs=0.01)
    assert rogan_gladen(rate, 0.05).value is None


def test_labels_alone_have_wilsons_interval() -> None:
    found = ppi_plus_plus(LabelledRate(np.array([1.0] * 7 + [0.0] * 13), np.ones(20), np.ones(50)), 0.05)
    expected = stats.binomtest(7, 20).proportion_ci(method="wilson")
    assert (found.weight, found.value) == (0.0, 0.35)
    assert found.ci == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_rogan_and_gladen_turn_the_judged_rate_back() -> None:
    people = np.array([1.0] * 40 + [0.0] * 60)
    judged = np.array([1.0] * 36 + [0.0] * 4 + [1.0] * 12 + [0.0] * 48)  # sensitivity .9, specificity .8
    rest = np.array([1.0] * 310 + [0.0] * 190)
    found = rogan_gladen(LabelledRate(people, judged, rest), 0.05)
    assert found.value == pytest.approx((0.62 + 0.8 - 1) / (0.9 + 0.8 - 1), abs=1e-12)
    assert found.ci is not None
    assert found.ci[0] < 0.6 < found.ci[1]
    # Wald's variance (Rogan and Gladen 1978); the interval adds counts to it, so it is a little wider.
    wald = np.sqrt(0.62 * 0.38 / 500 + 0.6**2 * 0.9 * 0.1 / 40 + 0.4**2 * 0.8 * 0.2 / 60) / 0.7
    assert found.ci[1] - found.ci[0] == pytest.approx(2 * 1.96 * wald, rel=0.1)


def test_a_judge_whose_errors_hide_the_answer_has_no_rogan_gladen() -> None:
    found = rogan_gladen(_rate(40, 400, 0.5, 0.6), 0.05)
    assert found.value is None
    assert found.reason is not None
    assert "Youden index" in found.reason


@pytest.mark.parametrize(
    ("rate", "reason"),
    [
        (_rate(9, 50, 0.5, 0.9), "9 prompts with people's label and the judge's are too few"),
        (_rate(50, 50, 1.1, 0.9), "labels are all the same"),
        (_rate(50, 0, 0.5, 0.9), "no prompt is unlabelled"),
    ],
)
def test_what_labels_cannot_give_is_null_and_says_why(rate: LabelledRate, reason: str) -> None:
    found = rogan_gladen(rate, 0.05)
    assert (found.value, found.ci) == (None, None)
    assert found.reason is not None
    assert reason in found.reason


def test_values_stay_shares() -> None:
    people = np.array([1.0] * 2 + [0.0] * 48)
    judged = np.array([1.0] * 2 + [1.0] * 10 + [0.0] * 38)
    for found in (
        rogan_gladen(LabelledRate(people, judged, np.zeros(200)), 0.05),
        ppi_plus_plus(LabelledRate(people, judged, np.zeros(200)), 0.05),
    ):
        assert found.value is None or found.value == 0.0
        assert found.ci is None or found.ci[0] == 0.0


def test_labels_are_joined_by_prompt_and_turned_to_the_pair() -> None:
    outcomes: list[Outcome | None] = ["win", "loss"] * 30
    straight = [_label(k, "win" if k % 3 else "loss") for k in range(20)]
    turned = [_label(k, "loss" if k % 3 else "win", "target", "imitator") for k in reversed(range(20))]
    elsewhere = [_label(k, "loss", "imitator", "base") for k in range(60)]
    assert _both(outcomes, straight) == _both(outcomes, [*turned, *elsewhere])
    assert _both(outcomes, straight)["ppi++"].num_labelled == 20


def test_unreadable_verdicts_are_left_out_and_ties_are_at_least_as_good() -> None:
    outcomes: list[Outcome | None] = [None, "tie", "win", "loss"] * 10 + ["win", "loss", None, "loss"] * 10
    found = _both(outcomes, [_label(k, "tie" if k % 8 in (1, 5, 6) else "loss") for k in range(40)])
    assert found["ppi++"].num_labelled == 30
    judged = np.array([1.0, 1.0, 0.0] * 10)
    people = np.array([float(k % 8 in (1, 5, 6)) for k in range(40) if k % 4])
    by_hand = ppi_plus_plus(LabelledRate(people, judged, np.array([1.0, 0.0, 0.0] * 10)), 0.05)
    assert by_hand.weight
    assert found["ppi++"] == by_hand


def test_without_a_label_nothing_is_corrected() -> None:
    assert _both(["win", "loss"], []) == {}
    assert _both(["win", "loss"], [_label(0, "win", "imitator", "base")]) == {}


def test_labels_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(TouchstoneError, match="prompt p0 has two labels for imitator against target that differ"):
        _both(["win"], [_label(0, "win"), _label(0, "win", "target", "imitator")])


def test_the_correction_stands_beside_the_judges_share() -> None:
    rows = [judgment(f"p{k}", "win" if k % 4 else "loss") for k in range(200)]
    gold = [_label(k, "win" if k % 2 else "loss") for k in range(60)]
    (result,) = preferences(
        rows, models={"imitator": "imitator", "target": "target"}, alpha=0.05, resamples=50, seed=0, gold=gold
    )
    assert [row.method for row in result.corrected] == ["ppi++", "rogan-gladen"]
    assert result.at_least_target == 0.75
    for row in result.corrected:
        assert row.ci is not None
        assert row.ci[0] < 0.5 < row.ci[1] < 0.75
