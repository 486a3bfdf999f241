"""Which engine a name means for a group of processes, and what it cannot do."""

from __future__ import annotations

from components.contracts.errors import TouchstoneError, UsageError
from components.train.engines.engine import Engine
from components.train.engines.fsdp import Fsdp
from components.train.engines.group import Group
from components.train.engines.replicas import Ddp
from components.train.params import Engine as Name
from components.train.recipe import Recipe


def engine_of(name: Name, group: Group, *, offload: bool = False) -> Engine:
    """The engine called `name` for this process.

    Raises:
        TouchstoneError: an engine for one process was asked of several processes.
    """
    if name in ("single", "tpu") and not group.alone:
        raise TouchstoneError(
            f"engine {name} trains in one process, and there are {group.world_size}",
            expected="engine ddp (every process holds the model) or fsdp (the model is shared out)",
            remedy="set engine: ddp in the parameters of train, or processes: 1",
        )
    if group.alone:
        return Engine(group)
    if name.startswith("zero"):
        from components.train.engines.zero import Zero  # only where it is asked for: DeepSpeed may not be there

        return Zero(group, int(name.removeprefix("zero")), offload=offload)
    return Fsdp(group) if name == "fsdp" else Ddp(group)


def check_engine(name: Name, recipe: Recipe) -> None:
    """Refuse what cannot be had together.

    Raises:
        UsageError: a mitigation that works on whole matrices, of a model that is shared out; zero3 with a batch in
            parts.
    """
    if name == "zero3" and recipe.rows_at_once:
        # DeepSpeed 0.19.8 adds up the gradients of the parts wrongly here: losses were off by 0.18 nats in a trial.
        raise UsageError(
            "engine zero3 cannot take a batch in parts, and rows_at_once is set",
            expected="rows_at_once: 0 with it",
            remedy="set engine: fsdp, which shares out the same and can",
        )
    wanted = recipe.mitigation
    asked = {"unfreeze_rank_ratio": wanted.unfreeze_rank_ratio}
    if name != "fsdp":
        asked |= {"kl_beta": wanted.kl_beta, "lora": wanted.lora}  # type: ignore[dict-item]
    named = [field for field, value in asked.items() if value]
    if name not in ("single", "ddp") and named:
        instead = "ddp" if "unfreeze_rank_ratio" in named else "ddp or fsdp"
        raise UsageError(
            f"engine {name} shares weights or moments out, and mitigation.{named[0]} is not made for that",
            expected=f"engine single, {instead} with it",
            remedy="set engine: ddp",
        )


def loading_device(name: Name, group: Group) -> str | None:
    """Where a model is loaded: one that is shared out need never be whole on an accelerator."""
    return "cpu" if name == "tpu" or (name == "fsdp" and not group.alone) else None
