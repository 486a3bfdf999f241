"""Imitation data in the formats people have them in, recognised by content."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.environment import data_folder
from components.contracts.errors import TouchstoneError
from components.contracts.ports import write_rows
from components.contracts.rows import Turn
from components.ingest.reading.readers import read_dialogues

DATA = data_folder(Path(__file__).parents[4] / "shared" / "data")

SHAREGPT = {"id": "c1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
    ]
}


def _write(folder: Path, records: list[Any], name: str = "dump.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def _spoken(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in dialogue.turns]


HI = [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize(
    ("record", "turns"),
    [
        (SHAREGPT, HI),
        (CHAT, [("system", "Be brief"), *HI]),
        ({"turns": [{"speaker": "user", "text": "Hi"}, {"speaker": "assistant", "text": "Hello"}]}, HI),
        ({"instruction": "Hi", "input": "", "output": "Hello"}, HI),
        ({"instruction": "Add", "input": "1 2", "output": "3"}, [("user", "Add\n\n1 2"), ("assistant", "3")]),
        ({"instruction": "Add", "context": "1 2", "response": "3"}, [("user", "Add\n\n1 2"), ("assistant", "3")]),
        ({"user_query": "Hi", "chatgpt_response": "Hello", "hallucination": "no"}, HI),
        ({"question": "Hi", "human_answers": ["Yo"], "chatgpt_answers": ["Hello"]}, HI),
        ({"prompt": "Hi", "completion": "Hello"}, HI),
        ({"question": "Hi", "answer": ["Hello", "Hey"]}, HI),
        ({"conversations": [{"from": "Human", "value": "Hi"}, {"from": "chatgpt", "value": "Hello"}]}, HI),
    ],
)
def test_every_accepted_format_gives_the_same_turns(
    tmp_path: Path, record: dict[str, Any], turns: list[tuple[str, str]]
) -> None:
    kept, removed = read_dialogues(_write(tmp_path, [record]))
    assert [_spoken(dialogue) for dialogue in kept] == [turns]
    assert removed == []


@pytest.mark.parametrize("shape", ["array", "jsonl", "gzip", "one object", "misnamed"])
def test_the_container_is_told_by_content(tmp_path: Path, shape: str) -> None:
    path = tmp_path / ("talks.csv" if shape == "misnamed" else "talks.json")
    text = json.dumps([SHAREGPT], indent=1) if shape == "array" else json.dumps(SHAREGPT)
    path.write_bytes(gzip.compress(text.encode()) if shape == "gzip" else text.encode())
    kept, _ = read_dialogues(path)
    assert [(row.id, row.source, _spoken(row)) for row in kept] == [("c1", "talks", HI)]


def test_pairs_in_a_csv_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["prompt", "response"], ["Hi, you", "Hello,\nyou"]])
    assert _spoken(read_dialogues(path)[0][0]) == [("user", "Hi, you"), ("assistant", "Hello,\nyou")]


def test_our_own_artifact_is_read_back(tmp_path: Path) -> None:
    turns = (Turn(speaker="user", text="Hi"), Turn(speaker="assistant", text="Hello"))
    rows = [Dialogue(id="d1", source="s", target="t", turns=turns)]
    write_rows(tmp_path / "dialogues", Dialogue, rows)
    assert read_dialogues(tmp_path / "dialogues") == (rows, [])


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ("g:continued u:Hi g:Hello", HI),
        ("u:Hi g:Hello u:Thanks", HI),
        ("s:Be s:brief u:Hi g:Hello", [("system", "Be\n\nbrief"), *HI]),
        ("u:Hi g:Hello g:there", [("user", "Hi"), ("assistant", "Hello\n\nthere")]),
        ("u:Hi u:you g:Hello", [("user", "Hi\n\nyou"), ("assistant", "Hello")]),
    ],
)
def test_chunks_are_brought_to_alternating_turns(tmp_path: Path, turns: str, expected: list[tuple[str, str]]) -> None:
    kept, _ = read_dialogues(_write(tmp_path, [_sharegpt(turns)]))
    assert [_spoken(dialogue) for dialogue in kept] == [expected]


def _sharegpt(turns: str) -> dict[str, Any]:
    roles = {"u": "human", "g": "gpt", "s": "system", "x": "bing"}
    spoken = [turn.split(":") for turn in turns.split()]
    return {"id": "c", "conversations": [{"from": roles[role], "value": text} for role, text in spoken]}


@pytest.mark.parametrize(
    ("record", "reason", "detail"),
    [
        (_sharegpt("u:Hi x:Hello"), "unknown_role", "turn 2 is spoken by 'bing'"),
        (_sharegpt("u:Hi g:"), "empty", "turn 2 of 2"),
        (_sharegpt("g:Hello"), "no_reply", "1 turns"),
        (_sharegpt("u:Hi"), "no_reply", "1 turns"),
        (_sharegpt("u:Hi s:stop g:Hello"), "malformed", "turn 2 is a system turn"),
        ({"conversations": []}, "no_reply", "0 turns"),
        ({"conversations": [{"from": "human", "value": None}]}, "malformed", "value of turn 1 is null"),
        ({"conversations": ["Hi"]}, "malformed", "turn 1 has no from"),
        ({"instruction": "Hi", "output": 3}, "malformed", "output is 3"),
        ({"question": "Hi", "chatgpt_answers": []}, "empty", "turn 2"),
        ({"other": 1}, "malformed", "none of the known keys"),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_line_and_reason(
    tmp_path: Path, record: dict[str, Any], reason: str, detail: str
) -> None:
    kept, removed = read_dialogues(_write(tmp_path, [SHAREGPT, record]))
    assert [row.id for row in kept] == ["c1"]
    assert [row.reason for row in removed] == [reason]
    assert removed[0].detail.startswith("dump.jsonl, line 2: ")
    assert detail in removed[0].detail
    assert json.loads(removed[0].raw) == record


def test_several_answers_are_several_dialogues_with_ids_of_their_own(tmp_path: Path) -> None:
    record = {"id": 7, "question": "Hi", "chatgpt_answers": ["Hello", "Hey"]}
    kept, _ = read_dialogues(_write(tmp_path, [record]))
    assert [row.id for row in kept] == ["7#1", "7#2"]


def test_ids_are_unique_and_do_not_depend_on_the_order(tmp_path: Path) -> None:
    same_id = [{**SHAREGPT, "conversations": [*SHAREGPT["conversations"][:1], {"from": "gpt", "value": text}]}
               for text in ("one", "two", "one")]  # fmt: skip
    nameless = [{"prompt": "Hi", "response": "Hello"}, {"prompt": "Hi", "response": "Hey"}]
    kept, removed = read_dialogues(_write(tmp_path, same_id + nameless))
    assert len({row.id for row in kept}) == 4
    assert [row.reason for row in removed] == ["duplicate"]
    backwards, _ = read_dialogues(_write(tmp_path, nameless[::-1]))
    assert {row.id for row in backwards} == {row.id for row in kept if row.turns[0].text == "Hi" and "dump" in row.id}


@pytest.mark.parametrize(
    ("extra", "source", "target"),
    [
        ({}, "dump", "gpt-x"),
        ({"source": "reddit"}, "reddit", "gpt-x"),
        ({"model": "gpt-4"}, "dump", "gpt-4"),
        ({"generator": "vicuna"}, "dump", "vicuna"),
    ],
)
def test_the_passport_names_source_and_target(tmp_path: Path, extra: dict[str, str], source: str, target: str) -> None:
    kept, _ = read_dialogues(_write(tmp_path, [{**SHAREGPT, **extra}]), target="gpt-x")
    assert (kept[0].source, kept[0].target) == (source, target)


def test_half_surrogates_do_not_stop_the_rows_from_being_written(tmp_path: Path) -> None:
    record = {"id": "\ud83d", "prompt": "Hi \ud83d", "response": "Hello \ude00", "extra": "\ud83d"}
    bad = {"id": "b", "prompt": "\ud83d", "response": None}
    kept, removed = read_dialogues(_write(tmp_path, [record, bad]))
    write_rows(tmp_path / "kept", Dialogue, kept)
    write_rows(tmp_path / "removed", Removal, removed)
    assert kept[0].turns[0].text == "Hi \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"title": "x", "body": "y"}\n', "line 1: the keys title, body belong to no known format"),
        ("[]", "no records belong to no known format"),
        ('[{"conversations": [', "item 1"),
        ("", "is empty"),
    ],
)
def test_an_unknown_or_broken_file_is_an_error_that_says_what_was_found(
    tmp_path: Path, content: str, problem: str
) -> None:
    path = tmp_path / "dump.json"
    path.write_text(content)
    with pytest.raises(TouchstoneError, match=problem) as caught:
        read_dialogues(path)
    if "format" in problem:
        assert "conversations: [{from, value}]" in caught.value.expected


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data absent: {DATA}")
@pytest.mark.parametrize(
    ("name", "kept", "removed"),
    [
        # 975 chunks, 326 of which begin with gpt; nine hold nothing but its continuation.
        ("sharegpt-sample/sharegpt_sample.jsonl.gz", 962, {"no_reply": 9, "empty": 4}),
        ("imitation-data-chatgpt/halueval_general.jsonl.gz", 4507, {}),
        ("alpaca-eval/outputs/vicuna-13b.json.gz", 805, {}),
        ("nq-open/NQ-open.efficientqa.dev.1.1.jsonl.gz", 1800, {}),
    ],
)
def test_real_dumps(name: str, kept: int, removed: dict[str, int]) -> None:
    dialogues, removals = read_dialogues(DATA / name)
    assert (len(dialogues), Counter(row.reason for row in removals)) == (kept, removed)
    assert len({row.id for row in dialogues}) == kept
    for dialogue in dialogues:
        speakers = [turn.speaker for turn in dialogue.turns if turn.speaker != "system"]
        assert speakers == ["user", "assistant"] * (len(speakers) // 2)
