"""Nested subsets by imitation tokens, as a step and as a command."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output, write_rows
from components.contracts.rows import Turn
from components.ingest.queries import in_subset_order
from components.ingest.step import subset
from pipelines.cli.data_subset import subset as command
from pipelines.data.subsets import read_size

RNG = random.Random(0)


def _dialogue(number: int) -> Dialogue:
    turns = [Turn(speaker="system", text="be brief and never count these words")]
    for turn in range(RNG.randrange(1, 4)):
        turns.append(Turn(speaker="user", text=f"question {number} part {turn} with words that do not count"))
        turns.append(Turn(speaker="assistant", text=" ".join(["word"] * RNG.randrange(1, 60))))
    return Dialogue(id=f"d{number}", source="s", target="t", turns=tuple(turns))


DIALOGUES = [_dialogue(number) for number in range(700)]


def _words(rows: list[Dialogue]) -> int:
    return sum(len(turn.text.split()) for row in rows for turn in row.turns if turn.speaker == "assistant")


def _data(folder: Path, rows: list[Dialogue] = DIALOGUES) -> Path:
    write_rows(folder / "data", Dialogue, rows)
    return folder / "data"


def _subset(data: Path, max_tokens: int, **given: Any) -> list[Dialogue]:
    seed = given.pop("seed", 0)
    ports = {"dialogues": data, "subset": data.parent / "subset", "outside": data.parent / "outside", **given}
    bind.call(subset, params={"max_tokens": max_tokens, "seed": seed}, **ports)
    return Input(ports["subset"], Dialogue).rows()


def _tokenizer(folder: Path, name: str = "tokenizer") -> Path:
    """Three tokens a word, and a template that adds special ones."""
    made = Tokenizer(models.WordLevel({"[CLS]": 0, "wo": 1, "r": 2, "d": 3, "?": 4}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Split("r", "isolated")])
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 0)])
    made.enable_truncation(5)
    output = Output(folder / name, Checkpoint)
    made.save(str(output.folder / "tokenizer.json"))
    output.commit()
    return output.path


def test_a_budget_is_filled_and_never_passed(tmp_path: Path) -> None:
    rows = _subset(_data(tmp_path), 5_000)
    ordered = in_subset_order(DIALOGUES, 0)
    assert rows == ordered[: len(rows)]
    assert _words(rows) <= 5_000 < _words(ordered[: len(rows) + 1])
    notes = Input(tmp_path / "subset", Dialogue).manifest.notes
    assert notes == {"tokens": _words(rows), "dialogues": len(rows), "unit": "words", "tokenizer": ""}


@pytest.mark.slow
def test_smaller_subsets_are_prefixes_of_larger_ones(tmp_path: Path) -> None:
    data = _data(tmp_path)
    subsets = [_subset(data, size) for size in (300, 1_000, 5_000, 10**9)]
    for small, large in itertools.pairwise(subsets):
        assert small == large[: len(small)] != large
    assert len(subsets[-1]) == len(DIALOGUES)


def test_the_order_of_the_data_does_not_show_and_seeds_do(tmp_path: Path) -> None:
    shuffled = random.Random(4).sample(DIALOGUES, len(DIALOGUES))
    assert _subset(_data(tmp_path / "a"), 3_000) == _subset(_data(tmp_path / "b", shuffled), 3_000)
    digests = {Input(tmp_path / name / "subset", Dialogue).digest for name in "ab"}
    assert len(digests) == 1
    assert _subset(_data(tmp_path / "c"), 3_000, seed=1) != _subset(_data(tmp_path / "d"), 3_000)


def test_what_lies_outside_is_named_without_its_text(tmp_path: Path) -> None:
    rows = _subset(_data(tmp_path), 5_000)
    outside = Input(tmp_path / "outside", Removal).rows()
    assert {row.id for row in rows} | {row.id for row in outside} == {d.id for d in DIALOGUES}
    assert len(rows) + len(outside) == len(DIALOGUES)
    assert {(row.reason, row.raw, row.detail) for row in outside} == {("subset", "", "outside the first 5,000 words")}


def test_tokens_are_those_of_the_base_without_special_ones_and_without_its_limit(tmp_path: Path) -> None:
    rows = _subset(_data(tmp_path), 6_000, tokenizer=_tokenizer(tmp_path))
    notes = Input(tmp_path / "subset", Dialogue).manifest.notes
    assert notes["tokens"] == 3 * _words(rows) <= 6_000
    assert notes["unit"] == "tokens"
    assert len(str(notes["tokenizer"])) == 64


def test_a_dialogue_that_stands_twice_is_counted_twice(tmp_path: Path) -> None:
    assert len(_subset(_data(tmp_path, DIALOGUES[:1] * 3), 10**6)) == 3


def test_an_empty_subset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="no dialogue fits into 1 words"):
        _subset(_data(tmp_path, [_dialogue(1).model_copy(update={"turns": DIALOGUES[1].turns * 9})]), 1)


def test_a_checkpoint_without_tokenizer_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    output = Output(tmp_path / "empty", Checkpoint)
    assert output.folder.is_dir()
    output.commit()
    with pytest.raises(TouchstoneError, match=r"tokenizer\.json: there is none"):
        _subset(_data(tmp_path), 100, tokenizer=output.path)


@pytest.mark.slow
def test_the_command_makes_one_artifact_a_size(tmp_path: Path) -> None:
    _data(tmp_path)
    # A Hugging Face folder that is none of our artifacts.
    (_tokenizer(tmp_path) / "manifest.json").unlink()
    arguments = [str(tmp_path / "data"), "--tokens", "3k", "--tokens", "0.9k", "--out", str(tmp_path / "out")]
    arguments += ["--tokenizer", str(tmp_path / "tokenizer"), "--json"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["label"], line["unit"]) for line in lines] == [("0.9k", "tokens"), ("3k", "tokens")]
    small, large = (Input(Path(line["folder"]), Dialogue).rows() for line in lines)
    assert small == large[: len(small)] != large
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.9k", "0.9k-outside", "3k", "3k-outside"]
    again = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert again.stdout == done.stdout
    # The folder that `data ingest` wrote, in place of the dialogues in it.
    above = CliRunner().invoke(command, [str(tmp_path), *arguments[1:]], catch_exceptions=False)
    assert above.stdout == done.stdout


@pytest.mark.parametrize(
    ("text", "size"),
    [("300k", 300_000), ("1.5M", 1_500_000), ("0.3m", 300_000), ("2b", 2 * 10**9), ("1,500k", 1_500_000)],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-5", "1.5", "0", "10x", "1e6", "1,5M", "15,00k"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--tokens"):
        read_size(text)
