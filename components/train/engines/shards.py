"""Tensors that lie in several processes: put together in the chief, and shared out again."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor


def local(value: Any) -> Any:
    """What this process holds of a tensor: its shard, or all of it. A view: changing it changes the tensor."""
    return value.to_local() if isinstance(value, DTensor) else value


@torch.no_grad()
def gathered(value: Any) -> Any:
    """A copy of the whole tensor on the CPU, in the chief; None in the others, which must all call it too."""
    value = value.detach()
    whole = value.full_tensor() if isinstance(value, DTensor) else value
    if dist.is_initialized() and dist.get_rank() != 0:
        return None
    return whole.to("cpu", copy=True).contiguous()


@torch.no_grad()
def shared_out(like: Any, whole: Any) -> Any:
    """A tensor that lies where `like` lies, with the values of the chief's `whole`.

    Args:
        like: Shape, type, device and sharding.
        whole: The whole tensor in the chief; ignored in the others, which must all call it too.
    """
    full = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    if dist.get_rank() == 0:
        full.copy_(whole)
    if isinstance(like, DTensor):
        return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=0)
    dist.broadcast(full, src=0)
    return full


def summed_squares(values: list[Any]) -> Any:
    """Sum of the squares of each tensor, over all its shards: (len(values),), in fp32 at least."""
    wide = torch.promote_types(values[0].dtype, torch.float32)
    sums = torch.stack([local(value).to(wide).square().sum() for value in values])
    if any(isinstance(value, DTensor) for value in values):
        dist.all_reduce(sums)
    return sums
