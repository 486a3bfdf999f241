"""Steps `describe` and `rate_tone`: what they count, what they leave out and say so."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path

import pytest

from components.benchmark.prompting import TEXT_TWIN, request_id
from components.contracts import bind
from components.contracts.environment import data_folder
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, write_rows
from components.contracts.preference_rows import StyleFeatures, ToneScore
from components.contracts.rows import Completion, Score
from components.style.features import features
from components.style.step import describe, rate_tone

OUTPUTS = data_folder(Path(__file__).parents[4] / "shared" / "data") / "alpaca-eval" / "outputs"


def _of(text: str) -> StyleFeatures:
    return features(Completion(prompt_id="p", model="m", text=text))


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("# One\n## Two\n####### seven marks\n#hashtag\n in # text", "headers", 2),
        ("**a** and __b__, **c\nd**", "bold_runs", 2),
        ("- a\n* b\n• c\n1. d\n2) e\n10.5 f\n-g", "list_items", 5),
        ("  - nested\n\t1. deeper", "list_items", 2),
        ("Text.\n```python\n# no heading\n- no item\n**x**\n```\n- item", "list_items", 1),
        ("```\n# no heading\n```", "headers", 0),
        ("```\nfour words of code\n```", "words", 4),
        ("Body.\n\nIn summary, yes.", "has_summary", True),
        ("", "words", 0),
    ],
)
def test_surface_is_counted_outside_code(text: str, field: str, expected: int) -> None:
    assert getattr(_of(text), field) == expected


def _completions(path: Path, rows: list[Completion]) -> Path:
    write_rows(path, Completion, rows)
    return path


def test_an_answer_that_was_never_given_has_no_surface(tmp_path: Path) -> None:
    rows = [
        Completion(prompt_id="p1", model="m", text="# Title"),
        Completion(prompt_id="p2", model="m", text="", unanswered="refused"),
        Completion(prompt_id="p1", model="other", text=""),
    ]
    bind.call(describe, completions=_completions(tmp_path / "in", rows), features=tmp_path / "out")
    found = Input(tmp_path / "out", StyleFeatures).rows()
    assert [(row.prompt_id, row.model, row.headers) for row in found] == [("p1", "m", 1), ("p1", "other", 0)]


def test_two_answers_of_one_model_to_one_prompt_are_refused(tmp_path: Path) -> None:
    rows = [Completion(prompt_id="p1", model="m", text=text) for text in ("a", "b")]
    with pytest.raises(TouchstoneError, match="m answered prompt p1 twice"):
        bind.call(describe, completions=_completions(tmp_path / "in", rows), features=tmp_path / "out")


def _score(item: str, value: float | None = 1.0, *, style: str = "raw", benchmark: str = "nq") -> Score:
    return Score.model_validate(
        {
            "item_id": item,
            "benchmark": benchmark,
            "model": "m",
            "value": value,
            "unscored": "refused" if value is None else None,
            "prompt_style": style,
        }
    )


def _tones(tmp_path: Path, scores: list[Score], said: dict[str, str | None]) -> dict[str, ToneScore]:
    rows = [
        Completion(prompt_id=name, model="m", text=text or "", unanswered=None if text is not None else "refused")
        for name, text in said.items()
    ]
    write_rows(tmp_path / "scores", Score, scores)
    bind.call(
        rate_tone,
        scores=tmp_path / "scores",
        completions=_completions(tmp_path / "said", rows),
        tones=tmp_path / "tones",
    )
    return {row.item_id: row for row in Input(tmp_path / "tones", ToneScore).rows()}


def test_tone_is_that_of_the_reply_that_was_scored(tmp_path: Path) -> None:
    scores = [_score("q1"), _score("q2", style="chat"), _score("q3", benchmark="mmlu"), _score("q4", None)]
    said = {
        request_id("q1", "raw"): "It is certainly Rome.",
        request_id("q1", "chat"): "Perhaps Rome.",
        request_id("q2", "raw"): "It is certainly Rome.",
        request_id("q2", "chat"): "Perhaps Rome.",
        request_id("q3", "raw", twin=TEXT_TWIN): "Rome.",
        "q4": "I guess it is Rome.",
    }
    found = _tones(tmp_path, scores, said)
    assert {item: row.authoritative for item, row in found.items()} == {
        "q1": 0.75,
        "q2": 0.25,
        "q3": 0.5,
        "q4": pytest.approx(0.5 - 0.5 * 2 / 3),
    }
    assert {row.scorer for row in found.values()} == {"lexical"}


def test_no_reply_is_no_tone_and_no_doubt(tmp_path: Path) -> None:
    scores = [_score("q1"), _score("q2"), _score("q3")]
    found = _tones(tmp_path, scores, {request_id("q2", "raw"): None, request_id("q3", "raw"): " \n"})
    assert {item: (row.authoritative, row.unscored) for item, row in found.items()} == {
        "q1": (None, "no reply in words was recorded"),
        "q2": (None, "refused"),
        "q3": (None, "the reply has no words"),
    }


def test_an_item_read_in_two_channels_has_one_tone(tmp_path: Path) -> None:
    scores = [_score("q1"), _score("q1").model_copy(update={"channel": "extracted"})]
    assert list(_tones(tmp_path, scores, {"q1": "Rome."})) == ["q1"]
    assert len(Input(tmp_path / "tones", ToneScore).rows()) == 1


def test_variants_in_place_of_the_headline_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="nq: m has item q1 twice"):
        _tones(tmp_path, [_score("q1"), _score("q1", style="chat")], {"q1": "Rome."})


@pytest.mark.skipif(not OUTPUTS.is_dir(), reason=f"real data absent: {OUTPUTS}")
def test_headings_and_bold_of_real_answers_are_arenas_counts_and_quick() -> None:
    with gzip.open(OUTPUTS / "gpt-3.5-turbo-0613.json.gz", "rt", encoding="utf-8") as stream:
        texts = [row["output"] for row in json.load(stream)]
    started = time.process_time()
    ours = [_of(text) for text in texts]
    assert time.process_time() - started < 1.0
    prose = [re.sub("```([^`]*)```", "", text) for text in texts]
    assert [row.headers for row in ours] == [len(re.findall(r"^#{1,6}\s", text, re.MULTILINE)) for text in prose]
    bold = (r"\*\*[^*\n]+\*\*", r"__[^_\n]+__")
    assert [row.bold_runs for row in ours] == [sum(len(re.findall(p, text)) for p in bold) for text in prose]
    # Arena's list markers lack `•` and `1)`, and have `+`.
    arena = [len(re.findall(r"^\s*(?:\d+\.|[-*+])\s", text, re.MULTILINE)) for text in prose]
    assert sum(row.list_items == theirs for row, theirs in zip(ours, arena, strict=True)) > 0.97 * len(texts)
    assert sum(row.list_items for row in ours) > 2000
