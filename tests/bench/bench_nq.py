"""Natural Questions, 3 shots: ours beside lm-evaluation-harness on one checkpoint, with its prompts and its stops."""

import gzip
import json
import logging
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.contracts.rows import Request
from tests.bench.bench_long_generation import costs
from tests.bench.generation_models import SHAPE, save_model, ties, tokenizer, words

NUM_ITEMS, NUM_SHOTS, MAX_TOKENS = 384, 3, 32
STOPS = ("\n", ".", ",")
LOUD = 2.2
"""How much louder the stops are than other tokens: answers come to a few tokens, as a trained model's do."""
SLICE, BATCHES = 128, (32, 64, 128)


def run() -> dict[str, Any]:
    from components.generate.hf.engine import HfBackend

    logging.disable(logging.WARNING)
    pairs, source = _questions()
    requests = _requests(pairs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tok = tokenizer([f"Q: {question}?\nA: {answer}." for question, answer in pairs])
        save_model(folder, tok, {tok.encode(stop)[0]: LOUD for stop in STOPS})
        backend = HfBackend(folder)
        first, answers = _timed(lambda: backend.answer(requests, "m"))
        harness = _Harness(folder)
        trials = {size: _timed(lambda size=size: harness.answer(requests[:SLICE], size))[0][0] for size in BATCHES}
        best = min(trials, key=trials.__getitem__)
        harness.positions = 0
        reference, expected = _timed(lambda: harness.answer(requests, best))
        second, again = _timed(lambda: backend.answer(requests, "m"))
        ours = [row.text for row in answers.completions]
        unequal = [i for i, text in enumerate(ours) if text != expected[i]]
        encode = backend.tokenizer.encode
        tied = sum(
            ties(backend.model, encode(requests[i].prompt), encode(ours[i]), encode(expected[i])) for i in unequal
        )
    lengths = [row.num_tokens or 0 for row in answers.completions]
    return {
        "work": f"{len(requests)} {source}, {NUM_SHOTS} shots, answers of {statistics.mean(lengths):.1f} tokens "
        f"(mean; {lengths.count(MAX_TOKENS)} of {MAX_TOKENS}), {SHAPE}, CPU fp32",
        "ours_s": round((first[0] + second[0]) / 2, 3),
        "reference": f"lm_eval HFLM.generate_until, batch {best} (best of {BATCHES} on {SLICE})",
        "reference_s": round(reference[0], 3),
        "equal": len(unequal) == tied and [row.text for row in again.completions] == ours,
        "note": f"{len(unequal)} texts part at a tie; ours before and after the reference {first[0]:.1f} and "
        f"{second[0]:.1f} s; CPU seconds {(first[1] + second[1]) / 2:.1f} and {reference[1]:.1f}; "
        + costs(answers.metrics, len(requests), harness.positions),
    }


def _questions() -> tuple[list[tuple[str, str]], str]:
    """Questions and answers, shots last, and what they are."""
    data = Path(os.environ.get("TOUCHSTONE_DATA", Path(__file__).parents[3] / "shared/data"))
    file = data / "nq-open" / "NQ-open.dev.jsonl.gz"
    count = NUM_ITEMS + NUM_SHOTS
    if file.exists():
        with gzip.open(file, "rt") as lines:
            rows = [json.loads(line) for line in lines]
        return [(row["question"], row["answer"][0]) for row in random.Random(0).sample(rows, count)], "NQ-open items"
    draw, text = random.Random(0), words(count * 12, 0)
    made = [(" ".join(text[at : at + draw.randint(7, 11)]), text[at + 11]) for at in range(0, len(text), 12)]
    return made, "made-up questions (no data)"


def _requests(pairs: list[tuple[str, str]]) -> list[Request]:
    """As lm_eval's nq_open writes them, with the same shots before every question."""
    shots = "".join(f"Q: {question}?\nA: {answer}\n" for question, answer in pairs[NUM_ITEMS:])
    head = f"Answer these questions:\n\n{shots}"
    return [
        Request(id=str(i), kind="completion", prompt=f"{head}Q: {question}?\nA:", max_tokens=MAX_TOKENS, stop=STOPS)
        for i, (question, _) in enumerate(pairs[:NUM_ITEMS])
    ]


def _timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    began = time.perf_counter(), time.process_time()
    made = work()
    return (time.perf_counter() - began[0], time.process_time() - began[1]), made


class _Harness:
    def __init__(self, folder: Path) -> None:
        from lm_eval.models.huggingface import HFLM

        self.model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)
        self.positions = 0
        self.model.model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, model: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.positions += kwargs["input_ids"].numel()

    def answer(self, requests: list[Request], size: int) -> list[str]:
        from lm_eval.api.instance import Instance

        self.model.batch_size_per_gpu = size
        settings = {"until": list(STOPS), "max_gen_toks": MAX_TOKENS, "do_sample": False}
        asked = [Instance("generate_until", {}, (request.prompt, settings), i) for i, request in enumerate(requests)]
        return list(self.model.generate_until(asked, disable_tqdm=True))
