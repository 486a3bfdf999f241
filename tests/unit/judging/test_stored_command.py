"""`touchstone judge stored`: tables and agreement of judgments that somebody stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sklearn.metrics import cohen_kappa_score

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import write_rows
from pipelines.cli.main import cli


def votes(folder: Path, name: str, winners: list[str], judge: str) -> list[dict[str, Any]]:
    return [
        {"judge": judge, "model_a": "a", "model_b": "b", "question_id": i, "winner": winner}
        for i, winner in enumerate(winners)
    ]


def test_sources_are_compared_item_by_item(tmp_path: Path) -> None:
    anne = ["model_a", "model_b", "tie", "model_a", "model_a", "model_b"]
    bob = ["model_a", "model_b", "tie", "model_a", "model_b", "model_b"]
    robot = ["model_a", "model_a", "tie", "model_a", "tie", "model_b"]
    for name, rows in (
        ("people", votes(tmp_path, "people", anne, "anne") + votes(tmp_path, "people", bob, "bob")),
        ("robot", votes(tmp_path, "robot", robot, "robot")),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = [str(tmp_path / f"{name}.jsonl") for name in ("people", "robot")]
    found = json.loads(CliRunner().invoke(cli, ["judge", "stored", *paths, "--json"], catch_exceptions=False).stdout)
    (between,) = found["between"]
    together = ["model_a", "model_b", "tie", "model_a", "tie", "model_b"]
    assert between["sources"] == ["people", "robot"]
    assert between["cohen"] == pytest.approx(cohen_kappa_score(together, robot))
    assert found["among"]["people"]["raw"] == pytest.approx(5 / 6)
    assert "robot" not in found["among"]
    wins = {line["source"]: (line["wins"], line["ties"], line["losses"]) for line in found["results"]}
    assert wins["robot"] == (3, 2, 1)
    told = CliRunner().invoke(cli, ["judge", "stored", *paths], catch_exceptions=False).stdout
    assert "people and robot: 6 items, agreement 0.833" in told


def test_a_folder_of_ours_is_read_with_its_orders(tmp_path: Path) -> None:
    said = {"prompt_id": "1", "source": "j", "rater": "j", "model": "m", "opponent": "t"}
    orders = {"model_first": "win", "opponent_first": "loss"}
    rows = [Judgment.model_validate({**said, "order": order, "outcome": outcome}) for order, outcome in orders.items()]
    write_rows(tmp_path / "out" / "judgments", Judgment, rows)
    done = CliRunner().invoke(cli, ["judge", "stored", str(tmp_path / "out"), "--json"], catch_exceptions=False)
    (line,) = json.loads(done.stdout)["results"]
    assert (line["ties"], line["order_flips"]) == (1, 1)


def test_two_rounds_of_one_judge_are_no_two_sources(tmp_path: Path) -> None:
    said = {"source": "j", "rater": "j", "model": "m", "opponent": "t"}
    for month, outcome in (("january", "win"), ("may", "loss")):
        rows = [
            Judgment.model_validate({**said, "prompt_id": f"{n}", "outcome": outcome, "order": order})
            for n in range(3)
            for order in ("model_first", "opponent_first")
        ]
        write_rows(tmp_path / month / "judgments", Judgment, rows)
    done = CliRunner().invoke(cli, ["judge", "stored", str(tmp_path / "january"), str(tmp_path / "may")])
    assert isinstance(done.exception, TouchstoneError)
    assert "january and " in done.exception.found
    assert "both hold what j said of 3 pairs" in done.exception.found
    assert "touchstone judge drift" in done.exception.remedy
    assert "touchstone step check_drift" in done.exception.remedy
