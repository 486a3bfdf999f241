"""`touchstone crowd sheet`, `import`, `estimate`, `pay` and `agreement`, as a user types them."""

import csv
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, write_rows
from components.crowd.database import Store
from pipelines.cli.crowd_files import import_ratings, sheet
from pipelines.cli.crowd_pay import agreement_of, estimate, pay
from tests.unit.crowd.studies import PLAIN, headline, make, rate_all, rater


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'crowd.db'}")
    write_rows(tmp_path / "study", StudyPair, [headline(number) for number in range(12)])
    return tmp_path / "study"


def typed(command: click.Command, *words: object) -> Result:
    done = CliRunner().invoke(command, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def fill(blank: Path, filled: Path, answer: str) -> None:
    with blank.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with filled.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows({**row, "rater": "ann", "preference": answer} for row in rows)


def test_a_sheet_goes_out_and_comes_back(study: Path, tmp_path: Path) -> None:
    assert "12 pairs" in typed(sheet, study, "--out", "out.csv").stdout
    fill(tmp_path / "out.csv", tmp_path / "filled.csv", "equal")
    done = typed(import_ratings, study, "filled.csv", "filled.csv", "--source", "friends", "--keep-all", "--out", "j")
    assert done.stdout == "j: 12 judgments of 1 raters, 0 unscored\n"
    assert "12 ratings stood there more than once" in done.stderr
    assert {(row.outcome, row.source) for row in Input(tmp_path / "j", Judgment).rows()} == {("tie", "friends")}
    # By the rules, somebody who presses one button only does not count.
    done = typed(import_ratings, study, "filled.csv", "--source", "friends", "--out", "k")
    assert done.stdout == "k: 12 judgments of 1 raters, 12 unscored\n"
    assert "12 of 12 answers by the same button" in done.stderr
    with pytest.raises(TouchstoneError, match="nobody rated anything"):
        typed(import_ratings, study, "out.csv", "--source", "friends", "--out", "l")
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize(("form", "layout"), [("mturk", "${prompt}"), ("label-studio", "$prompt")])
def test_other_tools_get_their_layout_beside_the_pairs(study: Path, tmp_path: Path, form: str, layout: str) -> None:
    typed(sheet, study, "--as", form, "--out", "out.csv")
    (beside,) = (path for path in tmp_path.glob("out.*") if path.suffix != ".csv")
    assert layout in beside.read_text()


def test_a_sheet_that_somebody_may_have_filled_is_not_written_over(study: Path, tmp_path: Path) -> None:
    (tmp_path / "ann.csv").write_text("ann's work")
    with pytest.raises(UsageError, match=r"ann\.csv is there"):
        typed(sheet, study, "--out", "ann.csv")
    assert (tmp_path / "ann.csv").read_text() == "ann's work"
    (tmp_path / "tasks.xml").write_text("a layout of mine")
    with pytest.raises(UsageError, match=r"tasks\.xml is there"):
        typed(sheet, study, "--as", "label-studio", "--out", "tasks.json")
    with pytest.raises(UsageError, match=r"batch\.html would be the layout's name"):
        typed(sheet, study, "--as", "mturk", "--out", "batch.html")
    for form in ("sheet", "mturk", "label-studio"):
        with pytest.raises(TouchstoneError, match=r"cannot write missing/x\.csv"):
            typed(sheet, study, "--as", form, "--out", "missing/x.csv")
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["ann.csv", "tasks.xml"]


def test_the_price_is_told_before_anything_is_made(study: Path) -> None:
    done = typed(estimate, study, "--seconds", 90, "--usd-per-hour", 20)
    # Three raters are needed for 12 pairs of 90 seconds each, and a repeat: 13 items.
    assert "3 people" in done.stdout
    assert "on Mechanical Turk: 3 assignments in 1 HITs" in done.stdout


def test_raters_are_paid_and_measured(study: Path, sqlite: Store) -> None:
    made = make(sqlite, PLAIN, Input(study, StudyPair).rows())
    for person, likes in (("ann", "win"), ("bob", "win"), ("cy", "loss")):
        rate_all(sqlite, made, rater(sqlite, made, person), likes)
    lines = list(csv.DictReader(typed(pay, made.name).stdout.splitlines()))
    # Twelve answers of 20 seconds and a minute of reading at 15 an hour.
    assert [line["due_usd"] for line in lines] == ["1.25"] * 3
    assert json.loads(typed(pay, "--json").stdout)["study"] == "plain"
    told = json.loads(typed(agreement_of, "--json").stdout)
    assert told["agreement"]["num_items"] == 12
    assert told["agreement"]["raw"] == pytest.approx(1 / 3)
    assert sorted(str(one["agreement"]) for one in told["raters"]["records"]) == ["0.0", "None", "None"]
    words = typed(agreement_of).stdout
    assert words.startswith("plain: 3 raters, 12 pairs with several votes\n  Krippendorff's alpha ")
    with pytest.raises(UsageError, match="no study 'other'"):
        typed(agreement_of, "other")
