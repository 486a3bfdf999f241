"""Floating-point operations of a training, and the hours they take."""

from __future__ import annotations

from typing import NamedTuple

from pipelines.plan.shapes import Shape


class Work(NamedTuple):
    """What has to go through the model, once."""

    tokens: int
    """Of users and assistants."""
    learned: int
    """Of them, those that are targets of the loss: only they are projected onto the vocabulary."""
    attended: int
    """Pairs of a token and one that it reads."""

    def times(self, passes: int) -> Work:
        """Several epochs."""
        return Work(*(passes * part for part in self))


def full_blocks(tokens: int, block_tokens: int) -> Work:
    """The most that `tokens` can need: all are learned, and every block of T is one document."""
    return Work(tokens, tokens, tokens * (block_tokens + 1) // 2)


def documents(lengths: list[int], learned: int, block_tokens: int) -> Work:
    """What documents of these lengths need, each reading only itself; longer ones are cut at T tokens."""
    parts = [(length // block_tokens, length % block_tokens) for length in lengths]
    attended = sum(whole * block_tokens * (block_tokens + 1) // 2 + rest * (rest + 1) // 2 for whole, rest in parts)
    return Work(sum(lengths), learned, attended)


def flops(shape: Shape, work: Work, rank: int = 0) -> float:
    """Operations of forward and backward passes: 6 N for a token, and attention.

        6 x body x tokens + 6 x head x learned + 12 x layers x width x attended

    A parameter costs a token a multiplication and an addition forward and twice that backward (Kaplan et al. 2020,
    arXiv 2001.08361, section 2.1). A pair of tokens costs two products of a layer's width, of queries with keys and of
    weights with values, three times over (Chowdhery et al. 2022, arXiv 2204.02311, appendix B, who count all T x T
    pairs; here a token reads what comes before it in its own document). What is computed again is not counted. Beside
    adapters of a rank the weights are frozen and have no gradients of their own: 4 N, and 6 for each of the adapters'.
    """
    per_pair = 12.0 * shape.layers * shape.attention_width
    each = 4.0 if rank else 6.0
    layers = each * shape.body + 6.0 * rank * shape.adapted
    return layers * work.tokens + each * shape.head * work.learned + per_pair * work.attended


def hours(operations: float, devices: int, peak: float, mfu: float, *, recompute: bool) -> float:
    """Wall-clock hours at `mfu` of the devices' peak; computing activations again is one more forward pass.

    Args:
        operations: Of the whole training.
        devices: How many share it.
        peak: Operations a second of one.
        mfu: Share of the peak that is reached.
        recompute: A third more work, which `operations` do not count.
    """
    return operations * (4.0 / 3.0 if recompute else 1.0) / (devices * peak * mfu) / 3600.0
