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
from components.contracts.rows import Role
from components.contracts.unjudged import no_answer_by
from components.report.preferring.qualification import qualify
from components.report.quantiles import clopper_pearson
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
        rows,
        gold,
        policy,
        max_unscored=0.02,
        models={"base": "base", "target": "target"},
        alpha=0.05,
        resamples=2000,
        seed=0,
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
    # It says the same of the base and of the base in another dress, which is right.
    assert _fooled(found)["restyled_base", "base"] is False
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


def _said(arm: str, opponent: str, *said: str | None, order: str = "none") -> list[Judgment]:
    """One verdict a prompt on a placebo, in the placebo's words: loss = the real answer is preferred."""
    return [
        judgment(f"p{i}", outcome, model=f"placebo:{arm}", opponent=opponent, order=order)
        for i, outcome in enumerate(said)
    ]


def _sees_through(num: int = 100) -> list[Judgment]:
    """All that the policy demands."""
    said = ("loss",) * num
    return [*_said("corrupted_target", "target", *said), *_said("constant", "target", *said)]


NO_GOLD = JudgePolicy(min_gold=0)


@pytest.mark.parametrize("arm", ["restyled_base", "stylistic_base"])
@pytest.mark.parametrize("opponent", ["base", "target"])
def test_a_judge_that_prefers_the_base_in_another_dress_gates_nothing(arm: str, opponent: str) -> None:
    assert _qualify(_sees_through(), [], NO_GOLD).qualified
    found = _qualify([*_sees_through(), *_said(arm, opponent, *["win"] * 62, *["loss"] * 38)], [], NO_GOLD)
    assert not found.qualified
    assert found.reasons[0] == f"fooled by {arm}: {opponent} is preferred in 38% [28%, 48%] of 100"
    # As many say the other thing: nothing is preferred beyond chance, and both know the same.
    even = _qualify([*_sees_through(), *_said(arm, opponent, *["win"] * 50, *["loss"] * 50)], [], NO_GOLD)
    assert even.qualified
    assert _fooled(even)[arm, opponent] is False


def test_a_demanded_placebo_of_the_base_must_be_seen_through_beside_the_target() -> None:
    demanded = JudgePolicy(min_gold=0, placebos=("constant", "restyled_base"))
    even = [*_sees_through(), *_said("restyled_base", "target", *["win"] * 50, *["loss"] * 50)]
    assert _qualify(even, [], demanded).reasons[0].startswith("restyled_base: target is preferred in 50%")
    beside_base = [*_sees_through(), *_said("restyled_base", "base", *["loss"] * 100)]
    assert (
        _qualify(beside_base, [], demanded).reasons[0] == "restyled_base was put beside base and not beside the target"
    )


def test_a_placebo_that_is_not_demanded_can_still_fool() -> None:
    rows = _said("constant", "target", *["win"] * 100)
    found = _qualify(rows, [], JudgePolicy(min_gold=0, placebos=()))
    assert found.reasons[0] == "fooled by constant: target is preferred in 0% [0%, 4%] of 100"


@pytest.mark.parametrize(
    ("arm", "opponent"), [("corrupted_target", "base"), ("constant", "imitator"), ("restyled_base", "imitator")]
)
def test_beside_a_model_that_may_be_worse_a_placebo_says_nothing(arm: str, opponent: str) -> None:
    rows = [*_sees_through(), *_said(arm, opponent, *["win"] * 100)]
    models: dict[Role, str] = {"base": "base", "target": "target", "imitator": "imitator"}
    (found,) = qualify(rows, [], NO_GOLD, max_unscored=0.02, models=models, alpha=0.05, resamples=100, seed=0)
    assert found.qualified
    assert _fooled(found)[arm, opponent] is None


@pytest.mark.parametrize(("num", "limit", "passes"), [(4, 0.5, False), (5, 0.5, False), (6, 0.5, True)])
def test_few_verdicts_pass_only_where_a_coin_would_not(num: int, limit: float, passes: bool) -> None:
    found = _qualify(_sees_through(num), [], JudgePolicy(min_gold=0, min_over_placebo=limit))
    assert found.qualified is passes
    exact = stats.binomtest(num, num).proportion_ci(0.95, method="exact")
    assert found.placebos[0].ci == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(("wins", "losses"), [(1, 19), (30, 70), (0, 40), (57, 43)])
def test_the_interval_without_ties_is_the_exact_one(wins: int, losses: int) -> None:
    (row,) = _qualify(_said("constant", "target", *["win"] * wins, *["loss"] * losses), []).placebos
    exact = stats.binomtest(losses, wins + losses).proportion_ci(0.95, method="exact")
    assert row.ci == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize("ties", [0.0, 0.2, 0.5, 0.8])
