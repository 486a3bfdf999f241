"""Everything but the model: what the engine's own work would cost beside a model of a billion parameters.

The engine runs a tiny model with a real vocabulary. Time outside the model's forward passes (tokens, plans, batches,
shared prefixes, sampling, softmaxes, rows, the journal) does not depend on the model's size. Beside it stands the time
that a billion parameters take for the same tokens, 2 x parameters x tokens at the speed of this machine's matrix
products.
"""

import contextlib
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from components.contracts.journal import Journal
from components.contracts.rows import Request
from tests.bench import random_shapes
from tests.bench.random_shapes import Shape

PARAMETERS = 1e9
MOST = 0.03
SHAPE = Shape(
    lambda: random_shapes._llama(**random_shapes._sizes(64, 2, 4, 2, 128, 32000)), torch.float32, 160, 128, (8,)
)
WORK = {
    "choices, 5 shots": random_shapes.choices,
    "short answers, 3 shots": random_shapes.short_answers,
    "long answers": random_shapes.long_answers,
    "whole texts": random_shapes.whole_texts,
}


class Inside:
    """Seconds spent in a model's forward passes."""

    def __init__(self, model: Any) -> None:
        self.seconds = self._began = 0.0
        model.register_forward_pre_hook(self._enter)
        model.register_forward_hook(self._leave)

    def _enter(self, *_: object) -> None:
        self._began = time.perf_counter()

    def _leave(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began


def run() -> dict[str, Any]:
    from tests.bench.gpu_comparison import measured_peak

    logging.disable(logging.WARNING)
    speed = measured_peak("cpu", torch.float32).flops
    loaded = random_shapes.random_model(SHAPE, "cpu")
    outside_s, model_s, equal, notes = 0.0, 0.0, True, []
    for kind, make in WORK.items():
        requests = make(SHAPE, loaded.model.config.vocab_size)
        outside, counts, same = _outside(loaded, requests)
        tokens = counts["computed_tokens"] + counts["padding_tokens"]
        seconds = 2 * PARAMETERS * tokens / speed
        outside_s, model_s, equal = outside_s + outside, model_s + seconds, equal and same
        notes.append(
            f"{kind}: {1e3 * outside / len(requests):.2f} ms a request, {outside / (outside + seconds):.2%} beside "
            f"{tokens / len(requests):.0f} tokens computed"
        )
    share = outside_s / (outside_s + model_s)
    return {
        "work": f"{sum(len(make(SHAPE, 32000)) for make in WORK.values())} requests of four kinds, with a journal",
        "ours_s": round(outside_s + model_s, 3),
        "reference": "a billion parameters alone, at the speed of this machine's matrix products",
        "reference_s": round(model_s, 3),
        "equal": equal and share < MOST,
        "note": f"everything but the model {share:.2%} (at most {MOST:.0%}); {'; '.join(notes)}; "
        f"{speed / 1e9:.0f} GFLOP/s",
    }


def _outside(loaded: Any, requests: list[Request]) -> tuple[float, Any, bool]:
    """Seconds outside the model, counts, and whether a second run found all of it in the journal, the same."""
    from components.generate.hf.engine import HfBackend

    HfBackend(loaded).answer(requests[:8], "m")
    inside = Inside(loaded.model)
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Journal(Path(name))) as journal:
        began = time.perf_counter()
        answers = HfBackend(loaded, journal).answer(requests, "m")
        wall = time.perf_counter() - began
        again = HfBackend(loaded, journal).answer(requests, "m")
    return wall - inside.seconds, answers.metrics, again[:3] == answers[:3]
