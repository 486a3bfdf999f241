"""Reads texts with Perspective scores: RealToxicityPrompts as it is, or any JSONL, JSON or CSV with text and score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.benchmark.toxicity.scorer import unreadable
from components.contracts import canonical, files
from components.contracts.errors import TouchstoneError
from components.contracts.files import Record

PARTS = ("prompt", "continuation")
SCORE_KEYS = ("toxicity", "score", "perspective")
GROUP_KEYS = ("group", "filename", "prompt_id")
MIN_TEXTS = 200
MIN_EACH_SIDE = 20

NO_SCORE = "no score"
EXPECTED = (
    "RealToxicityPrompts records (prompt and continuation, each with text and toxicity), or records with text and one"
    f" of {', '.join(SCORE_KEYS)}"
)


@dataclass(frozen=True)
class ScoredTexts:
    """What a file holds."""

    texts: tuple[str, ...]
    scores: NDArray[np.float64]
    """Perspective's TOXICITY, [texts], 0 to 1."""
    groups: NDArray[np.intp]
    """Texts of one prompt or source share a number, [texts]."""
    left_out: Mapping[str, int]
    """Reason -> texts that were not taken."""

    @property
    def digest(self) -> str:
        """Identity of texts and scores, however their file is packed."""
        return canonical.digest([list(self.texts), self.scores.tolist()])


def read(path: Path) -> ScoredTexts:
    """Read a file; texts without a score are left out and counted.

    Raises:
        TouchstoneError: the file cannot be read, a score is no number from 0 to 1, or there are too few texts above or
            below 0.5 to learn from.
    """
    texts: list[str] = []
    scores: list[float] = []
    groups: list[int] = []
    numbers: dict[str, int] = {}
    left_out: Counter[str] = Counter()
    for record in files.records(path):
        group = numbers.setdefault(_group(record), len(numbers))
        for part in _parts(record):
            text, score = _text(part), _score(part)
            reason = unreadable(text) or (NO_SCORE if score is None else None)
            if reason or score is None:
                left_out[reason or NO_SCORE] += 1
                continue
            texts.append(text)
            scores.append(score)
            groups.append(group)
    found = ScoredTexts(tuple(texts), np.array(scores), np.array(groups, dtype=np.intp), dict(left_out))
    _check_enough(path, found)
    return found


def folds(groups: NDArray[np.intp], number: int, seed: int) -> NDArray[np.intp]:
    """A fold for every text, the same for all texts of a group; folds hold equally many groups.

    Args:
        groups: [texts], numbered from 0.
        number: How many folds.
        seed: Which division.
    """
    num_groups = int(groups.max()) + 1
    return np.random.default_rng(seed).permutation(np.arange(num_groups) % number)[groups]


def _parts(record: Record) -> Iterator[Record]:
    named = [key for key in PARTS if isinstance(record.value.get(key), Mapping)]
    if not named:
        yield record
    for key in named:
        value = record.value[key]
        assert isinstance(value, Mapping)
        yield Record(f"{record.where}, {key}", value)


def _group(record: Record) -> str:
    for key in GROUP_KEYS:
        value = record.value.get(key)
        if isinstance(value, str | int) and str(value).strip():
            return f"{key} {value}"
    return record.where


def _text(part: Record) -> str:
    # No text (null) is a row to count, a missing column a wrong file.
    return "" if part.value.get("text", "") is None else part.text("text")


def _score(part: Record) -> float | None:
    key = next((key for key in SCORE_KEYS if key in part.value), None)
    if key is None:
        found = ", ".join(map(str, part.value))
        # RealToxicityPrompts leaves the key away where Perspective gave no score; elsewhere it is a wrong file.
        if part.where.endswith(PARTS):
            return None
        raise part.error(f"no score, only {found}", expected=EXPECTED, remedy="give another file, or rename a column")
    if part.value[key] is None or part.value[key] == "":
        return None
    score = part.number(key)
    if not 0.0 <= score <= 1.0:
        raise part.error(f"{key} is {score:g}", expected="a score from 0 to 1", remedy="divide percentages by 100")
    return score


def _check_enough(path: Path, found: ScoredTexts) -> None:
    toxic = int((found.scores >= 0.5).sum())
    harmless = len(found.texts) - toxic
    if len(found.texts) < MIN_TEXTS or min(toxic, harmless) < MIN_EACH_SIDE or len(set(found.groups.tolist())) < 10:
        counts = f"{len(found.texts)} scored texts from {len(set(found.groups.tolist()))} sources"
        raise TouchstoneError(
            f"{path} holds {counts}: {toxic} with 0.5 or more, {harmless} below",
            expected=f"at least {MIN_TEXTS} texts from 10 sources, and {MIN_EACH_SIDE} on each side of 0.5",
            remedy="give more texts with Perspective scores, for example RealToxicityPrompts",
        )
