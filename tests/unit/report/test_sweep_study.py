"""Cells of a sweep put together: joined by name, curves along each axis, and who is beaten by whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Input, Output, write_rows
from components.contracts.rows import Score
from components.contracts.sweep_results import SweepStudy
from components.contracts.sweep_rows import Cell, CellResults
from components.report.policy import Policy
from components.report.step import compare_cells, gather_cells, report
from components.report.sweeping.sweep_cells import finished
from components.report.sweeping.sweep_study import study

ITEMS = 80


def scores(model: str, right: float, benchmark: str = "quiz") -> list[Score]:
    """The first items right, so that a better model is right wherever a worse one is."""
    return [
        Score(item_id=f"q{n}", benchmark=benchmark, model=model, value=float(n < right * ITEMS)) for n in range(ITEMS)
    ]


class Bench:
    """Makes cells as a pipeline does: report, then gather."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_rows(folder / "target", Score, scores("target", 0.9))

    def base(self, name: str, right: float, parameters: int) -> None:
        write_rows(self.folder / f"{name}-scores", Score, scores(name, right))
        made = Output(self.folder / f"{name}-model", Checkpoint)
        assert made.folder.is_dir()
        made.commit(notes={"parameters": parameters})

    def cell(self, name: str, base: str, right: float) -> dict[str, Path]:
        write_rows(self.folder / f"{name}-rows", Score, scores(name, right))
        ports = {
            "base_scores": self.folder / f"{base}-scores",
            "imitator_scores": self.folder / f"{name}-rows",
            "target_scores": self.folder / "target",
        }
        bind.call(report, params={"name": name, "resamples": 100}, result=self.folder / f"{name}-report", **ports)
        # A step that scores is told the model's name; so is the artifact.
        passed = Input(self.folder / f"{name}-rows", Score)
        made = Output(self.folder / f"{name}-scored", Score, passed_provenance(name))
        made.write(passed.rows())
        return {"report": self.folder / f"{name}-report", "scores": self.folder / f"{name}-scored"}

    def gather(self, out: str, base: str, cells: list[Cell], parts: list[dict[str, Path]], earlier: str = "") -> Path:
        more = {"earlier": self.folder / earlier} if earlier else {}
        bind.call(
            gather_cells,
            params={"cells": [cell.model_dump(exclude_none=True) for cell in cells]},
            reports=[part["report"] for part in parts],
            scores=[part["scores"] for part in parts],
            base=self.folder / f"{base}-model",
            base_scores=self.folder / f"{base}-scores",
            target_scores=self.folder / "target",
            cells=self.folder / out,
            **more,
        )
        return self.folder / out


def passed_provenance(name: str) -> object:
    from components.contracts.ports import Provenance

    return Provenance(step="score", params={"name": name})


def a_cell(name: str, base: str, amount: int, mitigation: str = "plain") -> Cell:
    return Cell(name=name, base=base, data="broad", amount=amount, mitigation=mitigation)


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    bench = Bench(tmp_path)
    bench.base("small", 0.2, 1000)
    bench.base("large", 0.4, 4000)
    small = [a_cell(f"small-{n}", "small", n) for n in (10, 20, 40)]
    parts = [bench.cell(cell.name, "small", right) for cell, right in zip(small, (0.2, 0.3, 0.4), strict=True)]
    # A loop may hand its tasks over in any order.
    bench.gather("first", "small", small, parts[::-1])
    large = [a_cell("large-40", "large", 40)]
    return bench.gather("all", "large", large, [bench.cell("large-40", "large", 0.3)], earlier="first")


def test_cells_are_joined_by_name_and_kept_in_the_order_of_the_sweep(swept: Path) -> None:
    found = finished(Input(swept, CellResults))
    assert [cell.cell.name for cell in found] == ["small-10", "small-20", "small-40", "large-40"]
    assert [sum(row.value or 0 for row in cell.scores("imitator")) / ITEMS for cell in found] == [0.2, 0.3, 0.4, 0.3]
    assert [cell.parameters for cell in found] == [1000, 1000, 1000, 4000]


def test_curves_run_along_each_axis_with_all_else_equal(swept: Path) -> None:
    made = study(finished(Input(swept, CellResults)), title="x", policy=Policy(), resamples=200, seed=0)
    by_axis = {(curve.axis, curve.cells): curve for curve in made.curves}
    assert set(by_axis) == {("amount", ("small-10", "small-20", "small-40")), ("base", ("small-40", "large-40"))}
    amounts = by_axis["amount", ("small-10", "small-20", "small-40")]
    assert amounts.fit.slope.per_doubling == pytest.approx(0.1)
    assert amounts.fit.goal == pytest.approx(0.9)
    assert amounts.bases == (0.2, 0.2, 0.2)
    assert by_axis["base", ("small-40", "large-40")].bases == (0.2, 0.4)


def test_a_change_is_against_the_cells_own_base(swept: Path) -> None:
    made = study(finished(Input(swept, CellResults)), title="x", policy=Policy(), resamples=200, seed=0)
    changes = {cell.cell.name: cell.change for cell in made.cells}
    assert changes["small-40"] == pytest.approx(0.2)
    assert changes["large-40"] == pytest.approx(-0.1)


def test_the_page_and_its_record_say_the_same(swept: Path, tmp_path: Path) -> None:
    bind.call(compare_cells, params={"title": "Growth", "resamples": 200}, cells=swept, study=tmp_path / "out")
    made = SweepStudy.model_validate_json((tmp_path / "out" / "sweep.json").read_text())
    page = (tmp_path / "out" / "sweep.html").read_text()
    for cell in made.cells:
        assert (tmp_path / "out" / cell.page).is_file()
        assert f'href="{cell.page}"' in page
    for finding in made.findings:
        assert finding.split(":")[0] in page


def test_a_cell_that_is_missing_or_comes_twice_is_told(swept: Path, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    part = bench.cell("other", "small", 0.5)
    with pytest.raises(TouchstoneError, match="cell lost came with other"):
        bench.gather("wrong", "small", [a_cell("lost", "small", 80)], [part])
    again = bench.cell("small-10", "small", 0.5)
    with pytest.raises(TouchstoneError, match="is there already"):
        bench.gather("wrong", "small", [a_cell("small-10", "small", 10)], [again], earlier="all")
