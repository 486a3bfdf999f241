"""The training loss from hidden states: only what is learned goes through the vocabulary, a piece at a time.

The logits of a batch are its largest tensor by far (32 blocks of 2,048 tokens with 32,000 words: 8 GB in fp32), and
most of them are not needed: what users say is read, not learned. Here the model's own forward pass runs with the
vocabulary projection replaced: it sees hidden states of predicting positions only, and, for plain cross-entropy, takes
their gradient a piece at a time, so that no more than a piece of the logits ever exists. The projection is replaced
inside the model's call, not beside it, so that whatever wraps the model (gathered or sharded weights) works as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from components.train.chunking import Blocks
from components.train.documents import Rows, attention_within, may_be_flat, rows_of
from components.train.mitigations.hooks import Measured, Objective
from components.train.speed import Work

PIECE_ROWS = 256
"""Rows of logits that exist together on a CPU: 256 x 32,000 in fp32 are 32 MB, about a last-level cache."""
PIECE_ROWS_GPU = 2048
PROBE_TOKENS = 8
LARGEST_DRIFT = 1e-4
"""Relative, in fp32. Ways of computing that are equal differ by far less, others by far more."""


class LearnedLoss:
    """The loss of a model over the learned tokens of blocks, in the cheapest way that is exact for this model."""

    def __init__(
        self, model: Any, *, isolated: bool, block_tokens: int, objective: Objective | None = None, context: Any = None
    ) -> None:
        """Try on a few tokens which ways of computing are exact for `model`, rather than know architectures.

        Args:
            model: A causal LM of transformers, possibly with adapters.
            isolated: Documents of a block do not read each other.
            block_tokens: T of the blocks to come.
            objective: Of the learned tokens' logits in fp32; None = cross-entropy, for which they need not exist.
            context: Makes the context to compute in, such as autocast.
        """
        self.model, self.objective, self._context = model, objective, context or nullcontext
        self.work = Work()
        """What the forward passes have had to do so far."""
        self.head = model.get_output_embeddings()
        with _evaluating(model):
            self.selects = self.head is not None and _head_selects(self)
            self.fused = self.selects and _head_says_logits(self)
            self.flat = isolated and may_be_flat(model, block_tokens) and _documents_flat(self)

    @contextmanager
    def of(self, blocks: Blocks, total: int, *, forward: Any = None) -> Iterator[Measured | None]:
        """The loss of a part of a batch; `backward` is called on it before the context ends.

        Args:
            blocks: The part, best on the CPU: what has to be computed is found there.
            total: Learned tokens of the whole batch; the part's sums are divided by it.
            forward: What to call in place of `model`: the same with something around it.

        Yields:
            Both in nats per learned token of the batch; None where the part teaches nothing.
        """
        rows = rows_of(blocks, flat=self.flat)
        if not len(rows.targets):
            yield None
            return
        self.work = self.work.plus(Work(rows.tokens.numel(), len(rows.targets), int((rows.positions + 1).sum())))
        if self.objective is not None:
            blocks = Blocks(*(part.to(self.model.device) for part in blocks))
        rows = rows.on(self.model.device)
        with self._context():
            measured = self._measured(blocks, rows, forward or self.model, 1.0 / total)
        with attention_within(self.model, rows.lengths):  # activations may be computed again
            yield measured

    def logits(self, rows: Rows, forward: Any = None) -> Any:
        """What the model says where it predicts a learned token: (N, V) fp32, differentiable."""
        forward = forward or self.model
        if not self.selects:
            said = self._said(rows, forward)
            return said.flatten(0, 1).index_select(0, rows.predicting).float()
        with _replaced(self.head, lambda head: lambda hidden: head(_selected(hidden, rows)[None])):
            return self._said(rows, forward)[0].float()

    def _measured(self, blocks: Blocks, rows: Rows, forward: Any, scale: float) -> Measured:
        if self.objective is not None:
            made = self.objective(blocks, self.logits(rows, forward), rows.targets)
            return Measured(made.loss * scale, made.cross_entropy * scale)
        if self.fused:
            loss = self.fused_loss(rows, scale, forward)
        else:
            loss = functional.cross_entropy(self.logits(rows, forward), rows.targets, reduction="sum") * scale
        return Measured(loss, loss.detach())

    def fused_loss(self, rows: Rows, scale: float, forward: Any) -> Any:
        """Cross-entropy, summed and times `scale`, with a piece of the logits at a time."""

        def replacement(head: Any) -> Any:
            def loss(hidden: Any) -> Any:
                chosen = _selected(hidden, rows)
                if type(self.head) is torch.nn.Linear:
                    return cross_entropy(chosen, self.head.weight, self.head.bias, rows.targets, scale)
                return by_pieces(head, chosen, rows.targets) * scale  # adapted, or split into parts

            return loss

        with _replaced(self.head, replacement):
            return self._said(rows, forward).sum()

    def _said(self, rows: Rows, forward: Any) -> Any:
        with attention_within(self.model, rows.lengths):
            return _said(forward, rows)


def cross_entropy(hidden: Any, weight: Any, bias: Any, targets: Any, scale: float) -> Any:
    """Sum of -log softmax(hidden weight^T + bias)[target], times `scale`: (1, 1, 1) fp32, nats.

    Args:
        hidden: (N, H).
        weight: (V, H).
        bias: (V,) or None.
        targets: (N,) int64.
        scale: Known beforehand, so that gradients are computed together with the loss.
    """
    return _CrossEntropy.apply(hidden, weight, bias, targets, scale)  # type: ignore[no-untyped-call]


class _CrossEntropy(torch.autograd.Function):
    """d loss / d logits = softmax - onehot: three products a piece, in one pass; nothing is computed again."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, bias: Any, targets: Any, scale: float) -> Any:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        for_hidden, for_weight, for_bias = ctx.needs_input_grad[:3]
        d_hidden = torch.empty_like(hidden) if for_hidden else None
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if for_weight else None
        d_bias = torch.zeros_like(bias, dtype=torch.float32) if for_bias else None
        loss = torch.zeros(1, 1, 1, device=hidden.device)  # as many dimensions as logits
        rows = _piece_rows(device)
        with torch.autocast(device, enabled=False):
            cast = weight.to(dtype)
            for start in range(0, len(hidden), rows):
                piece, wanted = hidden[start : start + rows].to(dtype), targets[start : start + rows, None]
                logits = functional.linear(piece, cast, None if bias is None else bias.to(dtype)).float()
                total = logits.logsumexp(1, keepdim=True)
                loss += (total - logits.gather(1, wanted)).sum()
                slope = logits.sub_(total).exp_()
                slope.scatter_add_(1, wanted, slope.new_full(wanted.shape, -1.0)).mul_(scale)
                rounded = slope.to(dtype)
                if d_hidden is not None:
                    d_hidden[start : start + rows] = rounded @ cast
                if d_weight is not None:
                    _add_product(d_weight, rounded, piece)
                if d_bias is not None:
                    d_bias += slope.sum(0)
        ctx.gradients = [
            None if made is None else made.to(given.dtype)
            for made, given in ((d_hidden, hidden), (d_weight, weight), (d_bias, bias))
        ]
        return loss * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Any) -> Any:
        made, ctx.gradients = ctx.gradients, None  # handed on, not copied
        return *(None if part is None else part.mul_(grad.view(()).to(part.dtype)) for part in made), None, None


