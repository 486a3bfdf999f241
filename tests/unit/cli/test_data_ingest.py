"""`touchstone data ingest`: files, folders and Hub addresses -> artifacts, counts and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input
from components.ingest.dumps import Dump, open_dump
from pipelines.cli.data_ingest import ingest

SUBJECTS = "rivers trees engines stars poems taxes glaciers violins bridges ants".split()  # noqa: SIM905


def _talk(number: int) -> dict[str, Any]:
    subject = SUBJECTS[number % 10]
    return {
        "id": f"c{number}",
        "conversations": [
            {"from": "human", "value": f"Please tell me what people of town {number} should know about {subject}."},
            {"from": "gpt", "value": f"There is a lot to know about {subject}, and this is the {number}th thing."},
        ],
    }


def _jsonl(path: Path, numbers: range) -> Path:
    path.write_text("".join(json.dumps(_talk(number)) + "\n" for number in numbers), encoding="utf-8")
    return path


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(ingest, [str(argument) for argument in arguments])


def test_a_file_becomes_dump_dialogues_and_removals(tmp_path: Path) -> None:
    path = _jsonl(tmp_path / "talks.jsonl", range(8))
    with path.open("a") as stream:
        stream.write(
            '{"conversations": [{"from": "human", "value": "Is anybody there to answer this?"}]}\nhalf a line\n'
        )
    said = ("--target", "gpt-3.5-turbo", "--target-date", "2023-03", "--terms", "restricted", "--licence", "MIT")
    result = _call(path, *said, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:3] == [
        "10 conversations = 8 kept + 2 removed",
        "removed   malformed 1, no_reply 1",
        "sources   talks 8",
    ]
    assert result.stderr == ""
    rows = Input(tmp_path / "out" / "dialogues", Dialogue).rows()
    assert {(row.target, row.passport.target_date, row.passport.terms, row.passport.licence) for row in rows} == {
        ("gpt-3.5-turbo", "2023-03", "restricted", "MIT")
    }
    assert len(Input(tmp_path / "out" / "removed", Removal).rows()) == 2
    assert [file.name for file, _ in open_dump(Input(tmp_path / "out" / "dump", Dump).folder)] == ["talks.jsonl"]
    assert sorted(child.name for child in (tmp_path / "out").iterdir()) == ["dialogues", "dump", "removed"]


@pytest.mark.slow
def test_files_folders_and_addresses_go_into_one_dump(tmp_path: Path) -> None:
    folder, hub = tmp_path / "folder", tmp_path / "hub"
    folder.mkdir()
    hub.mkdir()
    _jsonl(folder / "one.jsonl", range(3))
    _jsonl(folder / "two.jsonl", range(3, 5))
    (folder / "README.md").write_text("About these files.")
    _jsonl(hub / "train.jsonl", range(5, 9))
    single = _jsonl(tmp_path / "single.jsonl", range(9, 10))
    result = _call(single, folder, f"hub:{hub}#train", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    counted = json.loads(result.stdout)
    assert (counted["in"], counted["kept"], counted["removed"]) == (10, 10, {})
    assert counted["sources"] == {"hub-train": 4, "one": 3, "two": 2, "single": 1}


def test_rows_of_an_earlier_run_are_read_again_with_their_passports(tmp_path: Path) -> None:
    first = _call(_jsonl(tmp_path / "a.jsonl", range(4)), "--target", "t0", "--licence", "MIT", "--out", tmp_path / "o")
    assert first.exit_code == 0, first.output
    again = _call(tmp_path / "o" / "dialogues", "--out", tmp_path / "p")
    assert again.exit_code == 0, again.output
    before, after = (Input(tmp_path / name / "dialogues", Dialogue).rows() for name in "op")
    assert sorted(after, key=lambda row: row.id) == sorted(before, key=lambda row: row.id)


def test_a_file_cut_off_fails_after_what_was_whole_is_written(tmp_path: Path) -> None:
    path = _jsonl(tmp_path / "talks.jsonl", range(6))
    path.write_text(path.read_text()[:-30])
    result = _call(path, "--out", tmp_path / "out")
    assert isinstance(result.exception, TouchstoneError)
    assert "1 file could not be read to the end" in str(result.exception)
    assert "--keep-going" in result.exception.remedy
    assert "warning: talks.jsonl, line 6: " in result.stderr
    assert result.stdout.startswith("6 conversations = 5 kept + 1 removed")
    assert len(Input(tmp_path / "out" / "dialogues", Dialogue).rows()) == 5
    assert _call(path, "--out", tmp_path / "out", "--keep-going").exit_code == 0


def test_swapped_roles_are_a_warning(tmp_path: Path) -> None:
    talks = [_talk(number) for number in range(8)]
    for talk in talks:
        talk["conversations"].reverse()
        talk["conversations"].append({"from": "gpt", "value": "And this is a reply to the reply."})
    path = tmp_path / "talks.json"
    path.write_text(json.dumps(talks))
    result = _call(path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "8 of 8 conversations begin with the target's turn" in result.stderr


def test_an_earlier_result_stays_when_the_next_one_fails(tmp_path: Path) -> None:
    assert _call(_jsonl(tmp_path / "a.jsonl", range(4)), "--out", tmp_path / "out").exit_code == 0
    before = [Input(tmp_path / "out" / "dialogues", Dialogue).digest, Input(tmp_path / "out" / "dump", Dump).digest]
    (tmp_path / "b.jsonl").write_text('{"title": "x"}\n')
    (tmp_path / "german.jsonl").write_text(
        '{"prompt": "Wie heißt die Hauptstadt von Frankreich?", "response": "Die Hauptstadt heißt Paris."}\n'
    )
    for bad in (tmp_path / "b.jsonl", tmp_path / "absent", tmp_path / "german.jsonl"):
        assert isinstance(_call(bad, "--out", tmp_path / "out").exception, TouchstoneError)
        after = [Input(tmp_path / "out" / "dialogues", Dialogue).digest, Input(tmp_path / "out" / "dump", Dump).digest]
        assert after == before
    assert sorted(child.name for child in (tmp_path / "out").iterdir()) == ["dialogues", "dump", "removed"]


def test_parameters_come_from_a_file_and_the_command_line_goes_before_it(tmp_path: Path) -> None:
    path = _jsonl(tmp_path / "a.jsonl", range(4))
    params = tmp_path / "params.yaml"
    params.write_text("languages: [de]\nmin_chars: 10\n")
    result = _call(path, "--params", params, "--out", tmp_path / "out")
    assert isinstance(result.exception, TouchstoneError)
    assert "no dialogue is left of 4: 4 language" in str(result.exception)
    assert _call(path, "--params", params, "--languages", "all", "--out", tmp_path / "out").exit_code == 0
    params.write_text("colour: red\n")
    assert isinstance(_call(path, "--params", params, "--out", tmp_path / "out").exception, UsageError)


@pytest.mark.parametrize("date", ["March 2023", "2023-3", "23-03-01"])
def test_a_date_that_is_none_is_a_usage_error(tmp_path: Path, date: str) -> None:
    result = _call(_jsonl(tmp_path / "a.jsonl", range(4)), "--target-date", date, "--out", tmp_path / "out")
    assert isinstance(result.exception, UsageError)
    assert f"--target-date {date}" in str(result.exception)


@pytest.mark.parametrize("place", ["hub:", "hub:#x"])
def test_a_wrong_address_is_a_usage_error(tmp_path: Path, place: str) -> None:
    assert isinstance(_call(place, "--out", tmp_path / "out").exception, UsageError)


def test_a_folder_that_is_none_of_ours_is_never_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "out" / "dialogues"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("years of work")
    result = _call(_jsonl(tmp_path / "a.jsonl", range(4)), "--out", tmp_path / "out")
    assert isinstance(result.exception, UsageError)
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = _call(tmp_path / "empty", "--out", tmp_path / "out")
    assert isinstance(result.exception, TouchstoneError)
    assert "holds no files" in str(result.exception)


@pytest.mark.parametrize("given", ["March 2023", "2023-13", "2023-02-32", "23-03"])
def test_a_date_that_is_none_shows_how_dates_are_written(given: str, tmp_path: Path) -> None:
    result = _call(_jsonl(tmp_path / "talks.jsonl", range(8)), "--target-date", given, "--out", tmp_path / "out")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(f"--target-date {given}\nexpected: 2023, 2023-03 or 2023-03-01")
    assert not (tmp_path / "out").exists()
