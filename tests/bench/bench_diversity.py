"""Every query's most similar other query: ours beside sacrebleu's sentence BLEU over all pairs.

sacrebleu is timed on random pairs and scaled to all; on whole queries it is run over all others, and the maxima must be
equal. TOUCHSTONE_BENCH_QUERIES sets the number of queries for a quick run.
"""

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU

from components.overlap.diversity import Query, SimilarQuery, nearest_queries, write_query
from components.overlap.streaming import num_threads
from tests.bench.bench_leakage import limits
from tests.bench.imitation_texts import queries

NUM_QUERIES = int(os.environ.get("TOUCHSTONE_BENCH_QUERIES", "20000"))
WHOLE_QUERIES = 20
SAMPLE_PAIRS = 20_000


def run() -> dict[str, Any]:
    asked = queries(NUM_QUERIES)
    compile_s = _ours(asked[:200])[0]
    steps = []
    for size in (NUM_QUERIES // 100, NUM_QUERIES // 10, NUM_QUERIES):
        seconds, found = _ours(asked[:size])
        mean = sum(row.bleu for row in found) / len(found)
        steps.append(f"{size:,} queries {seconds:.2f} s (mean {mean:.1f})")
    pair_s = _reference(asked)
    pairs = len(asked) * (len(asked) - 1)
    chosen = random.Random(1).sample(range(len(asked)), WHOLE_QUERIES)
    equal = [_equal(k, asked, found[k]) for k in chosen]
    megabytes = sum(map(len, asked)) / 1e6
    return {
        "work": f"{len(asked):,} queries ({megabytes:.1f} MB), each against all others",
        "ours_s": round(seconds, 3),
        "reference": "sacrebleu BLEU.sentence_score for every pair, tokenizer cache warm",
        "reference_s": round(pair_s * pairs, 1),
        "equal": all(equal),
        "note": f"reference scaled from {SAMPLE_PAIRS:,} random pairs ({pair_s * 1e6:.0f} us each); maxima of "
        f"{sum(equal)} of {WHOLE_QUERIES} whole queries over all others equal to the last bit; {'; '.join(steps)}; "
        f"{seconds / pairs * 1e9:.0f} ns a pair on {num_threads(0)} threads; {limits(asked)}; "
        f"first call, compiling where nothing is kept, {compile_s:.1f} s",
    }


def _ours(asked: list[str]) -> tuple[float, list[SimilarQuery]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        with (folder / "new").open("w") as stream:
            stream.writelines(write_query(Query(str(n), 0, text)) for n, text in enumerate(asked))
        found = list(nearest_queries(folder / "new", folder / "out"))
        return time.perf_counter() - began, found


def _reference(asked: list[str]) -> float:
    draw = random.Random(0)
    pairs = [(draw.choice(asked), draw.choice(asked)) for _ in range(SAMPLE_PAIRS)]
    metric = BLEU(effective_order=True)
    for text in {text for pair in pairs for text in pair}:
        metric._preprocess_segment(text)
    began = time.perf_counter()
    for item, text in pairs:
        metric.sentence_score(item, [text])
    return (time.perf_counter() - began) / len(pairs)


def _equal(k: int, asked: list[str], found: SimilarQuery) -> bool:
    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(asked[k], [text]).score if n != k else -1.0 for n, text in enumerate(asked)]
    return max(scores) == found.bleu and (
        max(scores) == 0.0 or scores.index(found.bleu) == int(found.place.dialogue_id)
    )