def test_who_prefers_neither_passes_no_more_often_than_promised_at_any_number_and_with_any_ties(ties: float) -> None:
    drawn = np.array([(1 - ties) / 2, ties, (1 - ties) / 2])
    for n in range(1, 41):
        chance = np.ones(1)
        for _ in range(n):
            chance = np.convolve(chance, drawn)
        passed = [clopper_pearson(halves / 2, n, 0.05)[0] > 0.5 for halves in range(2 * n + 1)]
        assert chance[passed].sum() <= 0.025


def test_a_judge_whose_verdicts_can_mostly_not_be_read_is_not_passed() -> None:
    read, unread = ["loss"] * 10, [None] * 190
    rows = [*_said("corrupted_target", "target", *read, *unread), *_said("constant", "target", *["loss"] * 200)]
    found = _qualify(rows, [], NO_GOLD)
    assert not found.qualified
    assert found.reasons[0] == "corrupted_target: 190 of 200 verdicts could not be read; at most 2% may be so"


@pytest.mark.parametrize(("unread", "passes"), [(2, True), (3, False)])
def test_a_few_unreadable_verdicts_are_let_pass_as_the_policy_says(unread: int, passes: bool) -> None:
    some = [*["loss"] * (100 - unread), *[None] * unread]
    rows = [*_said("corrupted_target", "target", *some), *_said("constant", "target", *some)]
    assert _qualify(rows, [], NO_GOLD).qualified is passes


def test_placebos_that_could_not_be_made_are_no_fault_of_the_judge() -> None:
    name = "placebo:corrupted_target"
    reasons = (
        no_answer_by(name),
        no_answer_by(name, "nothing in it can be changed"),
        no_answer_by("target", "refused"),
    )
    missing = [
        judgment(f"q{number}-{i}", None, model=name, order="none").model_copy(update={"unscored": reason})
        for number, reason in enumerate(reasons)
        for i in range(20)
    ]
    found = _qualify([*_sees_through(), *missing], [], NO_GOLD)
    assert found.qualified
    assert (found.placebos[0].n, found.placebos[0].unscored) == (100, 60)
    none = _qualify([*missing, *_said("constant", "target", *["loss"] * 100)], [], NO_GOLD)
    assert none.reasons[0] == "corrupted_target was not put before it"


def test_one_placebo_in_one_order_only_is_not_hidden_by_the_others() -> None:
    rows = [
        *_said("constant", "target", *["loss"] * 60, order="model_first"),
        *_said("corrupted_target", "target", *["loss"] * 60, order="model_first"),
        *_said("corrupted_target", "target", *["loss"] * 60, order="opponent_first"),
    ]
    assert _qualify(rows, [], NO_GOLD).reasons == (
        "placebos were judged in one order only: a liking for a place cannot be told from a preference",
    )


def _labelled(num: int, agree: int, *, unread: int = 0) -> tuple[list[Judgment], list[GoldLabel]]:
    """One pair a prompt, on the first of which the judge says what people say."""
    said = [*["win"] * agree, *["loss"] * (num - agree), *[None] * unread]
    rows = [judgment(f"p{i}", outcome, order="none") for i, outcome in enumerate(said)]
    gold = [
        GoldLabel(prompt_id=f"p{i}", model="imitator", opponent="target", outcome="win", num_raters=3)
        for i in range(num + unread)
    ]
    return rows, gold


def test_the_agreement_counts_by_its_lower_bound() -> None:
    rows, gold = _labelled(60, 42)
    found = _qualify([*_sees_through(), *rows], gold)
    assert found.gold_agreement == pytest.approx(0.7)
    assert found.gold_ci is not None
    assert found.gold_ci[0] < POLICY.min_gold_agreement < found.gold_ci[1]
    assert not found.qualified
    assert found.reasons[0].startswith("agreement with people: the lower bound is 5")
    rows, gold = _labelled(600, 420)
    assert _qualify([*_sees_through(), *rows], gold).qualified


def test_labelled_pairs_that_it_could_not_be_read_on_count_against_it() -> None:
    rows, gold = _labelled(50, 50, unread=950)
    found = _qualify([*_sees_through(), *rows], gold)
    assert (found.num_gold, found.gold_agreement) == (50, 1.0)
    assert found.reasons[0] == (
        "pairs that people labelled: 950 of 1,000 verdicts could not be read; at most 2% may be so"
    )
    exact = stats.binomtest(50, 50).proportion_ci(0.95, method="exact")
    assert found.gold_ci == pytest.approx((exact.low, exact.high))


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
    assert qualify(rows, [], POLICY, max_unscored=0.02, models={}, alpha=0.05, resamples=100, seed=0) == ()


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
