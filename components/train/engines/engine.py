"""What each of several processes holds of a model, and how their parts of a step become one."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from components.contracts.errors import TouchstoneError, UsageError
from components.train.chunking import Blocks
from components.train.engines.group import Group
from components.train.engines.shards import gathered
from components.train.optimizers import clip_by_global_norm
from components.train.params import Engine as Name
from components.train.recipe import Recipe


class Engine:
    """One process that holds the whole model. Its subclasses share the rows of a batch, or the weights as well."""

    lockstep = False
    """Whether every process must go through the model equally often, with nothing to learn if need be."""

    def __init__(self, group: Group | None = None) -> None:
        """Work for one process of `group`; None = there is one."""
        self.group = group or Group()

    def place(self, model: Any) -> Any:
        """Make a model ready to be trained here, the same in all processes; gives what to train."""
        return model

    def place_frozen(self, model: Any) -> None:
        """Make a model ready, in place, that is read beside the trained one and never changed."""

    def begin_step(self, seed: int, step: int) -> None:
        """Draw this step's random numbers (dropout) from seed, step and process: a state need not hold them all."""
        if not self.group.alone:
            torch.manual_seed((seed << 40) ^ (step << 12) ^ self.group.rank)

    def parts(self, batch: Blocks, rows: int) -> Iterator[Blocks]:
        """This process's rows of a batch, at most `rows` at a time (0 = all of its own).

        Every world_size-th row is its own. In lockstep all processes get equally many parts: one that has no rows left
        gets a row of which nothing is learned.

        Args:
            batch: B blocks, the same in all processes.
            rows: Blocks that go through the model together.
        """
        own = Blocks(*(part[self.group.rank :: self.group.world_size] for part in batch))
        most = math.ceil(len(batch.tokens) / self.group.world_size)
        rows = rows or most
        for start in range(0, most, rows):
            part = Blocks(*(values[start : start + rows] for values in own))
            if len(part.tokens):
                yield part
            elif self.lockstep:
                yield Blocks(batch.tokens[:1], torch.zeros_like(batch.learned[:1]), batch.positions[:1])

    def idle(self, model: Any, part: Blocks, frozen: Any = None) -> None:
        """Where all go in lockstep: through the model for nothing, for the others need this one's weights.

        Args:
            model: What is trained.
            part: At least one block.
            frozen: What is read beside it, if anything: the others go through it too.
        """
        if not self.lockstep:
            return
        row = Blocks(*(values[:1].to(model.device) for values in part))
        given = {"input_ids": row.tokens, "position_ids": row.positions, "use_cache": False}
        said = model(**given).logits
        if frozen is not None:
            with torch.no_grad():
                frozen(**given)
        self.backward(said.sum() * 0.0)

    def adopt(self, model: Any, optimizer: Any, max_norm: float) -> Any:
        """Take an optimizer over; gives what a state is taken from, with the optimizer's groups."""
        return optimizer

    def backward(self, loss: Any) -> None:
        """Add the gradients of a part of a batch."""
        loss.backward()

    def send(self) -> None:
        """Called when this process has all its gradients of a step, before anything else is said to the others."""

    def add_up(self, model: Any) -> None:
        """Make the gradients those of the whole batch. Each process has divided by the whole's learned tokens."""

    def change(self, model: Any, optimizer: Any, max_norm: float) -> Any:
        """Change the weights by the gradients of all processes, and forget these; gives their norm before clipping."""
        self.add_up(model)
        norm = clip_by_global_norm(model.parameters(), max_norm)
        optimizer.step()
        optimizer.zero_grad()
        return norm

    def plain(self, model: Any) -> Any:
        """The trained model without anything of this engine; complete in the chief only."""
        return model


class Fsdp(Engine):
    """Weights, gradients and moments are shared out (FSDP2): a decoder layer is whole only while it is worked on."""

    lockstep = True

    def place(self, model: Any) -> Any:
        """Shard a model in place, layer by layer, onto this process's device."""
        self._skeleton = skeleton_of(model)
        # It warns of logits that are changed in place; ours are only read.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        self._mesh = init_device_mesh(kind, (self.group.world_size,))
        for layer in decoder_layers(model):
            fully_shard(layer, mesh=self._mesh)
        fully_shard(model, mesh=self._mesh)
        for module in model.modules():
            if isinstance(module, FSDPModule):
                # Sums, not means: each process has divided by the tokens of the whole batch.
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)
        return model

    def place_frozen(self, model: Any) -> None:
        """Shard it as the trained one; what lies outside its layers too is given up after each pass."""
        for layer in decoder_layers(model):
            fully_shard(layer, mesh=self._mesh)
        # Without a backward pass the root would stay whole.
        fully_shard(model, mesh=self._mesh, reshard_after_forward=True)

    def plain(self, model: Any) -> Any:
        """Gather every weight in the chief, in the ordinary model that `place` was given (on the CPU)."""
        whole = {name: gathered(value) for name, value in named_weights(model).items()}
        if self.group.chief:
            fill(self._skeleton, whole)
        return self._skeleton


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
    if name == "fsdp":
        return Fsdp(group)
    from components.train.engines.replicas import Ddp

    return Ddp(group)


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


def decoder_layers(model: Any) -> list[Any]:
    """The repeated blocks of a transformers model, as the architecture names them; else its longest list of modules."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in names]
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    return layers or list(max(lists, key=len, default=()))


def skeleton_of(model: Any) -> Any:
    """An ordinary model to come back to: its weights have a shape and no storage until then."""
    empty = {id(p): torch.nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, memo=dict(empty))


def fill(skeleton: Any, whole: dict[str, Any]) -> None:
    """Give a skeleton its weights, those that are tied under each of their names.

    Args:
        skeleton: Of `skeleton_of`.
        whole: By the names of `named_weights`.
    """
    first: dict[int, Any] = {}
    filled: dict[str, Any] = {}
    for name, value in skeleton.state_dict(keep_vars=True).items():
        if id(value) not in first:
            made = whole[name]
            own = isinstance(value, torch.nn.Parameter)
            first[id(value)] = torch.nn.Parameter(made, value.requires_grad) if own else made
        filled[name] = first[id(value)]
    skeleton.load_state_dict(filled, assign=True)


def named_weights(model: Any) -> dict[str, Any]:
    """Everything a state holds of a model, by name; of tied weights the first name only."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found
