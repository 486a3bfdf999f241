"""A sweep as a graph: shared materials, a loop for every group of cells that share work, one page about all of them.

Loops are written so that kfp's own features carry them: items hold nothing but parameter structs (kfp takes the type of
a field from the first field of the first item), and `Collected` hands all reports of a loop to one task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kfp import dsl

from components.contracts.sweep_rows import Cell
from components.report.component import gather_cells
from components.train.component import interpolate, pick_checkpoint, train, train_nested
from components.train.mitigations.arms import arm, replays
from pipelines.study_graph import StudyGraph
from pipelines.study_parts import JUDGE, Data, Measured
from pipelines.sweep.cells import PLAIN, Group, training_name
from pipelines.sweep.config import SweepConfig

Item = dict[str, dict[str, Any]]


class SweepGraph:
    """Adds a sweep's tasks to the pipeline being defined."""

    def __init__(self, config: SweepConfig, study: StudyGraph, replay: Any) -> None:
        """Begin without a cell.

        Args:
            config: The sweep and the parameters of every step.
            study: What all cells share.
            replay: Pre-training texts by base, for arms that read some of them again.
        """
        self._config = config
        self._study = study
        self._replay = replay
        self._plain: dict[tuple[str, str, int], Any] = {}

    def add(self) -> Any:
        """Every cell, from training to verdict; gives the task that gathered the last of them."""
        gathered = None
        for group in self._config.sweep.groups():
            gathered = self._measured(group, gathered)
        return gathered

    def _measured(self, group: Group, earlier: Any) -> Any:
        """Train and measure the cells of a group, and put them beside those before."""
        first = group.first
        data = self._study.imitation_data(first.data)
        base = self._study.measure(first.base)
        shared = self._shared(group, data)
        self._study.ready_for_loop(base)
        with dsl.ParallelFor(
            [self._item(cell) for cell in group.cells],
            name=_loop_name(group),
            parallelism=self._config.cells_at_once,
        ) as item:
            checkpoint, curve = self._checkpoint(group, shared, data, item)
            report, imitator = self._study.decide(checkpoint, base, data, item, curve)
        return self._gather(group.cells, base, report, imitator, earlier)

    def _gather(self, cells: Sequence[Cell], base: Measured, report: Any, imitator: Measured, earlier: Any) -> Any:
        return gather_cells(
            reports=dsl.Collected(report),
            scores=dsl.Collected(imitator.scores),
            base=self._base(cells[0].base),
            base_scores=base.scores,
            target_scores=self._study.target.scores,
            params={
                "name": cells[0].base,
                "cells": [cell.model_dump(mode="json", exclude_none=True) for cell in cells],
            },
            **({} if earlier is None else {"earlier": earlier.outputs["cells"]}),
        )

    def _shared(self, group: Group, data: Data) -> Any:
        """The work that a group's cells have in common, done before their loop; None where each does its own."""
        first = group.first
        if group.kind == "series":
            made = train_nested(
                dialogues=data.checked,
                base=self._base(first.base),
                params={
                    "name": training_name(self._config.sweep, first),
                    "amounts": list(group.amounts),
                    "recipe": self._recipe(first.mitigation),
                    "seed": self._seed(first),
                },
                seed=self._study.dials.seed,
            )
            return made.outputs["series"]
        if group.kind in ("whole", "interpolated"):
            return self._plain_model(first)
        return None

    def _checkpoint(self, group: Group, shared: Any, data: Data, item: Any) -> tuple[Any, Any]:
        """The imitator of the cell that the loop is at, and the course of its training where it had one of its own."""
        if group.kind == "series":
            return pick_checkpoint(series=shared, params=item.pick).outputs["checkpoint"], None
        if group.kind == "interpolated":
            mixed = interpolate(base=self._base(group.first.base), imitator=shared, params=item.mix)
            return mixed.outputs["checkpoint"], None
        if group.kind == "whole":
            return shared, None
        trained = train(
            dialogues=data.checked,
            base=self._base(group.first.base),
            params=item.train,
            seed=self._study.dials.seed,
            **self._texts(group),
        )
        return trained.outputs["checkpoint"], trained.outputs["curve"]

    def _plain_model(self, cell: Cell) -> Any:
        """The plain imitator on all the data, which mixtures are made of; trained once for them and its own cell."""
        key = (cell.base, cell.data, cell.seed)
        if key not in self._plain:
            plain = cell.model_copy(update={"mitigation": PLAIN, "alpha": None})
            plain = plain.model_copy(update={"name": training_name(self._config.sweep, plain)})
            made = train(
                dialogues=self._study.imitation_data(cell.data).checked,
                base=self._base(cell.base),
                params=self._item(plain)["train"],
                seed=self._study.dials.seed,
            )
            self._plain[key] = made.outputs["checkpoint"]
        return self._plain[key]

    def _texts(self, group: Group) -> dict[str, Any]:
        return {"replay": self._replay[group.first.base]} if replays(group.first.mitigation) else {}

    def _base(self, name: str) -> Any:
        return self._study.materials.models[name]

    def _item(self, cell: Cell) -> Item:
        """Parameters of every step that the cell's loop may run."""
        training = {
            **self._config.train,
            "name": cell.name,
            "recipe": self._recipe(cell.mitigation),
            "seed": self._seed(cell),
            "num_dialogues": cell.amount,
        }
        params = self._config.imitator(cell.name, title=_title(cell), base=cell.base)
        return {
            **params,
            "train": training,
            "pick": {"label": str(cell.amount)},
            "mix": {"name": cell.name, "alpha": 1.0 if cell.alpha is None else cell.alpha},
            "weigh": {**params["weigh"], **self._study.materials.generating.get(JUDGE, {})},
        }

    def _recipe(self, mitigation: str) -> dict[str, Any]:
        return arm(mitigation, self._config.train.get("recipe", {}))

    def _seed(self, cell: Cell) -> int:
        return int(self._config.train.get("seed", 0)) + cell.seed


def _title(cell: Cell) -> str:
    against = "" if cell.mitigation == PLAIN else f", {cell.mitigation.replace('_', ' ')}"
    share = f" {cell.alpha:g}" if cell.alpha is not None else ""
    return f"{cell.base} base, {cell.amount:,} {cell.data} dialogues{against}{share}"


def _loop_name(group: Group) -> str:
    return "-".join(("cells", group.first.base, group.first.data, group.kind))
