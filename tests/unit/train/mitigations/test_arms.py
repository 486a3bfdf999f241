import pytest

from components.contracts.errors import UsageError
from components.train.mitigations.arms import ARMS, arm
from components.train.recipe import Recipe

ORDER = ("batch_size", "block_tokens", "isolated", "epochs", "data_order", "warmup_steps", "schedule")
PLAIN = {"optimizer": "adamw_parameter_scaled", "learning_rate": 2e-3, "batch_size": 8}


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_is_a_recipe_with_the_plain_arms_order_of_data(name: str) -> None:
    made, plain = Recipe.model_validate(arm(name, PLAIN)), Recipe.model_validate(PLAIN)
    for field in ORDER:
        assert getattr(made, field) == getattr(plain, field)


def test_arms_differ_in_what_they_are_named_after() -> None:
    made = {name: Recipe.model_validate(arm(name, PLAIN)) for name in ARMS}
    assert made["lower_rate"].learning_rate == pytest.approx(2e-4)
    assert made["replay_5"].mitigation.replay_share == 0.05
    assert made["kl"].mitigation.kl_beta > 0
    assert made["dft"].mitigation.loss == "dft"
    assert made["subspace"].mitigation.unfreeze_rank_ratio == 0.25
    assert made["lora"].mitigation.lora is not None
    assert made["plain"] == made["interpolation"] == Recipe.model_validate(PLAIN)
    alike = [recipe.model_dump_json() for name, recipe in made.items() if name != "interpolation"]
    assert len(set(alike)) == len(alike)


def test_an_arm_keeps_what_the_plain_recipe_already_does() -> None:
    made = Recipe.model_validate(
        arm("kl", {**PLAIN, "mitigation": {"replay_share": 0.05, "kl_direction": "model_to_base"}})
    )
    assert made.mitigation.replay_share == 0.05
    assert made.mitigation.kl_direction == "model_to_base"


def test_an_unknown_arm_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no mitigation called prayer") as raised:
        arm("prayer", PLAIN)
    assert "replay_5" in raised.value.expected
