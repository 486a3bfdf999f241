"""Sheets: a CSV for a spreadsheet or for a Mechanical Turk batch, and back.

A spreadsheet adds a byte-order mark, semicolons, blank columns and rows, `sep=` lines; it drops leading zeros and turns
text into dates. Only the columns below are read, by name, and tickets survive all of that. A cell that begins like a
formula would be run by whoever opens the file: it goes out with an apostrophe before it, which is taken off again; in a
batch, whose cells are HTML, with its first character written as a reference.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.places import disk_errors
from components.crowd.exchange.ratings import Choice, Rating, read_choice, read_seconds
from components.crowd.exchange.tickets import shown_pairs
from components.crowd.invitations import mturk_identity

Form = Literal["sheet", "mturk"]
"""sheet: for a person with a spreadsheet. mturk: the input file of a batch, whose texts stand in HTML."""
MAX_CELL_CHARS = 32_767
"""More than that a spreadsheet cuts off, silently."""
LONGEST_CELL_CHARS = 1 << 30
FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet takes for a formula, or that went out as one."""
DELIMITERS = (",", ";", "\t")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ticket": ("input.ticket", "ticket"),
    "worker": ("workerid",),
    "rater": ("rater",),
    "preference": ("answer.preference", "preference"),
    "answers": ("answer.taskanswers",),
    "left": ("answer.preference.left",),
    "right": ("answer.preference.right",),
    "equal": ("answer.preference.equal",),
    "status": ("assignmentstatus",),
    "seconds": ("worktimeinseconds", "seconds"),
}
"""What is read -> names of its column in lower case, the first that is there."""
NO_ANSWER_COLUMN = "no column that holds answers"


def write_sheet(path: Path, pairs: Iterable[StudyPair], form: Form = "sheet", *, turned: bool = False) -> int:
    """Write a study's pairs for raters; gives their number.

    Raises:
        TouchstoneError: a text is longer than a cell can hold; nothing is written then.
    """
    rows = []
    for shown in shown_pairs(pairs, turned=turned):
        texts = {"prompt": shown.pair.prompt, "left": shown.left, "right": shown.right}
        cells = _html_cells(texts) if form == "mturk" else _sheet_cells(texts)
        longest = max(cells, key=lambda name: len(cells[name]))
        if len(cells[longest]) > MAX_CELL_CHARS:
            raise TouchstoneError(
                f"the {longest} of pair {shown.pair.pair_id} has {len(cells[longest]):,} characters",
                expected=f"at most {MAX_CELL_CHARS:,}, what a spreadsheet's cell holds without cutting it off",
                remedy="leave the pair out, or have it rated on the service's page or in Label Studio",
            )
        rows.append({"ticket": shown.ticket, **cells, **({"rater": "", "preference": ""} if form == "sheet" else {})})
    names = ["ticket", "prompt", "left", "right"] + (["rater", "preference"] if form == "sheet" else [])
    # A spreadsheet reads UTF-8 only behind a byte-order mark; Mechanical Turk takes the mark for a part of the header.
    encoding = "utf-8-sig" if form == "sheet" else "utf-8"
    with disk_errors(path), path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def read_sheet(path: Path, *, rater: str = "") -> list[Rating]:
    """Ratings of a sheet or of a batch's results. Rows that nobody filled are left out.

    Args:
        path: The file.
        rater: Who filled it, where no column says so.

    Raises:
        TouchstoneError: it cannot be read, or has no column of tickets or none of answers.
    """
    lines = ((number, cells) for number, cells in _lines(path) if any(cell.strip() for cell in cells))
    header = next(lines, None)
    if header is None:
        raise TouchstoneError(f"{path} is empty", expected="a sheet as it was exported, with answers")
    places = _places(header[1], path)
    found = []
    for number, cells in lines:
        row = {name: unescaped_cell(cells[place]) for name, place in places.items() if place < len(cells)}
        found.append(_rating(f"{path.name}, line {number}", row, rater))
    return [rating for rating in found if rating is not None]


