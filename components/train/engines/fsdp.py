"""FSDP2: a model of which each process holds a part."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from components.train.engines.engine import Engine
from components.train.engines.shards import gathered
from components.train.engines.skeleton import fill, named_weights, skeleton_of


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


def decoder_layers(model: Any) -> list[Any]:
    """The repeated blocks of a transformers model, as the architecture names them; else its longest list of modules."""
    names = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in names]
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    return layers or list(max(lists, key=len, default=()))
