"""A plan as tables for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.plan.memory import trained_parameters
from pipelines.plan.sweep import RESERVE, Base, Plan

GIB = 2**30


def as_json(plan: Plan) -> dict[str, Any]:
    """Everything a plan says: bytes, operations, hours, and the currency of the price that was given."""
    request = plan.request
    return {
        "device": request.device.model_dump(),
        "devices": request.devices,
        "engine": request.engine,
        "nested": request.nested,
        "assumed": {"mfu": request.mfu, "memory_reserve": RESERVE, "price_per_device_hour": request.price},
        "notes": list(notes(plan)),
        "bases": [_base(base) for base in plan.bases],
        "cells": [
            {**cell._asdict(), "work": cell.work._asdict(), "warmup_never_ends": cell.never_peaks}
            for cell in plan.cells
        ],
        "total": {"hours": sum(c.hours for c in plan.paid), "cost": _total_cost(plan)},
    }


def _base(base: Base) -> dict[str, Any]:
    return {
        "base": base.name,
        **base.shape._asdict(),
        "rows_at_once": base.setting.rows,
        "memory_bytes": {**base.memory._asdict(), "total": base.memory.total},
        "activations_kept_bytes": base.kept.activations,
        "activations_recomputed_bytes": base.recomputed.activations,
        "fits": base.fits,
        "change": base.advice.words(base.setting) if base.advice is not None else None,
    }


def as_text(plan: Plan) -> RenderableType:
    """Memory of every base, cells, and what was assumed."""
    request = plan.request
    many = f"{request.devices} x " if request.devices > 1 else ""
    on = f"{many}{request.device.name} ({request.device.memory_gib:g} GiB), {request.engine}"
    lines = [Text(line) for line in notes(plan)]
    return Group(
        Text(f"memory of each device in GiB, on {on}", style="bold"),
        _memory_table(plan),
        *[Text(line, style="yellow") for line in _changes(plan)],
        Text(""),
        Text("cells", style="bold"),
        _cell_table(plan),
        *[Text(line, style="yellow") for line in _warnings(plan)],
        Text(""),
        Text("assumed", style="bold"),
        *lines,
    )


def _memory_table(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True)
    table.add_column("base", overflow="fold", min_width=6)
    for name in ("params", "weights", "grads", "moments", "master", "activ.", "recomp.", "logits", "gathered", "sum"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("fits", no_wrap=True)
    for base in plan.bases:
        parts = base.memory
        recompute = base.setting.recompute
        kept, again = _gib(base.kept.activations), _gib(base.recomputed.activations)
        table.add_row(
            base.name,
            _count(base.shape.parameters),
            *(_gib(part) for part in (parts.weights, parts.gradients, parts.moments, parts.master)),
            f"({kept})" if recompute else kept,
            again if recompute else f"({again})",
            *(_gib(part) for part in (parts.logits, parts.gathered, parts.total)),
            "yes" if base.fits else "NO",
        )
    return table


def _changes(plan: Plan) -> Iterator[str]:
    for base in plan.bases:
        if base.advice is not None:
            words = base.advice.words(base.setting)
            then = f" ({_gib(base.advice.total)} GiB)" if base.advice.setting is not None else ""
            yield f"{base.name} does not fit into {_gib(plan.usable)} GiB; to do: {words}{then}"


def _cell_table(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("base", overflow="fold")
    for name in ("amount", "tokens read", "steps", "warm-up", "PFLOP", "time", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    for cell in plan.cells:
        inside = plan.request.nested and cell not in plan.paid
        table.add_row(
            cell.base,
            _count(cell.amount),
            _count(cell.work.tokens),
            f"{cell.steps:,}",
            f"{cell.warmup_steps:,}",
            f"{cell.flops / 1e15:,.4g}",
            "within" if inside else _time(cell.hours),
            "-" if inside else _money(cell.cost),
        )
    if len(plan.cells) > 1:
        total = sum(c.hours for c in plan.paid)
        table.add_row("all", "", "", "", "", "", _time(total), _money(_total_cost(plan)))
    return table


def _warnings(plan: Plan) -> Iterator[str]:
    for cell in plan.cells:
        if cell.never_peaks:
            steps = f"{cell.warmup_steps:,} steps of it in a run of {cell.steps:,}"
            yield f"{cell.base}, {_count(cell.amount)}: the warm-up never ends: {steps}"


def notes(plan: Plan) -> Iterator[str]:
    """What was assumed, a line each."""
    request, recipe = plan.request, plan.recipe
    peak = request.device.peak(recipe.precision) / 1e12
    yield f"{request.mfu:.0%} of the peak of {peak:,.4g} TFLOPS in {recipe.precision} (--mfu); no queueing, no start-up"
    yield f"{RESERVE:.0%} of a device's memory is the driver's and the allocator's"
    if request.dialogues is None:
        yield "amounts are all tokens read, and all are learned; every block is one document (--dialogues counts)"
    else:
        yield "amounts are tokens of assistants; tokens read, learned and attended are counted in the dialogues"
    yield "no price was given: no cost is told (--price)" if request.price is None else "cost: price x devices x hours"
    if request.nested:
        yield "one pass: smaller amounts are met within the largest, for one step each"
    if recipe.recompute:
        yield "activations are computed again: a third more time than the operations alone"
    for base in plan.bases:
        if base.shape.context is not None and base.shape.context < recipe.block_tokens:
            yield f"{base.name}: its context of {base.shape.context} is shorter than blocks of {recipe.block_tokens}"
    if recipe.mitigation.lora is not None:
        trained = ", ".join(f"{_count(trained_parameters(b.shape, recipe))} of {b.name}" for b in plan.bases)
        yield f"lora: trained are {trained}; the rest is frozen, and two thirds of the operations are left"
    for base in plan.bases:
        if base.shape.idle:
            met, whole = _count(base.shape.parameters - base.shape.idle), _count(base.shape.parameters)
            yield f"{base.name}: a token meets {met} of {whole} parameters"
    if recipe.mitigation.kl_beta:
        yield "kl_beta: a second model in memory, and its forward pass in the operations"


def _total_cost(plan: Plan) -> float | None:
    costs = [cell.cost for cell in plan.paid if cell.cost is not None]
    return sum(costs) if costs else None


def _gib(size: float) -> str:
    value = size / GIB
    if 0 < value < 0.001:
        return "<0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.1 or not size else f"{value:.2g}"


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.1f} h"
    return f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.2g} s"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _count(number: int) -> str:
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.4g}{unit}"
    return str(number)
