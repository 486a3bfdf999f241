"""The review sheet: drawn at random, safe in a spreadsheet, and joined back with every mistake named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.contracts.data_rows import CategoryReview
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, write_rows
from components.validate.categories import classify
from pipelines.cli.data_review import review
from pipelines.data.review import CATEGORY, guarded, join_sheets, sample_sheet, shown, unguarded
from tests.unit.validate.data_for_tests import dialogue

DATA = [dialogue(f"id{n:03}", f"question {n}") for n in range(200)]


def stored(folder: Path, data: list[Dialogue]) -> Input[Dialogue]:
    write_rows(folder, Dialogue, data)
    return Input(folder, Dialogue)


def cells(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def fill(sheet: Path, categories: dict[int, str], rater: str = "", delimiter: str = ",") -> None:
    rows = cells(sheet)
    for number, category in categories.items():
        rows[number] |= {CATEGORY: category, "rater": rater}
    with sheet.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    sample_sheet(stored(tmp_path / "d", DATA), tmp_path / "sheet.csv", n=10, seed=1)
    return tmp_path / "sheet.csv"


def test_a_sheet_is_the_same_for_a_shuffled_file_and_another_for_another_seed(tmp_path: Path, sheet: Path) -> None:
    sample_sheet(stored(tmp_path / "r", DATA[::-1]), tmp_path / "again.csv", n=10, seed=1)
    sample_sheet(stored(tmp_path / "d", DATA), tmp_path / "other.csv", n=10, seed=2)
    assert (tmp_path / "again.csv").read_bytes() == sheet.read_bytes()
    assert {row["id"] for row in cells(tmp_path / "other.csv")} != {row["id"] for row in cells(sheet)}
    assert len({row["id"] for row in cells(sheet)}) == 10


@pytest.mark.slow
def test_every_dialogue_is_drawn_equally_often(tmp_path: Path) -> None:
    data = stored(tmp_path / "d", DATA[:20])
    drawn: list[str] = []
    for seed in range(400):
        sample_sheet(data, tmp_path / f"{seed}.csv", n=5, seed=seed)
        drawn += [row["id"] for row in cells(tmp_path / f"{seed}.csv")]
    counts = [drawn.count(row.id) for row in DATA[:20]]
    # 100 expected, standard deviation 8.7.
    assert min(counts) > 65
    assert max(counts) < 135


def test_a_filled_sheet_is_never_written_over(tmp_path: Path, sheet: Path) -> None:
    data = Input(tmp_path / "d", Dialogue)
    sample_sheet(data, sheet, n=10, seed=1)
    fill(sheet, {0: "Chat"})
    filled = sheet.read_bytes()
    with pytest.raises(TouchstoneError, match="exists and is another sheet, or is filled in"):
        sample_sheet(data, sheet, n=10, seed=1)
    assert sheet.read_bytes() == filled
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_the_classifiers_guess_is_not_in_the_sheet(sheet: Path) -> None:
    assert all(row[CATEGORY] == "" for row in cells(sheet))
    guesses = {classify(one.turns[0].text) for one in DATA}
    body = sheet.read_text(encoding="utf-8-sig").split("\n", 1)[1]
    assert not any(guess in body for guess in guesses)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "'quoted", "'=1", "\r=1"])
def test_no_cell_is_a_formula_and_every_id_comes_back(tmp_path: Path, text: str) -> None:
    data = [dialogue(text.strip(), text)]
    sample_sheet(stored(tmp_path / "d", data), tmp_path / "s.csv", n=1, seed=0)
    (row,) = cells(tmp_path / "s.csv")
    assert row["id"][0] == row["query"][0] == "'"
    fill(tmp_path / "s.csv", {0: "Chat"})
    join_sheets([tmp_path / "s.csv"], tmp_path / "r")
    assert Input(tmp_path / "r", CategoryReview).rows()[0].dialogue_id == data[0].id


@pytest.mark.parametrize("name", ["0012", "1e5", "1/2", "plain", "2024-01-01", "'", "=x"])
def test_an_id_that_a_spreadsheet_would_take_for_a_number_stays_text(name: str) -> None:
    kept = guarded(name, is_id=True)
    assert kept == name or kept.startswith("'")
    assert not kept[0].isdigit()
    assert unguarded(kept) == name


def test_a_long_query_shows_its_beginning_and_its_end() -> None:
    seen = shown("Read this. " + "x" * 5000 + " Now condense it.\x00")
    assert seen.startswith("Read this. xxx")
    assert seen.endswith("Now condense it.")
    assert "[... 3728 characters ...]" in seen
    assert len(seen) < 1400


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_half_filled_sheet_is_joined_and_counted(tmp_path: Path, sheet: Path, delimiter: str) -> None:
    fill(sheet, {0: "general qa", 1: " Coding ", 3: "NON ENGLISH"}, "ann", delimiter)
    joined = join_sheets([sheet], tmp_path / "r")
    assert joined == (3, 7, 1, 0)
    rows = Input(tmp_path / "r", CategoryReview)
    assert [row.category for row in rows.rows()] == ["General QA", "Coding", "Non-English"]
    assert {row.rater for row in rows.rows()} == {"ann"}
    assert rows.manifest.notes["empty"] == 7


def test_deleted_rows_are_counted(tmp_path: Path, sheet: Path) -> None:
    fill(sheet, {0: "Chat"})
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    sheet.write_text("\n".join(lines[:6]), encoding="utf-8")
    assert join_sheets([sheet], tmp_path / "r").missing == 5


def test_sheets_of_several_raters_are_joined(tmp_path: Path, sheet: Path) -> None:
    second = tmp_path / "second.csv"
    second.write_bytes(sheet.read_bytes())
    fill(sheet, {0: "Chat"}, "ann")
    fill(second, {0: "Coding"}, "bob")
    assert join_sheets([sheet, second], tmp_path / "r").filled == 2
    fill(second, {0: "Coding"}, "ann")
    with pytest.raises(TouchstoneError, match="is Coding here and Chat elsewhere by ann"):
        join_sheets([sheet, second], tmp_path / "r")


def test_mistakes_in_a_sheet_are_named_with_their_place(tmp_path: Path, sheet: Path) -> None:
    with pytest.raises(TouchstoneError, match="no row has a category"):
        join_sheets([sheet], tmp_path / "r")
    fill(sheet, {2: "Codding"})
    with pytest.raises(TouchstoneError, match=r"line 4: 'Codding' is no category; did you mean Coding\?"):
        join_sheets([sheet], tmp_path / "r")
    text = sheet.read_text(encoding="utf-8-sig").replace("Codding", "Coding")
    sheet.write_text(text.replace(cells(sheet)[2]["id"], ""), encoding="utf-8")
    with pytest.raises(TouchstoneError, match="line 4: no id"):
        join_sheets([sheet], tmp_path / "r")
    sheet.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(TouchstoneError, match="the columns are a, b"):
        join_sheets([sheet], tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="holds no query"):
        sample_sheet(stored(tmp_path / "d", []), tmp_path / "s.csv", n=5, seed=0)
    with pytest.raises(UsageError, match="--n is 0"):
        sample_sheet(stored(tmp_path / "d", DATA), tmp_path / "s.csv", n=0, seed=0)
    twice = stored(tmp_path / "t", [dialogue("same", "hi"), dialogue("same", "ho")])
    with pytest.raises(TouchstoneError, match="an id stands twice"):
        sample_sheet(twice, tmp_path / "s.csv", n=5, seed=0)
    assert not (tmp_path / "s.csv").exists()


def test_the_commands_draw_and_join(tmp_path: Path) -> None:
    stored(tmp_path / "made" / "dialogues", DATA)
    sheet = tmp_path / "s" / "sheet.csv"
    drawn = CliRunner().invoke(review, ["sample", str(tmp_path / "made"), "--n", "7", "--out", str(sheet)])
    assert "7 of 200 queries" in drawn.output
    assert "Brainstorming" in drawn.output
    fill(sheet, {0: "Chat", 4: "Chat"})
    joined = CliRunner().invoke(review, ["join", str(sheet), "--out", str(tmp_path / "r"), "--json"])
    assert json.loads(joined.stdout) == {"out": str(tmp_path / "r"), "filled": 2, "empty": 5, "gaps": 3, "missing": 0}
