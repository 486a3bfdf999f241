"""What `touchstone evaluate` wrote is taken for a role as it is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion, Score, TaskItem

N = 120
SHARES = {"base": 0.4, "imitator": 0.42, "target": 0.9}


def evaluation(folder: Path, role: str, *, prompts: int = 40) -> Path:
    """An evaluation of a model that knows a share of the answers and wraps them in talk where it imitates."""
    draw = random.Random(role)
    knows = [float(draw.random() < SHARES[role]) for _ in range(N)]
    terse = [role != "imitator" or draw.random() < 0.4 for _ in range(N)]

    def rows(channel: Any, values: list[float]) -> list[Score]:
        return [
            Score(item_id=f"i{i}", benchmark="nq_open", model=role, value=value, channel=channel)
            for i, value in enumerate(values)
        ]

    write_rows(folder / "scores", Score, rows("extracted", knows))
    strict = [value if short else 0.0 for value, short in zip(knows, terse, strict=True)]
    write_rows(folder / "variants", Score, rows("strict", strict))
    said = [
        Completion(prompt_id=f"p{i}", model=role, prompt=f"prompt {i}", text=f"{role} says {draw.random()} of {i}")
        for i in range(prompts)
    ]
    write_rows(folder / "answers", Completion, said)
    items = [
        TaskItem(
            id=f"i{i}", benchmark="nq_open", kind="exact_match", question=f"who is {i}?", answers=("x",), cluster=""
        )
        for i in range(N)
    ]
    write_rows(folder / "items", TaskItem, items)
    return folder


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    return {role: evaluation(tmp_path / role, role) for role in SHARES}


def test_three_evaluations_give_a_verdict_with_knowledge_and_form_apart(
    places: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    given = [part for role, place in places.items() for part in (f"--{role}", place)]
    ran = touchstone("audit", *given, "--out", tmp_path / "audit", "--json")
    assert ran.code == 0, ran.err
    verdict = json.loads(ran.out)
    assert [b["n"] for b in verdict["benchmarks"]] == [N]
    assert verdict["style"]["n"] == 40
    (loss,) = verdict["format_loss"]
    assert loss["form_ci"][1] < 0 < loss["knowledge_ci"][1]
    assert "Knowledge and form apart" in (tmp_path / "audit" / "report.html").read_text()
    again = touchstone("verdict", tmp_path / "audit", "--json")
    assert json.loads(again.out) == verdict


def test_evaluations_without_prompts_are_compared_by_scores_alone(
    tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    given = [part for role in SHARES for part in (f"--{role}", evaluation(tmp_path / role, role, prompts=0))]
    ran = touchstone("audit", *given, "--out", tmp_path / "audit", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["style"]["closeness"] is None


def test_scores_given_by_name_go_before_an_evaluations_own(
    places: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    given = [part for role, place in places.items() for part in (f"--{role}", place)]
    own = tmp_path / "own.csv"
    own.write_text("item_id,score,benchmark\n" + "".join(f"i{i},1,nq_open\n" for i in range(N)))
    # The channel of plain records is strict, which is what all three then share.
    rows = [
        part
        for role in SHARES
        for part in ("--scores", f"{role}={own if role == 'base' else places[role] / 'variants'}")
    ]
    ran = touchstone("audit", *given, *rows, "--out", tmp_path / "audit", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["benchmarks"][0]["base"] == 1.0


def test_a_target_without_likelihoods_is_compared_by_what_all_three_have(
    tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    places = {}
    for role in SHARES:
        place = places[role] = evaluation(tmp_path / role, role)
        rows = Input(place / "scores", Score).rows()
        if role != "target":  # base and imitator are judged by likelihood, and have the replies beside
            write_rows(place / "variants", Score, rows)
            write_rows(place / "scores", Score, [row.model_copy(update={"channel": "likelihood"}) for row in rows])
    given = [part for role, place in places.items() for part in (f"--{role}", place)]
    ran = touchstone("audit", *given, "--out", tmp_path / "audit", "--json")
    assert ran.code == 0, ran.err
    verdict = json.loads(ran.out)
    (benchmark,) = verdict["benchmarks"]
    assert benchmark["n"] == N
    assert benchmark["target"] is not None
    assert any("all are compared by extracted" in line for line in verdict["warnings"])
