"""Files of texts by author -> AuthoredText rows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from components.contracts import files
from components.contracts.attribution_rows import AuthoredText
from components.contracts.environment import data_folder
from components.contracts.errors import UsageError

AUTHOR_KEYS = ("author", "speaker")
ORDER_KEYS = ("order", "year")
SOTU = Path("sotu") / "sotu.jsonl.gz"


def sotu_file() -> Path:
    """The State-of-the-Union addresses among the real data sets.

    Raises:
        UsageError: they are not there.
    """
    path = data_folder(Path("../shared/data")) / SOTU
    if not path.is_file():
        raise UsageError(
            f"there is no {path}",
            expected="the addresses as JSONL with speaker, year, split and text",
            remedy="give the file as argument, or set TOUCHSTONE_DATA to the folder that holds sotu/",
        )
    return path


def read_texts(path: Path) -> list[AuthoredText]:
    """Texts of a file of records: author (or speaker) and text; where there are some split, group, order (or year), id.

    A record without group is a group of its own. Of a text that stands in the file several times one is kept, on the
    side train where it stands there; the others are `missing`: a text that is learned from tells nothing when asked.

    Raises:
        TouchstoneError: a record lacks author or text, its split is neither train nor test, or an id occurs twice.
    """
    rows: dict[str, AuthoredText] = {}
    for record in files.records(path):
        made = _authored(record)
        if made.id in rows:
            if record.value.get("id"):
                raise record.error(f"a text with the id {made.id} came before", expected="unique ids")
            again = f"{made.id}-{len(rows)}"
            made = made.model_copy(update={"id": again, "group": again if made.group == made.id else made.group})
        rows[made.id] = made
    kept: dict[str, str] = {}
    for row in sorted(rows.values(), key=lambda row: row.split != "train"):
        kept.setdefault(_content(row.text), row.id)
    return [_once(row, kept[_content(row.text)]) for row in rows.values()]


def _content(text: str) -> str:
    return " ".join(text.split())


def _once(row: AuthoredText, kept: str) -> AuthoredText:
    if kept == row.id or row.missing is not None:
        return row
    return row.model_copy(update={"text": "", "missing": f"the same text is {kept}"})


def _authored(record: files.Record) -> AuthoredText:
    values = record.value
    author = next((values[key] for key in AUTHOR_KEYS if values.get(key)), None)
    text = values.get("text")
    if not isinstance(author, str) or not isinstance(text, str):
        lacking = "text" if isinstance(author, str) else "author"
        raise record.error(f"there is no {lacking}", expected="records with author (or speaker) and text, in words")
    order = next((float(value) for key in ORDER_KEYS if isinstance(value := values.get(key), int | float)), None)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    name = str(values.get("id") or "-".join(filter(None, (author, f"{order:g}" if order else "", digest))))
    return AuthoredText(
        id=name,
        author=author,
        group=str(values.get("group") or name),
        split=_side(record),
        order=order,
        text=text,
        missing=None if text.strip() else "the text is empty",
    )


def _side(record: files.Record) -> Literal["", "train", "test"]:
    given = record.value.get("split") or ""
    if given == "" or given == "train" or given == "test":
        return given
    raise record.error(f"split is {given!r}", expected="train or test")
