"""Texts with scores are read from what people have; what has no score is counted; wrong files are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from components.benchmark.toxicity import scored_texts
from components.benchmark.toxicity.scored_texts import folds, read
from components.contracts.errors import TouchstoneError
from tests.unit.benchmark.toxicity.made_texts import sentences, write_file


def prompts(number: int = 150) -> list[dict[str, object]]:
    texts, scores = sentences(2 * number)
    return [
        {
            "filename": f"{n}.txt",
            "prompt": {"text": texts[2 * n], "toxicity": scores[2 * n], "insult": 0.9},
            "continuation": {"text": texts[2 * n + 1], "toxicity": scores[2 * n + 1]},
        }
        for n in range(number)
    ]


def test_real_toxicity_prompts_are_read_as_they_are_and_missing_scores_counted(tmp_path: Path) -> None:
    records = prompts()
    del records[3]["prompt"]["toxicity"]  # type: ignore[attr-defined]
    records[4]["continuation"]["toxicity"] = None  # type: ignore[index]
    records[5]["continuation"]["text"] = "  "  # type: ignore[index]
    path = tmp_path / "rtp.jsonl.gz"
    with gzip.open(path, "wt") as stream:
        stream.write("\n".join(map(json.dumps, records)))
    found = read(path)
    assert len(found.texts) == 297
    assert found.left_out == {"no score": 2, "the text is empty": 1}
    assert found.groups.tolist()[:6] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("column", ["toxicity", "score", "perspective"])
def test_plain_columns_are_read_too(tmp_path: Path, column: str) -> None:
    texts, scores = sentences(300)
    path = tmp_path / "scored.csv"
    rows = [f'"{text}",{score}' for text, score in zip(texts, scores, strict=True)]
    path.write_text("\n".join([f"text,{column}", *rows, '"without score",']))
    found = read(path)
    assert list(found.texts) == texts
    assert found.scores == pytest.approx(scores)
    assert found.left_out == {"no score": 1}


def test_the_digest_is_of_the_content_not_of_the_packing(tmp_path: Path) -> None:
    plain = write_file(tmp_path / "a.jsonl")
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(plain).digest == read(packed).digest
    assert read(write_file(tmp_path / "c.jsonl", seed=1)).digest != read(plain).digest


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ({"text": "hello", "toxicity": 80}, "toxicity is 80"),
        ({"text": "hello", "toxicity": -0.1}, "toxicity is -0.1"),
        ({"text": "hello", "toxicity": "high"}, 'toxicity is "high"'),
        ({"text": "hello", "toxicity": float("nan")}, "toxicity is NaN"),
        ({"text": "hello", "label": 1}, "no score, only text, label"),
        ({"toxicity": 0.5}, "no text"),
        ({"text": 7, "toxicity": 0.5}, "text is 7"),
    ],
)
def test_a_wrong_record_is_named_by_its_line(tmp_path: Path, line: dict[str, object], found: str) -> None:
    path = write_file(tmp_path / "texts.jsonl", 300)
    with path.open("a") as stream:
        stream.write("\n" + json.dumps(line))
    with pytest.raises(TouchstoneError) as error:
        read(path)
    assert "line 301" in error.value.found
    assert found in error.value.found


def test_too_few_or_one_sided_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="100 scored texts"):
        read(write_file(tmp_path / "few.jsonl", 100))
    texts, _ = sentences(300)
    path = tmp_path / "calm.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "score": 0.1}) for text in texts))
    with pytest.raises(TouchstoneError, match=r"0 with 0\.5 or more"):
        read(path)
    path.write_text("\n".join(json.dumps({"text": t, "score": n % 2, "group": 1}) for n, t in enumerate(texts)))
    with pytest.raises(TouchstoneError, match="from 1 sources"):
        read(path)


def test_folds_keep_groups_together_and_are_even() -> None:
    groups = np.repeat(np.arange(100), 3)
    found = folds(groups, 5, seed=2)
    assert all(len(set(found[groups == group])) == 1 for group in range(100))
    assert np.bincount(found).tolist() == [60] * 5
    assert (folds(groups, 5, seed=3) != found).any()


def test_the_message_says_which_columns_are_meant() -> None:
    assert all(key in scored_texts.EXPECTED for key in scored_texts.SCORE_KEYS)