def by_pieces(head: Callable[[Any], Any], hidden: Any, targets: Any) -> Any:
    """Sum of cross-entropies as (1, 1, 1) fp32; each piece's logits are computed again for their gradient.

    Args:
        head: (1, n, H) -> (1, n, V).
        hidden: (N, H).
        targets: (N,) int64.
    """

    def of_piece(piece: Any, wanted: Any) -> Any:
        return functional.cross_entropy(head(piece[None])[0].float(), wanted, reduction="sum")

    rows = _piece_rows(hidden.device.type)
    loss = torch.zeros(1, 1, 1, device=hidden.device)
    for piece, wanted in zip(hidden.split(rows), targets.split(rows), strict=True):
        loss = loss + checkpoint(of_piece, piece, wanted, use_reentrant=False)
    return loss


def _piece_rows(device: str) -> int:
    return PIECE_ROWS if device == "cpu" else PIECE_ROWS_GPU


def _add_product(total: Any, slope: Any, piece: Any) -> None:
    if slope.dtype == total.dtype:
        total.addmm_(slope.t(), piece)
    else:
        total += slope.t() @ piece


def _selected(hidden: Any, rows: Rows) -> Any:
    return hidden.flatten(0, 1).index_select(0, rows.predicting)


def _said(forward: Any, rows: Rows) -> Any:
    # Without an attention mask transformers takes the documents' borders from the positions.
    return forward(input_ids=rows.tokens, position_ids=rows.positions, use_cache=False).logits


