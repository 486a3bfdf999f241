"""Which judges may gate: simulated judges whose minds are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
from scipy import stats

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.judge_policy import JudgePolicy
from components.contracts.preference_results import JudgeQualification
from components.contracts.preference_rows import GoldLabel
from components.report.preferring.qualification import qualify
from tests.unit.report.rows_for_tests import judgment

PROMPTS = 120
POLICY = JudgePolicy()

# What each model's answers are worth: how much is right, how long they are.
TRUTH = {
    "target": 0.9,
    "imitator": 0.5,
    "base": 0.45,
    "placebo:restyled_base": 0.45,
    "placebo:corrupted_target": 0.2,
    "placebo:constant": 0.0,
}
LENGTH = {
    "target": 200,
    "imitator": 210,
    "base": 90,
    "placebo:restyled_base": 160,
    "placebo:corrupted_target": 201,
    "placebo:constant": 120,
}
PAIRS = [
    ("imitator", "target"),
    ("placebo:restyled_base", "target"),
    ("placebo:restyled_base", "base"),
    ("placebo:corrupted_target", "target"),
    ("placebo:constant", "target"),
]

Mind = Callable[[str, str, np.random.Generator], float]
"""How much better the first answer seems than the second; within 0.1 they are equal."""


def truth_seeking(first: str, second: str, rng: np.random.Generator) -> float:
    return TRUTH[first] - TRUTH[second] + rng.normal(0, 0.15)


def length_loving(first: str, second: str, rng: np.random.Generator) -> float:
    return (LENGTH[first] - LENGTH[second]) / 50 + rng.normal(0, 0.3)


def always_first(first: str, second: str, rng: np.random.Generator) -> float:
    return 1.0


def coin(first: str, second: str, rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


def _outcome(margin: float) -> str:
    return "tie" if abs(margin) < 0.1 else "win" if margin > 0 else "loss"


def _judged(mind: Mind, *, both: bool = True, prompts: int = PROMPTS, seed: int = 0) -> Iterator[Judgment]:
    rng = np.random.default_rng(seed)
    for model, opponent in PAIRS:
        for number in range(prompts):
            prompt = f"p{number}"
            said = _outcome(mind(model, opponent, rng))
            yield judgment(prompt, said, model=model, opponent=opponent, source=mind.__name__)
            if both:
                said = _outcome(-mind(opponent, model, rng))
                yield judgment(
                    prompt, said, model=model, opponent=opponent, source=mind.__name__, order="opponent_first"
                )


def _people(prompts: int = PROMPTS, *, seed: int = 1) -> list[GoldLabel]:
    rng = np.random.default_rng(seed)
    outcomes: list[str] = [_outcome(truth_seeking("imitator", "target", rng)) for _ in range(prompts)]
    return [
        GoldLabel.model_validate(
            {"prompt_id": f"p{i}", "model": "imitator", "opponent": "target", "outcome": outcome, "num_raters": 3}
        )
        for i, outcome in enumerate(outcomes)
    ]


def _qualify(
    rows: Iterator[Judgment] | list[Judgment], gold: list[GoldLabel], policy: JudgePolicy = POLICY
) -> JudgeQualification:
    (found,) = qualify(
        rows, gold, policy, models={"base": "base", "target": "target"}, alpha=0.05, resamples=2000, seed=0
    )
    return found


def _fooled(found: JudgeQualification) -> Mapping[tuple[str, str], bool | None]:
    return {(row.arm, row.opponent): row.fooled for row in found.placebos}


def test_a_truth_seeking_judge_qualifies() -> None:
    found = _qualify(_judged(truth_seeking), _people())
    assert found.qualified
    assert found.reasons == ()
    assert set(_fooled(found).values()) == {False}
    assert len(found.placebos) == 4
    assert found.num_gold == PROMPTS
    assert found.gold_agreement is not None
    assert found.gold_agreement > 0.9


def test_a_judge_of_length_is_fooled_by_the_corrupted_target_and_by_dress() -> None:
    found = _qualify(_judged(length_loving), _people())
    assert not found.qualified
    fooled = _fooled(found)
    assert fooled["corrupted_target", "target"]
    assert fooled["restyled_base", "base"]
    # The constant is shorter than the target: length sees through it.
    assert fooled["constant", "target"] is False
    assert any(reason.startswith("corrupted_target: target is preferred in") for reason in found.reasons)


def test_a_judge_of_places_ties_with_everything_and_does_not_qualify() -> None:
    found = _qualify(_judged(always_first), _people())
    assert not found.qualified
    for row in found.placebos:
        assert row.opponent_preferred == 0.5
        assert row.ci is not None
        assert row.ci[0] < 0.45 < 0.55 < row.ci[1]
    assert _fooled(found)["constant", "target"]
    assert found.gold_agreement is not None
    assert found.gold_agreement < 0.2


def test_a_judge_of_places_that_was_asked_in_one_order_does_not_pass_for_a_seeker_of_truth() -> None:
    rows = [
        row.model_copy(update={"model": row.opponent, "opponent": row.model})
        for row in _judged(always_first, both=False)
    ]
    found = _qualify(rows, _people(), JudgePolicy(min_gold=0))
    assert set(_fooled(found).values()) == {False}
    assert not found.qualified
    assert found.reasons == (
        "placebos were judged in one order only: a liking for a place cannot be told from a preference",
    )


@pytest.mark.slow
def test_a_coin_rarely_qualifies_with_placebos_alone_and_never_with_people() -> None:
    no_gold = JudgePolicy(min_gold=0)
    passed = sum(_qualify(_judged(coin, seed=seed), [], no_gold).qualified for seed in range(40))
    # Two one-sided tests at 2.5%, both of which it must pass by luck.
    assert passed <= 1
    assert not any(_qualify(_judged(coin, seed=seed), _people()).qualified for seed in range(5))


def test_what_was_not_asked_is_said_and_is_no_pass() -> None:
    rows = [row for row in _judged(truth_seeking) if "constant" not in row.model]
    found = _qualify(rows, _people(30))
    assert not found.qualified
    assert found.reasons == (
        "constant was not put before it",
        "it judged 30 pairs that people labelled; 50 are demanded",
    )


def test_a_source_without_placebos_or_labels_has_no_entry() -> None:
    rows = [judgment("p1", "win")]
    assert qualify(rows, [], POLICY, models={}, alpha=0.05, resamples=100, seed=0) == ()


def test_a_few_prompts_are_too_few_to_tell() -> None:
    found = _qualify(_judged(truth_seeking, prompts=3), [], JudgePolicy(min_gold=0))
    assert _fooled(found)["constant", "target"] is None
    assert not found.qualified
    assert "too few to tell" in found.reasons[0]


def test_unreadable_verdicts_are_counted_and_decide_nothing() -> None:
    rows = [
        judgment(f"p{i}", None if i < 20 else "loss", model="placebo:constant", order="none") for i in range(60)
    ] + [judgment(f"p{i}", None, model="placebo:corrupted_target", order="none") for i in range(60)]
    found = _qualify(rows, [], JudgePolicy(min_gold=0))
    corrupted, constant = found.placebos
    assert (constant.n, constant.unscored, constant.opponent_preferred) == (40, 20, 1.0)
    assert (corrupted.n, corrupted.unscored, corrupted.opponent_preferred, corrupted.fooled) == (0, 60, None, None)
    assert found.reasons[0] == "corrupted_target: none of its 60 verdicts could be read"


def test_a_judge_without_order_can_qualify_and_the_untested_is_said() -> None:
    rows = [
        judgment(f"p{i}", "loss", model=f"placebo:{arm}", order="none")
        for arm in ("constant", "corrupted_target")
        for i in range(60)
    ]
    found = _qualify(rows, [], JudgePolicy(min_gold=0))
    assert found.qualified
    assert found.reasons == ("the order was not recorded: a liking for a place was not tested",)


def test_rows_written_the_other_way_round_say_the_same() -> None:
    rows = list(_judged(truth_seeking))
    turn = {"win": "loss", "tie": "tie", "loss": "win"}
    other = {"model_first": "opponent_first", "opponent_first": "model_first"}
    turned = [
        row.model_copy(
            update={
                "model": row.opponent,
                "opponent": row.model,
                "outcome": turn[str(row.outcome)],
                "order": other[row.order],
            }
        )
        for row in rows
    ]
    assert _qualify(turned, _people()) == _qualify(rows, _people())


@pytest.mark.slow
def test_intervals_cover_at_the_nominal_rate_with_ties() -> None:
    truth, covered, worlds = np.array([0.55, 0.2, 0.25]), 0, 300
    rng = np.random.default_rng(5)
    for _ in range(worlds):
        drawn = rng.choice(["loss", "tie", "win"], size=100, p=truth)
        rows = [judgment(f"p{i}", o, model="placebo:constant", order="none") for i, o in enumerate(drawn)]
        ((row,),) = (_qualify(rows, []).placebos,)
        assert row.ci is not None
        covered += row.ci[0] <= 0.65 <= row.ci[1]
    # Three standard errors of a share of 300 around 95%.
    assert 0.91 <= covered / worlds <= 0.99


def test_the_interval_of_the_agreement_resamples_prompts_not_pairs() -> None:
    rng = np.random.default_rng(3)
    rows: list[Judgment] = []
    gold: list[GoldLabel] = []
    hits = rng.random(40) < 0.7
    for prompt, hit in enumerate(hits):
        for pair in range(4):
            names = {"model": f"m{pair}", "opponent": "target"}
            rows.append(judgment(f"p{prompt}", "win" if hit else "loss", order="none", **names))
            gold.append(GoldLabel(prompt_id=f"p{prompt}", **names, outcome="win", num_raters=3))
    found = _qualify(rows, gold)
    assert found.num_gold == 160
    assert found.gold_agreement == pytest.approx(hits.mean())
    expected = stats.bootstrap((hits,), np.mean, n_resamples=20000, method="percentile", rng=1).confidence_interval
    assert found.gold_ci == pytest.approx((expected.low, expected.high), abs=0.026)


def test_a_pair_labelled_twice_and_an_unknown_placebo_are_refused() -> None:
    label = GoldLabel(prompt_id="p1", model="a", opponent="b", outcome="win", num_raters=3)
    turned = GoldLabel(prompt_id="p1", model="b", opponent="a", outcome="loss", num_raters=3)
    with pytest.raises(TouchstoneError, match="b against a is labelled twice on prompt p1"):
        _qualify([judgment("p1", "win")], [label, turned])
    with pytest.raises(TouchstoneError, match="judged placebo:sugar"):
        _qualify([judgment("p1", "win", model="placebo:sugar")], [])


def test_two_thousand_labelled_pairs_take_a_second() -> None:
    rows = [judgment(f"p{i}", "win", order="none") for i in range(2000)]
    gold = [
        GoldLabel(
            prompt_id=f"p{i}", model="imitator", opponent="target", outcome="loss" if i % 3 else "win", num_raters=3
        )
        for i in range(2000)
    ]
    started = time.process_time()
    assert _qualify(rows, gold).num_gold == 2000
    assert time.process_time() - started < 1.0
