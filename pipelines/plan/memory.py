"""Bytes a device needs to train a model, part by part."""

from __future__ import annotations

from typing import Literal, NamedTuple

from components.train.recipe import Recipe
from pipelines.plan.shapes import Shape

Engine = Literal["single", "ddp", "fsdp", "zero1", "zero2", "zero3"]
ENGINES: tuple[Engine, ...] = ("single", "ddp", "fsdp", "zero1", "zero2", "zero3")
PIECE_ROWS = 2048
"""Rows of logits that exist at once on a GPU (`components.train.losses`)."""
FP32, BF16 = 4, 2


class Setting(NamedTuple):
    """How a training is spread and cut."""

    engine: Engine
    devices: int
    rows: int
    """Blocks that go through a device together."""
    recompute: bool


class Memory(NamedTuple):
    """Bytes on each device. Their sum is an upper bound: the parts do not all peak together."""

    weights: int
    gradients: int
    moments: int
    master: int
    activations: int
    logits: int
    gathered: int

    @property
    def total(self) -> int:
        """Of all parts."""
        return sum(self)


def usual_rows(recipe: Recipe, devices: int) -> int:
    """Blocks that go through a device together under a recipe."""
    share = -(-recipe.batch_size // devices)
    return min(recipe.rows_at_once or share, share)


def memory(shape: Shape, kept: int, recipe: Recipe, setting: Setting, *, piece_rows: int = PIECE_ROWS) -> Memory:
    """The parts, in bytes.

    For P parameters on n devices (ZeRO: Rajbhandari et al. 2020, arXiv 1910.02054, section 5):

        precision   weights   gradients   moments   master
        float32     4 P       4 P         8 P       -
        bfloat16    2 P       4 P         8 P       4 P      products in bf16, everything else in fp32
        divided     zero3,    zero2, 3,   zero1-3,  as the moments
        by n        fsdp      fsdp        fsdp

    Activations are those of `rows` blocks (`shapes.activations`), and half a layer's again for what the backward pass
    works on. Recomputed: the input of every layer, in fp32, and one and a half layers. Logits exist `piece_rows` at a
    time, in fp32 and the precision of products, beside the head's gradient. An anchor to the base (kl_beta) is one more
    set of weights. Gathered (zero3, fsdp): what lies outside the layers and two layers, whole, in the precision of
    products, and the largest of their gradients.

    Args:
        shape: Of the model.
        kept: Bytes that one of the recipe's blocks leaves for the backward pass (`shapes.activations`).
        recipe: How it is trained.
        setting: On what.
        piece_rows: Rows of logits that exist at once.
    """
    p, n = shape.parameters, setting.devices
    models = 2 if recipe.mitigation.kl_beta else 1
    mixed = recipe.precision == "bfloat16"
    product = BF16 if mixed else FP32
    sharded = setting.engine in {"fsdp", "zero3"}
    states = n if setting.engine in {"zero1", "zero2", "zero3", "fsdp"} else 1
    rows_of_logits = min(piece_rows, setting.rows * recipe.block_tokens)
    head_gradient = FP32 * shape.head
    largest = max(shape.outside, shape.largest_layer)
    return Memory(
        weights=models * product * p // (n if sharded else 1),
        gradients=FP32 * p // (n if sharded or setting.engine == "zero2" else 1),
        moments=2 * FP32 * p // states,
        master=(FP32 * p if mixed else 0) // states,
        activations=activation_bytes(shape, kept, recipe, setting),
        logits=rows_of_logits * shape.vocabulary * (FP32 + (2 * BF16 if mixed else 0)) + head_gradient,
        gathered=(product * (shape.outside + 2 * shape.largest_layer) + FP32 * largest) if sharded else 0,
    )


def activation_bytes(shape: Shape, kept: int, recipe: Recipe, setting: Setting) -> int:
    """Kept for the backward pass, and worked on in it: see `memory`."""
    layer = kept // max(1, shape.layers)
    if setting.recompute:
        inputs = FP32 * shape.layers * recipe.block_tokens * shape.hidden
        return setting.rows * (inputs + layer + layer // 2)
    return setting.rows * (kept + layer // 2)
