"""Every process holds the whole model: gradients are summed while the backward pass is still at work on others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist

from components.train.chunking import Blocks
from components.train.engines.engine import Engine
from components.train.engines.group import Group

BUCKET_ELEMENTS = 8 << 20
"""Gradients are summed so many numbers at a time: few enough to fit beside the model, enough to keep a network busy."""


class Bucket:
    """Parameters whose gradients travel together."""

    def __init__(self, params: Sequence[Any]) -> None:
        """Nothing is on its way."""
        self.params = params
        self.missing = len(params)
        """Gradients of this step that are not there yet."""
        self._flat: Any = None
        self._work: Any = None

    def send(self) -> None:
        """Begin to sum; what this process has no gradient of counts as zero."""
        pieces = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        self._flat = torch.cat([piece.reshape(-1) for piece in pieces])
        self._work = dist.all_reduce(self._flat, async_op=True)

    def receive(self) -> None:
        """Wait for the sum, and make it the gradients."""
        self._work.wait()
        for p, summed in zip(self.params, self._flat.split([p.numel() for p in self.params]), strict=True):
            if p.grad is None:
                p.grad = torch.empty_like(p)
            p.grad.copy_(summed.view_as(p))
        self.missing, self._flat, self._work = len(self.params), None, None


class Ddp(Engine):
    """Every process holds the whole model; gradients are summed.

    A bucket is sent as soon as the last part of the batch has made its gradients. All processes must send buckets in
    one order, whatever parameters they used: a bucket waits for those before it, and what is left when the backward
    pass ends, or never began for want of rows, is sent then.
    """

    def __init__(self, group: Group) -> None:
        """Work for one process of `group`."""
        super().__init__(group)
        self.early = 0
        """Buckets, of all steps, that were on their way before the backward pass had ended."""
        self._buckets: list[Bucket] = []
        self._sent = 0
        self._last_part = False
        self._hooks: list[Any] = []

    def place(self, model: Any) -> Any:
        """Give all processes the chief's weights."""
        with torch.no_grad():
            for value in (*model.parameters(), *model.buffers()):
                dist.broadcast(value, src=0)
        # Gradients come in the reverse order of the layers, about.
        self._buckets = [Bucket(params) for params in _filled([p for p in model.parameters() if p.requires_grad][::-1])]
        for bucket in self._buckets:
            for p in bucket.params:
                made = p.register_post_accumulate_grad_hook(lambda _, bucket=bucket: self._made(bucket))
                self._hooks.append(made)
        return model

    def parts(self, batch: Blocks, rows: int) -> Iterator[Blocks]:
        """As `Engine.parts`; only the last one's gradients are whole."""
        own = list(super().parts(batch, rows))
        for at, part in enumerate(own):
            self._last_part = at == len(own) - 1
            yield part

    def send(self) -> None:
        """Send what is left."""
        for bucket in self._buckets[self._sent :]:
            bucket.send()
        self._sent, self._last_part = len(self._buckets), False

    def add_up(self, model: Any) -> None:
        """Wait for the sums. A parameter that nobody used is left without a gradient."""
        params = [p for bucket in self._buckets for p in bucket.params]
        used = torch.tensor([p.grad is not None for p in params], dtype=torch.uint8)
        dist.all_reduce(used, op=dist.ReduceOp.MAX)
        for bucket in self._buckets:
            bucket.receive()
        for p, anywhere in zip(params, used.tolist(), strict=True):
            if not anywhere:
                p.grad = None
        self._sent = 0

    def plain(self, model: Any) -> Any:
        """The model, whose gradients go nowhere any more."""
        for hook in self._hooks:
            hook.remove()
        return model

    def _made(self, bucket: Bucket) -> None:
        """A gradient of this part is there."""
        if not self._last_part:
            return
        bucket.missing -= 1
        while self._sent < len(self._buckets) and self._buckets[self._sent].missing == 0:
            self._buckets[self._sent].send()
            self._sent += 1
            self.early += 1


def _filled(params: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut into buckets, of one kind of number each."""
    bucket: list[Any] = []
    for p in params:
        full = sum(other.numel() for other in bucket) + p.numel() > BUCKET_ELEMENTS
        if bucket and (full or p.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(p)
    if bucket:
        yield bucket
