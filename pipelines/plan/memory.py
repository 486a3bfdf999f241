"""Bytes a device needs to train a model, part by part."""

from __future__ import annotations

from typing import Literal, NamedTuple

from components.train.recipe import Recipe
from pipelines.plan.shapes import NEW_ROWS, Shape

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
    set of weights. With adapters P counts for weights and master only; gradients and moments are those of the adapters
    and of the role tokens' rows, and the head has no gradient. Gathered (zero3, fsdp): what lies outside the layers and
    two layers, whole, in the precision of products, and the largest of their gradients; with adapters, copies of the
    tables with the trained rows in them, as peft makes them, and their gradients.

    Args:
        shape: Of the model.
        kept: Bytes that one of the recipe's blocks leaves for the backward pass (`shapes.activations`).
        recipe: How it is trained.
        setting: On what.
        piece_rows: Rows of logits that exist at once.
    """
    p, n = shape.parameters, setting.devices
    trained = trained_parameters(shape, recipe)
    models = 2 if recipe.mitigation.kl_beta else 1
    mixed = recipe.precision == "bfloat16"
    product = BF16 if mixed else FP32
    sharded = setting.engine in {"fsdp", "zero3"}
    states = n if setting.engine in {"zero1", "zero2", "zero3", "fsdp"} else 1
    rows_of_logits = min(piece_rows, setting.rows * recipe.block_tokens)
    lora = recipe.mitigation.lora is not None
    head_gradient = 0 if lora else FP32 * shape.head
    largest = 0 if lora else max(shape.outside, shape.largest_layer)
    adapters = FP32 * trained if lora else 0
    return Memory(
        weights=(models * product * p + adapters) // (n if sharded else 1),
        gradients=FP32 * trained // (n if sharded or setting.engine == "zero2" else 1),
        moments=2 * FP32 * trained // states,
        master=(FP32 * p if mixed else 0) // (states if not lora or sharded else 1),
        activations=activation_bytes(shape, kept, recipe, setting),
        logits=rows_of_logits * shape.vocabulary * (FP32 + (2 * BF16 if mixed else 0)) + head_gradient,
        gathered=((product * (shape.outside + 2 * shape.largest_layer) + FP32 * largest) if sharded else 0)
        + (2 * FP32 * shape.vocabulary * shape.hidden * shape.tables if lora else 0),
    )


def trained_parameters(shape: Shape, recipe: Recipe) -> int:
    """All of them, or r (rows + columns) of every adapted matrix and the rows of the role tokens."""
    lora = recipe.mitigation.lora
    return shape.parameters if lora is None else lora.rank * shape.adapted + NEW_ROWS * shape.hidden * shape.tables


def activation_bytes(shape: Shape, kept: int, recipe: Recipe, setting: Setting) -> int:
    """Kept for the backward pass, and worked on in it: see `memory`."""
    layer = kept // max(1, shape.layers)
    if setting.recompute:
        inputs = FP32 * shape.layers * recipe.block_tokens * shape.hidden
        return setting.rows * (inputs + layer + layer // 2)
    return setting.rows * (kept + layer // 2)
