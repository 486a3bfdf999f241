"""The study's open problem as arms of one sweep: what each changes in a recipe, and nothing else.

Order of data, batches, steps and warm-up are the plain arm's. `interpolation` is the plain arm's imitator, mixed with
its base by the step `interpolate`: no training of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.contracts.errors import UsageError
from components.train.recipe import Recipe

PLAIN, INTERPOLATION = "plain", "interpolation"
LOWER = 0.1
ADAPTER_RATE = 2e-4
"""The usual rate of adapters with AdamW (Hu et al. 2022, table 11, for GPT-2)."""


def _mitigated(**fields: Any) -> Callable[[Recipe], dict[str, Any]]:
    return lambda recipe: {"mitigation": {**recipe.mitigation.model_dump(exclude_unset=True), **fields}}


def _adapters(recipe: Recipe) -> dict[str, Any]:
    # The study's optimizer moves a matrix by its own size, and an adapter begins at zero.
    own = {"optimizer": "adamw", "learning_rate": ADAPTER_RATE} if recipe.optimizer != "adamw" else {}
    return {**own, **_mitigated(lora={})(recipe)}


ARMS: Mapping[str, Callable[[Recipe], dict[str, Any]]] = {
    PLAIN: lambda _: {},
    "lower_rate": lambda recipe: {"learning_rate": recipe.learning_rate * LOWER},
    "replay_1": _mitigated(replay_share=0.01),
    "replay_5": _mitigated(replay_share=0.05),
    "replay_25": _mitigated(replay_share=0.25),
    "kl": _mitigated(kl_beta=0.1),
    "subspace": _mitigated(unfreeze_rank_ratio=0.25),
    "dft": _mitigated(loss="dft"),
    "lora": _adapters,
    INTERPOLATION: lambda _: {},
}
"""Name -> fields of the recipe that differ from the plain arm's."""


def arm(name: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of an arm.

    Args:
        name: One of ARMS.
        recipe: Fields of the plain arm's Recipe.

    Raises:
        UsageError: there is no such arm.
    """
    if name not in ARMS:
        raise UsageError(f"there is no mitigation called {name}", expected=", ".join(ARMS))
    return {**recipe, **ARMS[name](Recipe.of(recipe))}


def replays(name: str) -> bool:
    """Whether an arm reads pre-training texts again, which `train` is then given."""
    return "replay_share" in arm(name, {}).get("mitigation", {})