@contextmanager
def _replaced(head: Any, replacement: Callable[[Any], Any]) -> Iterator[None]:
    """Calls of the module `head` do something else; hooks on it run as ever."""
    own = head.__dict__.get("forward")
    head.forward = replacement(own or head.forward)
    try:
        yield
    finally:
        if own is None:
            del head.forward
        else:
            head.forward = own


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def _probe(model: Any) -> Rows:
    """Two documents, one longer than the other, in one block."""
    size = int(model.config.get_text_config().vocab_size)
    tokens = (torch.arange(2 * PROBE_TOKENS) * 7 + 1) % size
    place = torch.arange(2 * PROBE_TOKENS)
    positions = torch.where(place < PROBE_TOKENS - 3, place, place - (PROBE_TOKENS - 3))
    parts = (tokens, positions > 1, positions)
    return rows_of(Blocks(*(part[None].to(model.device) for part in parts)), flat=False)


def _tried(work: Callable[[], bool]) -> bool:
    try:
        return work()
    except torch.OutOfMemoryError:
        raise  # says nothing of the architecture
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError):
        return False  # an architecture that takes it amiss is computed the plain way


def _close(ours: Any, own: Any) -> bool:
    return ours.shape == own.shape and bool((ours - own).abs().max() <= LARGEST_DRIFT * own.abs().max())


def _head_selects(loss: LearnedLoss) -> bool:
    """Whether logits of some positions can be had alone."""
    rows = _probe(loss.model)
    own = _said(loss.model, rows).flatten(0, 1).index_select(0, rows.predicting).float()
    loss.selects = True
    return _tried(lambda: _close(loss.logits(rows), own))


def _head_says_logits(loss: LearnedLoss) -> bool:
    """Whether the head's product is the logits: some architectures scale it, or bend large values."""
    rows = _probe(loss.model)
    draw = torch.Generator().manual_seed(0)
    width = _said(loss.model, rows).shape[-1]
    marks = 50.0 * torch.randn(1, 3, width, generator=draw).to(loss.model.device)

    def unchanged() -> bool:
        with _replaced(loss.head, lambda _: lambda hidden: marks.to(hidden.dtype)):
            if not torch.equal(_said(loss.model, rows), marks.to(loss.model.dtype)):
                return False
        return bool(torch.isfinite(loss.fused_loss(rows, 1.0, loss.model)))

    return _tried(unchanged)


def _documents_flat(loss: LearnedLoss) -> bool:
    """Whether documents in one row, attention within each, say what they say in a block."""
    rows = _probe(loss.model)
    begins = [*(rows.positions[0] == 0).nonzero().flatten().tolist(), rows.tokens.shape[1]]
    lengths = [end - start for start, end in pairwise(begins)]

    def same() -> bool:
        own = _said(loss.model, rows).float()
        with attention_within(loss.model, lengths):
            return _close(_said(loss.model, rows).float(), own)

    return _tried(same)