def _html_cells(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts for a page: how a formula begins is written as a reference to the character, which no reader sees."""
    found = {name: html.escape(text) for name, text in texts.items()}
    return {name: f"&#{ord(text[0])};{text[1:]}" if FORMULA.match(text) else text for name, text in found.items()}


def _sheet_cells(texts: Mapping[str, str]) -> dict[str, str]:
    """Texts for a spreadsheet. Some show the apostrophe: where one answer needs it, the other gets it too."""
    found = {name: escaped_cell(text) for name, text in texts.items()}
    if any(found[side] != texts[side] for side in ("left", "right")):
        found |= {side: "'" + texts[side] for side in ("left", "right")}
    return found


def escaped_cell(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula."""
    return "'" + text if FORMULA.match(text) else text


def unescaped_cell(text: str) -> str:
    """What `escaped_cell` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _rating(where: str, row: Mapping[str, str], default_rater: str) -> Rating | None:
    worker, named = row.get("worker", "").strip(), row.get("rater", "").strip()
    rater = mturk_identity(worker) if worker else named or default_rater
    choice, unscored = _choice(row)
    if choice is None and unscored == "left empty" and not (worker or named):
        return None
    if row.get("status", "").strip().lower() == "rejected":
        choice, unscored = None, "the assignment was rejected"
    seconds = read_seconds(row.get("seconds", ""))
    return Rating(where, row.get("ticket", "").strip(), rater, choice, unscored, seconds)


def _choice(row: Mapping[str, str]) -> tuple[Choice | None, str | None]:
    """The answer, in any of the ways in which Mechanical Turk's results put it."""
    marked = [name for name in ("left", "right", "equal") if row.get(name, "").strip().lower() in {"true", "1"}]
    if len(marked) > 1:
        return None, f"more than one answer is marked: {', '.join(marked)}"
    if marked:
        return read_choice(marked[0])
    if row.get("answers", "").strip():
        return _from_form(row["answers"])
    return read_choice(row.get("preference", ""))


def _from_form(text: str) -> tuple[Choice | None, str | None]:
    """`[{"preference": {"left": true, "right": false}}]`, or with the value itself in place of the marks."""
    try:
        (answers,) = json.loads(text)
        said = answers["preference"]
        marked = [name for name, value in said.items() if value is True] if isinstance(said, dict) else [str(said)]
    except (ValueError, TypeError, KeyError):
        return None, f"the answer cannot be read: {text[:40]!r}"
    return read_choice(marked[0]) if len(marked) == 1 else (None, f"{len(marked)} answers are marked")


def _places(header: Sequence[str], path: Path) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    places = {}
    for what, accepted in COLUMNS.items():
        there = next((name for name in accepted if name in names), None)
        if there is None:
            continue
        if names.count(there) > 1:
            raise TouchstoneError(f"{path} has the column {there} twice", remedy="remove the one that was added")
        places[what] = names.index(there)
    if "ticket" not in places:
        told = ", ".join(name for name in header if name.strip())[:200]
        raise TouchstoneError(
            f"{path} has no column ticket, only {told or 'empty ones'}",
            expected="the columns of the exported sheet: ticket, prompt, left, right, rater, preference",
            remedy="restore the first line",
        )
    if not places.keys() & {"preference", "answers", "left", "right", "equal"}:
        raise TouchstoneError(
            f"{path} has {NO_ANSWER_COLUMN}",
            expected="preference; or Answer.preference or Answer.taskAnswers of a batch's results",
        )
    return places


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(path)
    begin, first = 1, text.split("\n", 1)[0].strip()
    told = re.fullmatch(r'"?sep=(.)"?', first)
    if told:
        text, begin = text.partition("\n")[2], 2
        first = text.split("\n", 1)[0]
    delimiter = told[1] if told else max(DELIMITERS, key=first.count)
    csv.field_size_limit(LONGEST_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num + begin - 1, row
    except csv.Error as error:
        raise TouchstoneError(
            f"{path}, line {reader.line_num}: {error}", expected="CSV", remedy="save the sheet as CSV again"
        ) from error


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TouchstoneError(f"{path} cannot be read: {error.strerror}", expected="a CSV file") from error
    if data[:4] == b"PK\x03\x04":
        raise TouchstoneError(
            f"{path} is a spreadsheet's own format", expected="CSV", remedy="save it as CSV (UTF-8) and give that file"
        )
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # An old spreadsheet's encoding. Of the texts nothing is read back, and tickets and answers are ASCII.
        return data.decode("cp1252", errors="replace")
