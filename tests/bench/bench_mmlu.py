"""Few-shot multiple choice: log-probabilities of four options, ours and lm-evaluation-harness on one checkpoint."""

import logging
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.contracts.rows import Request

NUM_ITEMS, NUM_SHOTS, WORDS = 200, 5, 24


def run() -> dict[str, Any]:
    from tests.unit.generate.conftest import tokenizer

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _checkpoint(folder, tokenizer())
        requests = _requests()
        ours_s, ours = _ours(folder, requests)
        reference_s, reference = _reference(folder, requests)
    flips = int((ours.argmax(1) != reference.argmax(1)).sum())
    return {
        "work": f"{NUM_ITEMS} items x 4 options, {NUM_SHOTS} shots, random Llama of 4 layers, CPU fp32",
        "ours_s": round(ours_s, 3),
        "reference": "lm_eval HFLM, batch 64",
        "reference_s": round(reference_s, 3),
        "equal": bool(np.abs(ours - reference).max() < 1e-4),
        "note": f"largest difference {np.abs(ours - reference).max():.1e}, {flips} flips; loading excluded",
    }


def _checkpoint(folder: Path, tok: Any) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tok),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tok.save_pretrained(folder)


def _requests() -> list[Request]:
    draw = random.Random(0)
    words = ["quick", "brown", "fox", "jumps", "over", "lazy", "dog", "question", "answer", "one", "two"]

    def text(count: int) -> str:
        return " ".join(draw.choice(words) for _ in range(count))

    shots = "".join(f"{text(WORDS)}?\nAnswer: {draw.choice('ABCD')}\n\n" for _ in range(NUM_SHOTS))
    return [
        Request(id=str(i), kind="choice", prompt=f"{shots}{text(WORDS)}?\nAnswer:", choices=(" A", " B", " C", " D"))
        for i in range(NUM_ITEMS)
    ]


def _ours(folder: Path, requests: list[Request]) -> tuple[float, Any]:
    from components.generate.hf.engine import HfBackend

    backend = HfBackend(folder, batch_size=64)
    began = time.perf_counter()
    rows = backend.answer(requests, "m").choice_scores
    return time.perf_counter() - began, np.array([row.logprobs for row in rows])


def _reference(folder: Path, requests: list[Request]) -> tuple[float, Any]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=64)
    pairs = [(r.prompt, choice) for r in requests for choice in r.choices]
    instances = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    began = time.perf_counter()
    values = [value for value, _ in model.loglikelihood(instances, disable_tqdm=True)]
    return time.perf_counter() - began, np.array(values).reshape(len(requests), 4)
