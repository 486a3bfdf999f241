"""Pairs out to people who rate elsewhere, and their ratings back as judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sqlalchemy import URL, make_url

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.places import disk_errors
from components.contracts.ports import Output
from components.crowd.database import VARIABLE, database_url
from components.crowd.exchange.into_study import TakenIn, store_ratings
from components.crowd.exchange.label_studio import CONFIG, read_export, write_tasks
from components.crowd.exchange.ratings import Imported, Rating, as_judgments
from components.crowd.exchange.sheets import read_sheet, write_sheet
from components.crowd.invitations import rater_key
from components.crowd.opened import opened_store
from components.crowd.settings import read_settings
from components.crowd.study.creation import read_pairs
from components.crowd.study.rules import ExclusionRules

Form = Literal["sheet", "mturk", "label-studio"]
LAYOUTS: Mapping[str, str] = {"label-studio": ".xml", "mturk": ".html"}
"""Forms with a second file, which says how a task looks -> how its name ends."""
MTURK_LAYOUT = Path(__file__).parents[2] / "components" / "crowd" / "exchange" / "mturk_layout.html"


class HandedOut(NamedTuple):
    """What was written."""

    num_pairs: int
    then: str
    """What to do with it."""


def hand_out(pairs: Path, out: Path, form: Form, *, turned: bool) -> HandedOut:
    """Write a study's pairs for people.

    Raises:
        TouchstoneError: the pairs cannot be read, a file is there already, or a text does not fit into a spreadsheet's
            cell.
    """
    rows = read_pairs(pairs)
    layout = out.with_suffix(LAYOUTS[form]) if form in LAYOUTS else None
    _refuse_written_over(out, layout)
    number = (
        write_tasks(out, rows, turned=turned)
        if form == "label-studio"
        else write_sheet(out, rows, "mturk" if form == "mturk" else "sheet", turned=turned)
    )
    if layout is None:
        return HandedOut(number, "write left, right or equal into preference, and who you are into rater")
    words = CONFIG if form == "label-studio" else MTURK_LAYOUT.read_text(encoding="utf-8")
    with disk_errors(layout):
        layout.write_text(words, encoding="utf-8")
    if form == "label-studio":
        return HandedOut(number, f"import it into a project whose labeling interface is {layout}")
    return HandedOut(number, f"upload it as a batch whose layout is {layout}")


def _refuse_written_over(out: Path, layout: Path | None) -> None:
    for file in (out, layout):
        if file is not None and (file.exists() or layout == out):
            raise UsageError(
                f"{file} is there" if file.exists() else f"{file} would be the layout's name",
                expected="the name of a new file: somebody may have filled an old one",
                remedy="give another --out, or remove the old file",
            )


def take_in(
    pairs: Path, files: Sequence[Path], out: Path, *, source: str, rater: str, rules: ExclusionRules | None
) -> Imported:
    """Read filled files back; judgments go to `out`.

    Raises:
        TouchstoneError: a file is none of the known ones, or of another study.
    """
    if not files:
        raise UsageError("no file of ratings was given", expected="filled sheets, batch results or exports")
    ratings = [rating for file in files for rating in read_ratings(file, rater)]
    secret = read_settings(database_url()).secret
    found = as_judgments(
        ratings, read_pairs(pairs), source=source, pseudonym=lambda who: rater_key(secret, source, who), rules=rules
    )
    if not found.judgments:
        raise TouchstoneError(
            f"{', '.join(file.name for file in files)}: nobody rated anything", expected="at least one filled row"
        )
    notes = {"files": [file.name for file in files], "doubled": found.num_doubled, "excluded": len(found.excluded)}
    Output(out, Judgment).write(found.judgments, notes=notes)
    return found


def take_into(pairs: Path, files: Sequence[Path], place: str, *, study: str | None, rater: str) -> TakenIn:
    """Store what filled files say as votes in the service's database, each once.

    Args:
        pairs: The study that the files were made from.
        files: Filled sheets, batch results, exports.
        place: Address of the database, a SQLite file, or DATABASE_URL for what the environment names.
        study: Its name there; null = the only one.
        rater: Who filled the files, where they do not say.

    Raises:
        TouchstoneError: a file is none of the known ones; no such study, or a closed one.
    """
    ratings = [rating for file in files for rating in read_ratings(file, rater)]
    with opened_store(_address(place)) as (store, settings):
        return store_ratings(store, study, ratings, read_pairs(pairs), secret=settings.secret)


def _address(place: str) -> URL:
    if place == VARIABLE:
        return database_url()
    if "://" in place:
        return database_url({VARIABLE: place})
    if not Path(place).is_file():
        raise UsageError(
            f"there is no database {place}",
            expected=f"a SQLite file of the service, an address, or the word {VARIABLE}",
        )
    return make_url(f"sqlite:///{place}")


def read_ratings(file: Path, rater: str = "") -> list[Rating]:
    """Ratings of one file, whatever it is: JSON is Label Studio's, anything else a sheet."""
    try:
        with file.open("rb") as stream:
            begin = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise TouchstoneError(f"{file} cannot be read: {error.strerror}", expected="a file of ratings") from error
    return read_export(file, rater=rater) if begin[:1] in {b"[", b"{"} else read_sheet(file, rater=rater)
