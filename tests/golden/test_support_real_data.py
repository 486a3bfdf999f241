"""Support on real data: NQ-open is covered by EfficientQA's questions and not by a broad sample (method section 7)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from components.contracts.dialogue_rows import Dialogue
from components.contracts.environment import data_folder
from components.contracts.rows import Turn
from components.overlap.support import measure_support

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
FILES = {
    "nq": "nq-open/NQ-open.dev.jsonl.gz",
    "efficientqa": "nq-open/NQ-open.efficientqa.dev.1.1.jsonl.gz",
    "sharegpt": "sharegpt-sample/sharegpt_sample.jsonl.gz",
    "halueval": "imitation-data-chatgpt/halueval_general.jsonl.gz",
    "mmlu": "mmlu/mmlu_test.jsonl.gz",
}

pytestmark = pytest.mark.skipif(not (DATA / FILES["nq"]).is_file(), reason=f"real data absent: {DATA}")


@cache
def _lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / FILES[name], "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def _items(name: str) -> dict[str, str]:
    return {str(n): row["question"] for n, row in enumerate(_lines(name))}


def _single(texts: Iterable[str], source: str) -> list[Dialogue]:
    return [
        Dialogue(id=f"{source}-{n}", source=source, target="t", turns=(Turn(speaker="user", text=text),))
        for n, text in enumerate(texts)
    ]


@cache
def _data(name: str) -> list[Dialogue]:
    if name == "efficientqa":
        return _single((row["question"] for row in _lines(name)), name)
    if name == "halueval":
        return _single((row["user_query"] for row in _lines(name)), name)
    turns = (t["value"] for row in _lines(name) for t in row["conversations"] if t["from"] == "human")
    return _single(turns, name)


@pytest.mark.parametrize(
    ("items", "data", "limit", "mean", "supported"),
    [
        ("nq", "efficientqa", None, 0.311, True),
        ("nq", "sharegpt", None, 0.180, False),
        ("nq", "halueval", None, 0.187, False),
        ("mmlu", "efficientqa", None, 0.157, False),
        ("mmlu", "sharegpt", None, 0.149, False),
        # Fewer than 1,000 prompts: the scale of 100.
        ("nq", "efficientqa", 300, 0.186, True),
        ("nq", "sharegpt", 600, 0.101, False),
        ("mmlu", "efficientqa", 300, 0.091, False),
    ],
)
def test_support_of_real_benchmarks(items: str, data: str, limit: int | None, mean: float, supported: bool) -> None:
    measured = measure_support(_items(items), _data(data)[:limit])
    assert measured.mean == pytest.approx(mean, abs=0.0015)
    assert measured.supported is supported
    assert measured.threshold == (0.25 if limit is None else 0.14)


def test_a_local_set_inside_a_broad_mix_still_supports_its_benchmark() -> None:
    measured = measure_support(_items("nq"), _data("sharegpt") + _data("efficientqa")[:200])
    assert measured.source == "source efficientqa"
    assert measured.supported
