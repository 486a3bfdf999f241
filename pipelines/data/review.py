"""The category review of Table 5: a sheet of sampled queries for a person to fill in, and the filled sheet as rows.

The sheet is a CSV that any spreadsheet opens: UTF-8 with a byte order mark, one row a query in random order, so that a
sheet filled in from the top is a random sample however far the person came. The classifier's own guess is not in it.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple, get_args

from components.contracts import files
from components.contracts.data_rows import CategoryName, CategoryReview
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.places import disk_errors
from components.contracts.ports import Input, Output, Provenance

CATEGORIES: tuple[CategoryName, ...] = get_args(CategoryName)
MEANINGS: dict[CategoryName, str] = {
    "Generation": "write something new: a story, a letter, a plan, a survey",
    "General QA": "a question or a task with an answer: facts, advice, explanations, sums",
    "Coding": "programs, queries, commands, errors, questions about a language, a library or a tool",
    "Brainstorming": "ideas, names, titles, suggestions, lists to choose from",
    "Chat": "talk for its own sake: greetings, games, playing a part",
    "Summarization": "make a given text short",
    "Rewrite": "change a given or an earlier text: rephrase, extend, translate, correct",
    "Non-English": "most of what the person wrote is in another language",
    "Invalid": "no task can be read from it: a fragment, a bare link, `continue`, a paste without a request",
}
HEAD_CHARS = 1_000
TAIL_CHARS = 300
NAMED_IN_ERRORS = 5

ROW, ID, QUERY, RATER = "row", "id", "query", "rater"
# No comma and no semicolon: a spreadsheet may save the sheet with either as its delimiter.
CATEGORY = f"category ({' | '.join(CATEGORIES)})"
_FORMULA = re.compile(r"^\s*[=+\-@]|^[\t\r]")
_TAKEN_FOR_A_NUMBER = re.compile(r"^[\d.,]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PLACE = re.compile(r"^(\d+) of (\d+)$")


class Sampled(NamedTuple):
    """What a sheet was drawn from."""

    rows: int
    dialogues: int


class Joined(NamedTuple):
    """What a filled sheet held."""

    filled: int
    empty: int
    """Rows without a category."""
    gaps: int
    """Empty rows that stand before a filled one: skipped ones, not simply not reached."""
    missing: int
    """Rows of the sheet as it was drawn that are not in the file any more."""


def sample_sheet(dialogues: Input[Dialogue], out: Path, *, n: int, seed: int) -> Sampled:
    """Write a sheet of `n` dialogues drawn without replacement; equal data and seed give an equal sheet in any order.

    Raises:
        UsageError: n is below 1.
        TouchstoneError: no dialogue has a user turn, an id stands twice, the sheet cannot be written, or another one
            is there.
    """
    if n < 1:
        raise UsageError(f"--n is {n}", expected="at least 1")
    counted = [0]
    drawn = nsmallest(n, _keyed(dialogues, seed, counted))
    if not drawn:
        raise TouchstoneError(f"{dialogues.path} holds no query", expected="dialogues with a user turn")
    if len({name for _, name, _ in drawn}) != len(drawn):
        raise TouchstoneError(
            f"{dialogues.path}: an id stands twice", expected="distinct ids", remedy="touchstone data validate names it"
        )
    half_made = out.with_name(f"{out.name}.partial")
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with half_made.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([ROW, ID, QUERY, CATEGORY, RATER])
            for number, (_, name, query) in enumerate(drawn, 1):
                writer.writerow([f"{number} of {len(drawn)}", guarded(name, is_id=True), guarded(query), "", ""])
        # Somebody may have spent an hour filling in the one that is there.
        if out.exists() and out.read_bytes() != half_made.read_bytes():
            half_made.unlink()
            raise TouchstoneError(
                f"{out} exists and is another sheet, or is filled in", remedy="choose another --out, or move it away"
            )
        half_made.replace(out)
    return Sampled(len(drawn), counted[0])


def _keyed(dialogues: Input[Dialogue], seed: int, counted: list[int]) -> Iterator[tuple[bytes, str, str]]:
    for dialogue in dialogues.iter_rows():
        query = next((turn.text for turn in dialogue.turns if turn.speaker == "user"), "")
        if query.strip():
            counted[0] += 1
            # The smallest n hashes are a random sample that does not hang on the order of the file.
            yield blake2b(f"{seed}:{dialogue.id}".encode()).digest(), dialogue.id, shown(query)


def shown(query: str) -> str:
    """What the person sees of a query: its beginning, and its end when it is long (the request often stands there)."""
    text = _CONTROL.sub("", query.replace("\r\n", "\n").replace("\r", "\n")).strip()
    left_out = len(text) - HEAD_CHARS - TAIL_CHARS
    if left_out <= 0:
        return text
    return f"{text[:HEAD_CHARS]}\n[... {left_out} characters ...]\n{text[-TAIL_CHARS:]}"


def guarded(cell: str, *, is_id: bool = False) -> str:
    """A cell that no spreadsheet runs as a formula, and, for an id, that none turns into a number or a date."""
    if _FORMULA.match(cell) or cell.startswith("'") or (is_id and _TAKEN_FOR_A_NUMBER.match(cell)):
        return f"'{cell}"
    return cell


def join_sheets(sheets: Iterable[Path], out: Path) -> Joined:
    """Write the filled rows of one or several sheets as an artifact of CategoryReview.

    Rows without a category are left out and counted.

    Raises:
        TouchstoneError: not a review sheet, a row without id, an unknown category, a query that one rater put into two
            categories, or no row is filled in.
    """
    paths = list(sheets)
    found: dict[tuple[str, str], CategoryReview] = {}
    totals = [0, 0, 0, 0]
    for path in paths:
        for number, value in enumerate(_read(path, found)):
            totals[number] += value
    joined = Joined(*totals)
    if not found:
        raise TouchstoneError(
            f"{', '.join(map(str, paths))}: no row has a category",
            expected=f"one of {', '.join(CATEGORIES)} in the column category",
            remedy="fill in the sheet and save it as CSV",
        )
    notes = {**joined._asdict(), "sheets": [path.name for path in paths]}
    Output(out, CategoryReview, Provenance(step="touchstone data review join")).write(found.values(), notes=notes)
    return joined


def _read(path: Path, found: dict[tuple[str, str], CategoryReview]) -> Joined:
    filled, empty, gaps, waiting = 0, 0, 0, 0
    places: set[int] = set()
    drawn = 0
    for record in files.records(path):
        column = _category_column(record)
        name = unguarded(record.text(ID).strip())
        if not name:
            raise record.error("no id", expected="the id that the sheet was drawn with", remedy="restore the cell")
        if place := _PLACE.match(str(record.value.get(ROW, "")).strip()):
            places.add(int(place[1]))
            drawn = int(place[2])
        said = record.text(column).strip()
        if not said:
            empty += 1
            waiting += 1
            continue
        filled, gaps, waiting = filled + 1, gaps + waiting, 0
        rater = str(record.value.get(RATER) or "").strip()
        row = CategoryReview(dialogue_id=name, category=_category(record, said), rater=rater)
        before = found.setdefault((name, rater), row)
        if before != row:
            who = f" by {rater}" if rater else ""
            raise record.error(
                f"{name} is {row.category} here and {before.category} elsewhere{who}",
                expected="one category a rater",
                remedy="say in the column rater who chose what, or correct one of the two",
            )
    return Joined(filled, empty, gaps, max(0, drawn - len(places)))


def _category_column(record: files.Record) -> str:
    column = next((str(key) for key in record.value if str(key).strip().lower().startswith("category")), None)
    if column is None or ID not in record.value:
        found = ", ".join(map(str, record.value))
        raise record.error(
            f"the columns are {found}",
            expected=f"a sheet of `touchstone data review sample`, with {ID} and category",
            remedy="give the filled sheet, saved as CSV with its header",
        )
    return column


def _category(record: files.Record, said: str) -> CategoryName:
    by_letters = {_letters(category): category for category in CATEGORIES}
    if (category := by_letters.get(_letters(said))) is not None:
        return category
    close = difflib.get_close_matches(_letters(said), list(by_letters), 1)
    raise record.error(
        f"{said!r} is no category" + (f"; did you mean {by_letters[close[0]]}?" if close else ""),
        expected=", ".join(CATEGORIES),
        remedy="correct the cell",
    )


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalpha())


def unguarded(cell: str) -> str:
    """The cell before `guarded`."""
    return cell[1:] if cell.startswith("'") and guarded(cell[1:], is_id=True) == cell else cell
