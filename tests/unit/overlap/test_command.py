"""`touchstone data overlap`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.contracts.data_rows import Overlap
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Prompt, Turn
from pipelines.cli.main import cli

QUESTION = "what is the capital of the oldest country in the whole of south america"


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    said = [QUESTION, "Tell me about foxes."]
    write_rows(
        tmp_path / "dialogues",
        Dialogue,
        [
            Dialogue(
                id=f"d{n}",
                source="s",
                target="t",
                turns=(Turn(speaker="user", text=text), Turn(speaker="assistant", text="Gladly.")),
            )
            for n, text in enumerate(said)
        ],
    )
    lines(tmp_path / "more.jsonl", [{"instruction": "Tell me about hens.", "output": "They lay eggs."}])
    lines(tmp_path / "nq.jsonl", [{"question": QUESTION, "answer": ["x"]}, {"question": "who was it", "answer": ["y"]}])
    lines(tmp_path / "prompts.jsonl", [{"id": "1", "prompt": "Tell me about foxes."}, {"id": "2", "prompt": "Sing"}])
    lines(tmp_path / "other.jsonl", [{"question_id": 1, "turns": ["Dance", "Again"]}])
    return tmp_path


def call(data: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli, ["data", "overlap", *map(str, arguments)], catch_exceptions=True)


def test_the_table_counts_each_benchmark_and_the_prompts(data: Path) -> None:
    items, prompts = f"quiz={data / 'nq.jsonl'}", data / "prompts.jsonl"
    result = call(data, "--train", data / "dialogues", "--items", items, "--heldout", prompts, "--out", data / "out")
    assert result.exit_code == 0, result.output
    table = {line[:16].strip(): line[16:].split() for line in result.output.splitlines()[1:3]}
    assert table == {"quiz": ["2", "1", "50.0", "1", "1", "1"], "held-out prompts": ["2", "1", "50.0", "1", "0", "0"]}
    assert "against 4 training texts" in result.output
    assert [row.id for row in Input(data / "out" / "clean_heldout", Prompt).rows()] == ["2"]


def test_a_dump_and_a_folder_are_searched_together_and_ids_of_two_files_are_told_apart(data: Path) -> None:
    trained = ["--train", data / "dialogues", "--train", data / "more.jsonl"]
    prompts = ["--heldout", data / "prompts.jsonl", "--heldout", data / "other.jsonl"]
    result = call(data, *trained, *prompts, "--out", data / "out", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["training_texts"] == 6
    assert [row.item_id for row in Input(data / "out" / "overlap", Overlap).rows()] == ["1", "2", "other/1"]


@pytest.mark.parametrize("previous", ["a", "a/state"])
def test_more_data_need_only_the_earlier_folder(data: Path, previous: str) -> None:
    items = ["--items", data / "nq.jsonl", "--heldout", data / "prompts.jsonl"]
    assert call(data, "--train", data / "dialogues", *items, "--out", data / "a").exit_code == 0
    added = call(data, "--train", data / "more.jsonl", "--previous", data / previous, "--out", data / "b", "--json")
    assert added.exit_code == 0, added.output
    both = ["--train", data / "dialogues", "--train", data / "more.jsonl"]
    whole = call(data, *both, *items, "--out", data / "c", "--json")
    assert {**json.loads(added.output), "out": ""} == {**json.loads(whole.output), "out": ""}
    assert Input(data / "b" / "overlap", Overlap).rows() == Input(data / "c" / "overlap", Overlap).rows()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--train", "none.jsonl", "--heldout", "prompts.jsonl"], UsageError, "does not exist"),
        (["--train", "dialogues", "--items", "none.jsonl"], TouchstoneError, "does not exist"),
        (["--train", "dialogues"], TouchstoneError, "nothing to search for"),
        (["--train", "dialogues", "--heldout", "dialogues"], TouchstoneError, "no Prompt rows"),
        (["--train", "dialogues", "--items", "nq.jsonl", "--items", "nq.jsonl"], TouchstoneError, "repeats the id"),
        (["--train", "prompts.jsonl", "--heldout", "prompts.jsonl"], TouchstoneError, "prompts.jsonl"),
        (["--train", "dialogues", "--heldout", "prompts.jsonl", "--previous", "dialogues"], TouchstoneError, "Overlap"),
        (["--train", "dialogues", "--heldout", "prompts.jsonl", "--policy", "nope"], UsageError, "nope"),
    ],
)
def test_bad_input_is_told_and_leaves_what_was_there(data: Path, arguments, kind, message) -> None:
    good = ["--train", data / "dialogues", "--heldout", data / "prompts.jsonl"]
    assert call(data, *good, "--out", data / "out").exit_code == 0
    before = sorted(str(path) for path in (data / "out").rglob("*"))
    placed = [data / a if a[0] != "-" and a != "nope" else a for a in arguments]
    result = call(data, *placed, "--out", data / "out")
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert sorted(str(path) for path in (data / "out").rglob("*")) == before


def test_a_folder_that_is_not_ours_is_not_replaced(data: Path) -> None:
    (data / "out" / "overlap").mkdir(parents=True)
    (data / "out" / "overlap" / "mine").touch()
    result = call(data, "--train", data / "dialogues", "--heldout", data / "prompts.jsonl", "--out", data / "out")
    assert isinstance(result.exception, UsageError)
    assert [path.name for path in (data / "out").iterdir()] == ["overlap"]
