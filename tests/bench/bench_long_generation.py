"""Long answers of unknown length: ours beside transformers' `generate` on prompts sorted by length."""

import logging
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from components.contracts.rows import Request
from tests.bench.generation_models import SHAPE, save_model, ties, tokenizer, words

NUM_REQUESTS, MAX_TOKENS, END = 160, 384, 1.75
SLICE, BATCHES = 32, (16, 32)


def run() -> dict[str, Any]:
    from components.generate.hf.engine import HfBackend

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder, text = Path(name), words(200_000, 0)
        tok = tokenizer([" ".join(text[i : i + 100]) for i in range(0, len(text), 100)])
        save_model(folder, tok, {tok.eos_token_id: END})
        requests = _requests(text)
        backend = HfBackend(folder)
        first, answers = _timed(lambda: backend.answer(requests, "m"))
        model = _Generate(folder)
        trials = {size: _timed(lambda size=size: model.write(requests[:SLICE], size))[0][0] for size in BATCHES}
        best = min(trials, key=trials.__getitem__)
        reference, expected = _timed(lambda: model.write(requests, best))
        second, again = _timed(lambda: backend.answer(requests, "m"))
        ours = [row.text for row in answers.completions]
        unequal = [i for i, text in enumerate(ours) if text != model.text(expected[i])]
        tied = sum(model.tied(requests[i], ours[i], expected[i]) for i in unequal)
        lengths = [row.num_tokens or 0 for row in answers.completions]
    return {
        "work": f"{NUM_REQUESTS} prompts, answers of {statistics.median(lengths):.0f} tokens (median; mean "
        f"{statistics.mean(lengths):.0f}, longest {max(lengths)}), {SHAPE}, CPU fp32",
        "ours_s": round((first[0] + second[0]) / 2, 3),
        "reference": f"transformers generate, batch {best} (best of {BATCHES} on {SLICE})",
        "reference_s": round(reference[0], 3),
        "equal": len(unequal) == tied and [row.text for row in again.completions] == ours,
        "note": f"{len(unequal)} texts part at a tie; ours before and after the reference {first[0]:.1f} and "
        f"{second[0]:.1f} s; CPU seconds {(first[1] + second[1]) / 2:.1f} and {reference[1]:.1f}; "
        + costs(answers.metrics, len(requests), model.positions),
    }


def costs(metrics: Any, items: int, reference_positions: int) -> str:
    """The counts that explain a ratio, an item."""
    computed, padding = metrics["computed_tokens"], metrics["padding_tokens"]
    return (
        f"an item: {metrics['input_tokens'] / items:.1f} tokens without sharing, {computed / items:.1f} computed, "
        f"padding {padding / (computed + padding):.1%}, {metrics['projected_positions'] / items:.1f} positions through "
        f"the vocabulary; the reference computed {reference_positions / items:.1f}; "
        f"keys and values {metrics['cache_bytes'] / 2**20:.0f} MiB"
    )


def _requests(text: list[str]) -> list[Request]:
    draw = random.Random(0)
    lengths = [min(200, int(draw.lognormvariate(3.2, 0.7)) + 3) for _ in range(NUM_REQUESTS)]
    starts = [draw.randrange(len(text) - 200) for _ in lengths]
    return [
        Request(id=str(i), kind="completion", prompt=" ".join(text[at : at + length]), max_tokens=MAX_TOKENS)
        for i, (at, length) in enumerate(zip(starts, lengths, strict=True))
    ]


def _timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    began = time.perf_counter(), time.process_time()
    made = work()
    return (time.perf_counter() - began[0], time.process_time() - began[1]), made


class _Generate:
    """transformers as a careful user runs it: left padding, prompts sorted by length."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.positions = 0

    def write(self, requests: list[Request], size: int) -> list[list[int]]:
        encoded = self.tokenizer([request.prompt for request in requests])["input_ids"]
        order = sorted(range(len(requests)), key=lambda i: -len(encoded[i]))
        made: dict[int, list[int]] = {}
        self.positions = 0
        with torch.inference_mode():
            for start in range(0, len(order), size):
                batch = order[start : start + size]
                asked = self.tokenizer([requests[i].prompt for i in batch], return_tensors="pt", padding=True)
                out = self.model.generate(**asked, max_new_tokens=requests[batch[0]].max_tokens, do_sample=False)
                self.positions += (out.shape[1] - 1) * len(batch)
                made.update(zip(batch, out[:, asked["input_ids"].shape[1] :].tolist(), strict=True))
        return [made[i] for i in range(len(requests))]

    def text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def tied(self, request: Request, ours: str, theirs: list[int]) -> bool:
        prompt = self.tokenizer.encode(request.prompt)
        return ties(self.model, prompt, self.tokenizer.encode(ours), theirs)
