"""A data-scaling sweep: five nested amounts in one pass, against a training for each, and against the largest of them.

Both ways run as steps, from rows on disk to checkpoints on disk. Equal: every checkpoint of the pass has the bytes of
the separate run's, and the pass costs at most 1.1 times its largest cell.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from components.contracts import bind, manifest
from components.contracts.dialogue_rows import Dialogue
from components.contracts.ports import Checkpoint, Output
from components.contracts.rows import Turn
from components.train import step
from components.train.models import Shape, new_model, save
from components.train.tokenizer import word_level

AMOUNTS = (75, 150, 300, 600, 1200)
"""Dialogues: each twice the one before."""
MOST = 1.1
RECIPE = {
    "optimizer": "adamw_parameter_scaled",
    "learning_rate": 2e-3,
    "warmup_steps": 10,
    "batch_size": 8,
    "block_tokens": 128,
}
WORDS = [f"word{number}" for number in range(2000)]


def run() -> dict[str, Any]:
    torch.set_num_threads(1)  # equal bits need an equal number of threads
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = _dialogues(AMOUNTS[-1])
        _base(folder / "base")
        for amount in AMOUNTS:
            Output(folder / f"dialogues-{amount}", Dialogue).write(rows[:amount])
        _alone(folder, AMOUNTS[0])  # warmed up: imports, allocator
        # The largest cell before and after, so that a machine that slows down is no advantage to either.
        before = _timed(_alone, folder, AMOUNTS[-1])
        ours, ours_cpu = _timed(_nested, folder)
        alone = {amount: _timed(_alone, folder, amount) for amount in AMOUNTS}
        equal = all(_same(folder / "series" / str(amount), folder / f"alone-{amount}") for amount in AMOUNTS)
        steps = manifest.read(folder / "series" / str(AMOUNTS[-1])).notes["steps"]
    largest, largest_cpu = (min(pair) for pair in zip(before, alone[AMOUNTS[-1]], strict=True))
    return {
        "work": f"{len(AMOUNTS)} nested amounts, {AMOUNTS[0]} to {AMOUNTS[-1]} dialogues, {steps} steps in the largest",
        "ours_s": round(ours, 3),
        "reference": "a training for each amount",
        "reference_s": round(sum(wall for wall, _ in alone.values()), 3),
        "equal": equal and ours <= MOST * largest,
        "note": f"{ours / largest:.3f} of the largest cell's {largest:.2f} s (at most {MOST}; of its CPU seconds "
        f"{ours_cpu / largest_cpu:.3f}); checkpoints of both ways {'equal byte for byte' if equal else 'DIFFER'}",
    }


def _timed(work: Callable[..., None], *arguments: object) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - began, time.process_time() - cpu


def _nested(folder: Path) -> None:
    bind.call(
        step.train_nested,
        dialogues=folder / f"dialogues-{AMOUNTS[-1]}",
        base=folder / "base",
        series=folder / "series",
        curve=folder / "curve",
        params={"amounts": AMOUNTS, "unit": "dialogues", "recipe": RECIPE},
    )


def _alone(folder: Path, amount: int) -> None:
    bind.call(
        step.train,
        dialogues=folder / f"dialogues-{amount}",
        base=folder / "base",
        checkpoint=folder / f"alone-{amount}",
        curve=folder / f"curve-{amount}",
        params={"recipe": {**RECIPE, "data_order": "given"}},
    )


def _same(ours: Path, alone: Path) -> bool:
    names = {path.name for path in alone.iterdir()} - {"manifest.json"}
    return all((ours / name).read_bytes() == (alone / name).read_bytes() for name in names)


def _dialogues(num: int) -> list[Dialogue]:
    draw = random.Random(0)

    def said(longest: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(5, longest)))

    return [
        Dialogue(
            id=str(number),
            source="made",
            target="made",
            turns=(Turn(speaker="user", text=said(60)), Turn(speaker="assistant", text=said(200))),
        )
        for number in range(num)
    ]


def _base(folder: Path) -> None:
    tokenizer = word_level([" ".join(WORDS)])
    out = Output(folder, Checkpoint)
    model = new_model(Shape(hidden=128, layers=2, heads=4), tokenizer, seed=0)
    save(out.folder, model, tokenizer, {})
    out.commit()
