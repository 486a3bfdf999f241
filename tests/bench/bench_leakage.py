"""Held-out prompts against training texts: our index beside sacrebleu's sentence BLEU, pair by pair.

sacrebleu is timed on random pairs and scaled to all; on whole prompts it is run over every text, and the maxima must be
equal. TOUCHSTONE_BENCH_TEXTS sets the number of texts for a quick run.
"""

import os
import random
import time
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from components.overlap.index import Nearest, OverlapIndex, TrainingText
from components.overlap.streaming import num_threads
from components.overlap.tokens import Buffer, all_tokens, buffer, prepared
from tests.bench.imitation_texts import real_prompts, texts

NUM_PROMPTS = 255
NUM_TEXTS = int(os.environ.get("TOUCHSTONE_BENCH_TEXTS", "50000"))
WHOLE_PROMPTS = 3
SAMPLE_PROMPTS, SAMPLE_TEXTS = 40, 250


def run() -> dict[str, Any]:
    prompts, data = real_prompts(NUM_PROMPTS), texts(NUM_TEXTS)
    compile_s = _timed(lambda: _ours(prompts[:3], data[:300]))[0]
    steps = []
    for size in (NUM_TEXTS // 100, NUM_TEXTS // 10, NUM_TEXTS):
        seconds, found = _timed(lambda size=size: _ours(prompts, data[:size]))
        steps.append(f"{size:,} texts {seconds:.2f} s")
    pair_s, kept_s = _reference(prompts, data)
    pairs = len(prompts) * len(data)
    megabytes = sum(map(len, data)) / 1e6
    equal = [_equal(prompts[k], data, found[k]) for k in random.Random(1).sample(range(len(prompts)), WHOLE_PROMPTS)]
    return {
        "work": f"{len(prompts)} prompts x {len(data):,} texts ({megabytes:.0f} MB), with runs of words and cosines",
        "ours_s": round(seconds, 3),
        "reference": "sacrebleu BLEU.sentence_score for every pair, tokenizer cache warm",
        "reference_s": round(pair_s * pairs, 1),
        "equal": all(equal),
        "note": f"reference scaled from {SAMPLE_PROMPTS * SAMPLE_TEXTS:,} random pairs ({pair_s * 1e6:.0f} us each; "
        f"{kept_s * 1e6:.0f} us with the n-grams of references kept, ratio {kept_s * pairs / seconds:.0f}); "
        f"maxima of {WHOLE_PROMPTS} whole prompts over all texts equal to the last bit: {equal}; {'; '.join(steps)}; "
        f"{megabytes / seconds:.0f} MB/s on {num_threads(0)} threads; {limits(data)}; "
        f"first call, compiling where nothing is kept, {compile_s:.1f} s",
    }


def limits(data: list[str]) -> str:
    """What a pass over the texts could cost at best: tokenising alone, and moving the bytes."""
    lines = buffer(map(prepared, data[:5000]))
    all_tokens(Buffer(lines.text[:0], np.zeros(1, dtype=np.int64)))
    tokenising = min(_timed(lambda: all_tokens(lines))[0] for _ in range(3))
    block = np.ones(1 << 27, dtype=np.uint8)
    copy = block.copy()
    moving = min(_timed(lambda: np.copyto(copy, block))[0] for _ in range(3))
    rate = len(lines.text) / 1e6 / tokenising
    return (
        f"finding tokens alone {rate:.0f} MB/s a thread, memory {2 * len(block) / 1e9 / moving:.0f} GB/s: the limit is "
        "instructions for each byte, not memory"
    )


def _ours(prompts: list[str], data: list[str]) -> list[Nearest]:
    index = OverlapIndex(prompts)
    index.add(TrainingText(str(n), 0, text, n % 2 == 0) for n, text in enumerate(data))
    return index.results()


def _reference(prompts: list[str], data: list[str]) -> tuple[float, float]:
    """Seconds a pair: by its public call, and with references' n-grams kept as its constructor allows."""
    draw = random.Random(0)
    some, others = (
        draw.sample(prompts, min(SAMPLE_PROMPTS, len(prompts))),
        draw.sample(data, min(SAMPLE_TEXTS, len(data))),
    )
    metric = BLEU(effective_order=True)
    for text in (*some, *others):
        metric._preprocess_segment(text)
    plain, _ = _timed(lambda: [metric.sentence_score(item, [text]) for item in some for text in others])
    keeping = BLEU(effective_order=True, references=[others])

    def kept() -> None:
        for item in some:
            for stats in keeping._extract_corpus_statistics([item] * len(others), None):
                keeping._compute_score_from_stats(stats)

    kept_s, _ = _timed(kept)
    return plain / (len(some) * len(others)), kept_s / (len(some) * len(others))


def _equal(prompt: str, data: list[str], found: Nearest) -> bool:
    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(prompt, [text]).score for text in data]
    return max(scores) == found.bleu and scores.index(found.bleu) == int(found.bleu_place.dialogue_id or 0)


def _timed(work: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
