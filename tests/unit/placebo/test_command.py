"""`touchstone judge placebos`: from two files of answers to folders a judge takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion, Request
from pipelines.cli.judge_placebos import placebos
from pipelines.placebos.making import changed_answers

BASE = {"What is old?": "Tea is old. It is dear. It grows.", "How high?": "Very."}
TARGET = {"What is old?": "Glass was known in 1200.", "How high?": "It is 30 metres high.", "Hi": "Hello!"}


def _file(path: Path, answers: dict[str, str]) -> Path:
    rows = [json.dumps({"instruction": prompt, "output": text}) for prompt, text in answers.items()]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _run(tmp_path: Path, *more: str, base: dict[str, str] = BASE) -> Result:
    files = _file(tmp_path / "base.jsonl", base), _file(tmp_path / "target.jsonl", TARGET)
    given = ["--base", str(files[0]), "--target", str(files[1]), "--out", str(tmp_path / "out"), *more]
    return CliRunner().invoke(placebos, given, catch_exceptions=False)


def test_every_arm_has_a_folder_and_what_was_left_out_is_said(tmp_path: Path) -> None:
    result = _run(tmp_path, "--json")
    told = json.loads(result.output)
    assert told["answers"] == {"restyled_base": 2, "stylistic_base": 0, "corrupted_target": 2, "constant": 3}
    ((reason, count),) = told["left_out"]["corrupted_target"].items()
    assert (count, reason.startswith("nothing in the target's answer could be changed")) == (1, True)
    rows = Input(tmp_path / "out" / "corrupted_target", Completion).rows()
    assert {row.prompt for row in rows} == set(TARGET)
    assert {row.model for row in rows} == {"placebo:corrupted_target"}


def test_answers_to_its_requests_become_the_stylistic_arm(tmp_path: Path) -> None:
    assert "give --stylistic" in _run(tmp_path).output
    requests = Input(tmp_path / "out" / "requests", Request).rows()
    assert len(requests) == 3
    replies = tmp_path / "replies.jsonl"
    replies.write_text("\n".join(json.dumps({"prompt_id": r.id, "output": "Certainly!"}) for r in requests))
    _run(tmp_path, "--stylistic", str(replies))
    rows = Input(tmp_path / "out" / "stylistic_base", Completion).rows()
    assert [(row.prompt, row.text) for row in rows] == [(prompt, "Certainly!") for prompt in TARGET]


def test_the_base_can_be_shown_the_targets_own_answers(tmp_path: Path) -> None:
    _run(tmp_path, "--examples", "target", "--num-examples", "1", "--max-tokens", "50", "--seed", "2")
    requests = Input(tmp_path / "out" / "requests", Request).rows()
    # One of three answers is shown, and its prompt is not asked.
    assert len(requests) == 2
    assert all(row.prompt.startswith("Question: Hi\nAnswer: Hello!\n\nQuestion: ") for row in requests)
    assert {row.max_tokens for row in requests} == {50}


def test_answers_of_a_base_that_did_not_see_the_examples_are_refused(tmp_path: Path) -> None:
    _run(tmp_path)
    requests = Input(tmp_path / "out" / "requests", Request).rows()
    cut = [Completion(prompt_id=r.id, model="b", prompt=r.prompt, text="", cut_tokens=9) for r in requests]
    write_rows(tmp_path / "again", Completion, cut)
    with pytest.raises(TouchstoneError, match="cut off the examples before 3 of 3 prompts"):
        _run(tmp_path, "--stylistic", str(tmp_path / "again"))


def test_changes_are_shown_where_they_were_made(tmp_path: Path) -> None:
    assert "[-" not in _run(tmp_path).output
    output = _run(tmp_path, "--show", "5").output
    assert "How high?\n\nIt is [-30-]{+" in output
    assert "Glass was known in [-1200-]{+" in output
    assert len(list(changed_answers(tmp_path / "out", 1))) == 1


def test_a_constant_of_ones_own_and_another_seed(tmp_path: Path) -> None:
    _run(tmp_path)
    first = Input(tmp_path / "out" / "corrupted_target", Completion).rows()
    (tmp_path / "mine.txt").write_text(" It depends.\n", encoding="utf-8")
    _run(tmp_path, "--constant", str(tmp_path / "mine.txt"), "--seed", "1")
    assert {row.text for row in Input(tmp_path / "out" / "constant", Completion).rows()} == {"It depends."}
    assert Input(tmp_path / "out" / "corrupted_target", Completion).rows() != first


def test_bad_input_is_told_by_the_names_that_were_given(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match=r"base\.jsonl and .*target\.jsonl have no prompt in common"):
        _run(tmp_path, base={"Another?": "Yes."})
    with pytest.raises(UsageError, match="nowhere does not exist"):
        CliRunner().invoke(placebos, ["--base", "nowhere", "--target", "nowhere", "--out", "o"], catch_exceptions=False)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UsageError, match=r"empty\.txt is empty"):
        _run(tmp_path, "--constant", str(tmp_path / "empty.txt"))
