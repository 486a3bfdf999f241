"""Sentences with made-up Perspective scores: rude words raise them, nothing here is worse than 'stupid'."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

CALM = tuple(
    word
    for line in (
        "the committee met on tuesday and agreed about a budget for next year while our neighbours walked along",
        "quiet rivers with their dogs before dinner because weather was mild and everyone had time to read good books",
    )
    for word in line.split()
)
RUDE = ("stupid", "idiot", "pathetic", "moron", "rotten")


def sentences(number: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts of 6 to 14 words with 0 to 2 rude ones, and their scores."""
    draw = np.random.default_rng(seed)
    texts, scores = [], []
    for _ in range(number):
        words = list(draw.choice(CALM, size=draw.integers(6, 13)))
        rude = int(draw.integers(0, 3))
        for word in draw.choice(RUDE, size=rude):
            words.insert(int(draw.integers(len(words) + 1)), str(word))
        texts.append(" ".join(words))
        scores.append(float(np.clip(0.1 + 0.38 * rude + draw.normal(0, 0.05), 0, 1)))
    return texts, np.array(scores)


def write_file(path: Path, number: int = 400, seed: int = 0) -> Path:
    """The sentences as JSONL, two by two in a group."""
    texts, scores = sentences(number, seed)
    lines = [
        json.dumps({"text": text, "toxicity": score, "group": n // 2})
        for n, (text, score) in enumerate(zip(texts, scores, strict=True))
    ]
    path.write_text("\n".join(lines))
    return path
