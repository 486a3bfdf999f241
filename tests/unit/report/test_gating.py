"""What a policy demands of preferences: judges that may gate are asked, the others are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from components.contracts.errors import UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_rows import StyleFeatures
from components.contracts.rows import Role
from components.contracts.verdict import Verdict
from components.report.decision import decide
from components.report.policy import Policy, policy_from
from components.report.wording import gate_words
from tests.unit.report.rows_for_tests import judgment

PROMPTS = 200
MODELS: dict[Role, str] = {"base": "base", "imitator": "imitator", "target": "target"}


def _judged(source: str, wins: int, *, sees: bool = True) -> list[Judgment]:
    """A judge that prefers the imitator on so many of 200 prompts, and sees through placebos or prefers them."""
    pairs = [("imitator", ["win"] * wins + ["loss"] * (PROMPTS - wins))]
    pairs += [(f"placebo:{arm}", ["loss" if sees else "win"] * PROMPTS) for arm in ("corrupted_target", "constant")]
    return [
        judgment(f"p{number}", outcome, source=source, model=model, order=order)
        for model, outcomes in pairs
        for number, outcome in enumerate(outcomes)
        for order in ("model_first", "opponent_first")
    ]


def _decided(rows: Iterable[Judgment], *, features: Iterable[StyleFeatures] = (), **demands: float) -> Verdict:
    policy = policy_from({"judges": {"min_gold": 0, **demands}}, where="here")
    return decide(judgments=rows, features=features, policy=policy, models=MODELS, resamples=200)


def test_nothing_is_demanded_unless_the_policy_says_so() -> None:
    found = _decided(_judged("sees", 20))
    assert (found.gate, found.gate_missing) == ("pass", ())
    assert gate_words(found).endswith("which sets no gate")


@pytest.mark.parametrize(("wins", "passes"), [(20, False), (110, False), (120, True)])
def test_a_judge_that_may_gate_must_meet_the_demand_by_its_lower_bound(wins: int, passes: bool) -> None:
    found = _decided(_judged("sees", wins), require_at_least_target=0.5)
    assert found.preference[0].qualified
    assert (found.gate == "pass") is passes
    assert (found.gate_missing == ()) is passes
    assert gate_words(found).startswith("Gate passed" if passes else "Gate not passed")
    if not passes:
        (said,) = found.gate_missing
        assert said.startswith("sees: at least as good as the target: the lower bound is")
        assert f"The gate is not passed: {said}." in found.warnings


@pytest.mark.parametrize("wins", [20, 180])
@pytest.mark.parametrize("liked", [0, 100, 200])
def test_a_judge_that_may_not_gate_neither_meets_a_demand_nor_misses_it(wins: int, liked: int) -> None:
    alone = _decided(_judged("sees", wins), require_at_least_target=0.5)
    beside = _decided([*_judged("fooled", liked, sees=False), *_judged("sees", wins)], require_at_least_target=0.5)
    assert {row.source: row.qualified for row in beside.preference} == {"fooled": False, "sees": True}
    assert (beside.gate, beside.gate_missing) == (alone.gate, alone.gate_missing)


@pytest.mark.parametrize("liked", [0, 200])
def test_where_no_judge_may_gate_the_demand_is_not_met_whatever_the_others_say(liked: int) -> None:
    untried = [row.model_copy(update={"source": "untried"}) for row in _judged("x", liked) if row.model == "imitator"]
    found = _decided([*_judged("fooled", liked, sees=False), *untried], require_at_least_target=0.5)
    assert found.gate == "fail"
    assert found.gate_missing == (
        "no judge that may gate compared the imitator with the target; fooled and untried may not gate",
    )
    assert _decided([], require_adjusted=0.5).gate == "fail"


def test_the_best_of_several_judges_is_not_enough() -> None:
    found = _decided([*_judged("one", 180), *_judged("two", 100)], require_at_least_target=0.5)
    assert [said.split(":")[0] for said in found.gate_missing] == ["two"]


def _surface(longer: Sequence[bool]) -> list[StyleFeatures]:
    """Where the imitator's answer is the longer one, prompt by prompt."""
    plain = {"list_items": 0, "headers": 0, "bold_runs": 0, "has_summary": False}
    return [
        StyleFeatures.model_validate({"prompt_id": f"p{number}", "model": model, "words": words, **plain})
        for number, more in enumerate(longer)
        for model, words in (("imitator", 300 if more else 100), ("target", 200))
    ]


def test_a_preference_that_style_explains_does_not_meet_the_adjusted_demand() -> None:
    # Preferred on 130 of 200 prompts: on 120 of the 150 where it is longer, on 10 of the 50 where it is shorter.
    rows, demand = _judged("sees", 130), {"require_at_least_target": 0.55, "require_adjusted": 0.55}
    longer = [n < 120 or 130 <= n < 160 for n in range(PROMPTS)]
    explained = _decided(rows, features=_surface(longer), **demand)
    assert [said.split(":")[1].strip() for said in explained.gate_missing] == ["the style-adjusted share"]
    # Here it is longer on every other prompt, whoever is preferred.
    unrelated = _decided(rows, features=_surface([n % 2 == 0 for n in range(PROMPTS)]), **demand)
    assert unrelated.gate_missing == ()


def test_a_demand_on_a_number_that_is_not_known_is_not_met() -> None:
    (said,) = _decided(_judged("sees", 150), require_adjusted=0.5).gate_missing
    assert (
        said
        == "sees: the style-adjusted share: 50% is demanded, and it is not known (the style regression was not fitted)"
    )


def test_a_required_verdict_and_a_required_preference_must_both_be_there() -> None:
    policy = Policy.model_validate({"require": ["CAPABILITY"], "judges": {"min_gold": 0, "require_adjusted": 0.5}})
    found = decide(judgments=_judged("sees", 20), policy=policy, models=MODELS, resamples=200)
    assert found.gate == "fail"
    assert found.gate_missing[0] == "INCONCLUSIVE is not among what policy study requires"
    assert len(found.gate_missing) == 2


def test_a_demand_above_one_is_refused() -> None:
    with pytest.raises(UsageError, match=r"judges\.require_adjusted"):
        policy_from({"judges": {"require_adjusted": 55}}, where="strict.yaml")
