"""Judges and raters in the verdict: placebos say who may be believed, and never count as a preference."""

from __future__ import annotations

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_rows import GoldLabel, StyleFeatures, ToneScore, placebo_model
from components.contracts.rows import Score
from components.report.decision import decide
from components.report.policy import Policy, policy_from

MODELS = {"base": "b", "imitator": "i", "target": "t"}
PROMPTS = [f"p{n}" for n in range(120)]


def judged(model: str, outcome: str, source: str = "judge") -> list[Judgment]:
    """Both orders of every prompt, always the same outcome."""
    return [
        Judgment(prompt_id=prompt, source=source, rater=source, model=model, opponent="t", outcome=outcome, order=order)
        for prompt in PROMPTS
        for order in ("model_first", "opponent_first")
    ]


def placebos(corrupted: str, constant: str = "loss") -> list[Judgment]:
    return judged(placebo_model("corrupted_target"), corrupted) + judged(placebo_model("constant"), constant)


def labels(outcome: str) -> list[GoldLabel]:
    return [GoldLabel(prompt_id=p, model="i", opponent="t", outcome=outcome, num_raters=3) for p in PROMPTS]


def test_a_judge_that_sees_through_placebos_and_agrees_with_people_may_gate() -> None:
    verdict = decide(judgments=judged("i", "loss") + placebos("loss"), gold=labels("loss"), models=MODELS)
    assert [row.model for row in verdict.preference] == ["i"], "placebos are no models"
    assert verdict.preference[0].qualified is True
    assert not any("gates nothing" in line for line in verdict.warnings)


def test_a_judge_that_prefers_a_placebo_is_shown_and_gates_nothing() -> None:
    verdict = decide(judgments=judged("i", "loss") + placebos("win"), gold=labels("loss"), models=MODELS)
    assert verdict.preference[0].qualified is False
    assert verdict.preference[0].losses == len(PROMPTS)
    (judge,) = verdict.judges
    assert {p.arm: p.fooled for p in judge.placebos} == {"corrupted_target": True, "constant": False}
    assert any(line.startswith("judge is shown and gates nothing") for line in verdict.warnings)


def test_without_placebos_and_labels_nobody_is_tried() -> None:
    verdict = decide(judgments=judged("i", "loss"), models=MODELS)
    assert verdict.judges == ()
    assert verdict.preference[0].qualified is None


def test_the_policy_says_what_is_demanded() -> None:
    lenient = policy_from({"judges": {"min_gold": 0}}, where="test")
    rows = judged("i", "loss") + placebos("loss")
    assert decide(judgments=rows, models=MODELS, policy=lenient).preference[0].qualified is True
    assert decide(judgments=rows, models=MODELS, policy=Policy()).preference[0].qualified is False


def test_features_adjust_the_preference_for_style() -> None:
    # The longer answer wins four times out of five, whoever wrote it, and the imitator's is mostly the longer one.
    def longer(number: int) -> bool:
        return number % 4 != 0

    def wins(number: int) -> bool:
        return longer(number) == (number % 5 != 0)

    rows = [
        Judgment(
            prompt_id=prompt,
            source="judge",
            rater="judge",
            model="i",
            opponent="t",
            outcome="win" if wins(number) else "loss",
            order="model_first" if number % 2 else "opponent_first",
        )
        for number, prompt in enumerate(PROMPTS)
    ]
    features = [
        StyleFeatures(
            prompt_id=prompt,
            model=model,
            words=200 if (model == "i") == longer(number) else 100,
            list_items=0,
            headers=0,
            bold_runs=0,
            has_summary=False,
        )
        for number, prompt in enumerate(PROMPTS)
        for model in ("i", "t")
    ]
    plain = decide(judgments=rows, models=MODELS).preference[0]
    adjusted = decide(judgments=rows, features=features, models=MODELS).preference[0]
    assert plain.adjusted is None
    assert adjusted.at_least_target == plain.at_least_target == 0.65
    assert adjusted.adjusted is not None
    assert abs(adjusted.adjusted - 0.5) < 0.05


def test_tone_is_crossed_with_error_but_not_on_behaviour() -> None:
    scores = [
        Score(item_id=f"q{n}", benchmark=name, model="i", value=float(n % 2 == 0))
        for name in ("nq_open", "toxicity")
        for n in range(40)
    ]
    tones = [
        ToneScore(item_id=row.item_id, benchmark=row.benchmark, model="i", scorer="lexical", authoritative=0.9)
        for row in scores
    ]
    base = [row.model_copy(update={"model": "b"}) for row in scores]
    verdict = decide(base_scores=base, imitator_scores=scores, tones=tones, models=MODELS)
    (cell,) = verdict.confidently_wrong
    assert (cell.benchmark, cell.role, cell.sure_and_wrong) == ("nq_open", "imitator", 0.5)


def test_flips_are_null_where_no_rater_saw_both_orders() -> None:
    half = [row for n, row in enumerate(judged("i", "win")) if n % 4 in (0, 3)]
    assert {row.order for row in half} == {"model_first", "opponent_first"}
    assert decide(judgments=half, models=MODELS).preference[0].order_flips is None
    assert decide(judgments=judged("i", "win"), models=MODELS).preference[0].order_flips == 0
