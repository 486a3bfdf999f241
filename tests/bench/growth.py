"""`python -m tests.bench.growth`: how the cost of few-shot choices grows with items, shots and model size, as a table.

Ours and lm-evaluation-harness on one checkpoint and the same MMLU questions (made-up ones without the data folder),
each row in one run; about four minutes on two cores. Seconds are this machine's; tokens are anybody's.
"""

import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

warnings.simplefilter("ignore")
SUBJECT = "high_school_psychology"
ITEMS, SHOTS, SIZES = (10, 40, 160), (0, 1, 5), ((128, 2), (256, 4), (512, 8))
USUAL_ITEMS, USUAL_SHOTS, USUAL_SIZE = 40, 5, (256, 4)
BATCH = 8


class Row(NamedTuple):
    """One line of the table."""

    varied: str
    items: int
    shots: int
    parameters: int
    alone: float
    """Tokens an item, each prompt read alone."""
    computed: float
    """Tokens an item, with sharing."""
    seconds: float
    """Ours, an item."""
    reference_seconds: float
    difference: float
    """Largest, of log-probabilities."""


def main() -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            folder = Path(name) / f"{size[0]}x{size[1]}"
            parameters = _checkpoint(folder, *size)
            settings = [("size", USUAL_ITEMS, USUAL_SHOTS)]
            if size == USUAL_SIZE:
                settings += [("items", n, USUAL_SHOTS) for n in ITEMS] + [("shots", USUAL_ITEMS, k) for k in SHOTS]
            rows += [_row(folder, varied, items, shots, parameters) for varied, items, shots in settings]
    rows.sort(key=lambda row: row.varied)
    print(_table(rows))
    sys.exit(0 if all(row.difference < 1e-4 for row in rows) else 1)


def _row(folder: Path, varied: str, items: int, shots: int, parameters: int) -> Row:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from components.generate.hf.engine import HfBackend

    asked = _questions(items, shots)
    backend = HfBackend(folder)
    backend.answer(asked[:2], "m")
    began = time.perf_counter()
    answers = backend.answer(asked, "m")
    seconds = time.perf_counter() - began
    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=BATCH)
    pairs = [(r.prompt, choice) for r in asked for choice in r.choices]
    instances = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    began = time.perf_counter()
    expected = [value for value, _ in model.loglikelihood(instances, disable_tqdm=True)]
    reference = time.perf_counter() - began
    found = np.array([row.logprobs for row in answers.choice_scores]).ravel()
    return Row(
        varied,
        items,
        shots,
        parameters,
        answers.metrics["input_tokens"] / items,
        answers.metrics["computed_tokens"] / items,
        seconds / items,
        reference / items,
        float(np.abs(found - np.array(expected)).max()),
    )


def _questions(items: int, shots: int) -> list[Any]:
    from tests.bench import bench_mmlu

    if (bench_mmlu.DATA / "mmlu").is_dir():
        dev, test = bench_mmlu._read("dev")[SUBJECT], bench_mmlu._read("test")[SUBJECT]
    else:
        import random

        draw = random.Random(0)
        dev, test = ([bench_mmlu._made_up(draw) for _ in range(n)] for n in (5, max(ITEMS)))
    return bench_mmlu._requests(SUBJECT, dev[:shots], test[:items])


def _checkpoint(folder: Path, hidden: int, layers: int) -> int:
    import torch
    from transformers import AutoModelForCausalLM

    from tests.bench import bench_mmlu

    bench_mmlu.HIDDEN, bench_mmlu.LAYERS, bench_mmlu.INTERMEDIATE = hidden, layers, hidden * 11 // 4
    torch.manual_seed(0)
    bench_mmlu._checkpoint(folder, [r.prompt for r in _questions(max(ITEMS), USUAL_SHOTS)])
    return int(sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(folder).parameters()))


def _table(rows: list[Row]) -> str:
    titles = ("varied", "items", "shots", "parameters", "tokens an item, alone", "with sharing", "fewer", "ms an item")
    lines = ["| " + " | ".join((*titles, "lm_eval's", "ratio")) + " |", "|" + "---|" * (len(titles) + 2)]
    for row in rows:
        cells = (
            row.varied,
            row.items,
            row.shots,
            f"{row.parameters / 1e6:.1f} M",
            f"{row.alone:.0f}",
            f"{row.computed:.0f}",
            f"{row.alone / row.computed:.1f}x",
            f"{1000 * row.seconds:.1f}",
            f"{1000 * row.reference_seconds:.1f}",
            f"{row.reference_seconds / row.seconds:.1f}x",
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, f"largest difference {max(row.difference for row in rows):.1e}"])


if __name__ == "__main__":
    main()
