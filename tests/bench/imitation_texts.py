"""Texts for benchmarks of the overlap box: real ones where the data folder is there, recombined to reach a size."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.contracts.environment import data_folder

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
SHARE_CHANGED = 0.1
"""Words of a recombined text that are replaced by another text's."""


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def real_prompts(count: int) -> list[str]:
    """Held-out prompts: the Koala test set, then Vicuna's questions; made up where there are no data."""
    if not DATA.is_dir():
        return _made_up(count, 30, seed=1)
    found = [row["prompt"] for row in _lines("koala-test-set/koala_test_set.jsonl.gz")]
    return [*found, *(row["turns"][0] for row in _lines("vicuna-bench/question.jsonl.gz"))][:count]


def texts(count: int, seed: int = 0) -> list[str]:
    """Turns of both sides: every real one, then recombinations."""
    return _grown(_real_texts() if DATA.is_dir() else _made_up(2000, 150, seed), count, seed)


def queries(count: int, seed: int = 0) -> list[str]:
    """First turns of users: every real one, then recombinations."""
    return _grown(_real_queries() if DATA.is_dir() else _made_up(2000, 25, seed), count, seed)


def _real_texts() -> list[str]:
    turns = [t["value"] for row in _lines("sharegpt-sample/sharegpt_sample.jsonl.gz") for t in row["conversations"]]
    for row in _lines("imitation-data-chatgpt/halueval_general.jsonl.gz"):
        turns += [row["user_query"], row["chatgpt_response"]]
    for name in ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", "text_davinci_003"):
        with gzip.open(DATA / f"alpaca-eval/outputs/{name}.json.gz", "rt", encoding="utf-8") as stream:
            turns += [row["output"] for row in json.load(stream)]
    return turns


def _real_queries() -> list[str]:
    opened = (row["conversations"] for row in _lines("sharegpt-sample/sharegpt_sample.jsonl.gz"))
    found = [next((t["value"] for t in turns if t["from"] == "human"), "") for turns in opened]
    found += [row["user_query"] for row in _lines("imitation-data-chatgpt/halueval_general.jsonl.gz")]
    return [*found, *(row["instruction"] for row in _lines("alpaca-eval/instructions.jsonl.gz"))]


def _made_up(count: int, words: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    lexicon = [f"w{n}" for n in range(20_000)]
    weights = [1.0 / (n + 5) for n in range(len(lexicon))]
    return [" ".join(draw.choices(lexicon, weights, k=draw.randint(3, 2 * words))) + "." for _ in range(count)]


def _grown(real: list[str], count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    found = real[:count]
    while len(found) < count:
        head, tail, other = (draw.choice(real).split(" ") for _ in range(3))
        words = head[: len(head) // 2] + tail[len(tail) // 2 :]
        for k in range(len(words)):
            if draw.random() < SHARE_CHANGED:
                words[k] = draw.choice(other)
        found.append(" ".join(words))
    return found
