"""What a dump's container holds: one record after another, and the places where there is none to be had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from components.ingest.reading.sources import DAMAGED

RAW_CHARS = 4_000
TO_MEND = "; fetch or write the file again to have the rest"


class RawRecord(NamedTuple):
    """One object of a dump."""

    place: str
    """Where in the file: line 3; item 5 (line 9); row 7."""
    value: Mapping[str, object]
    """Its fields."""
    raw: str | None = None
    """Its text in the file, where there is one."""


class Unreadable(NamedTuple):
    """A place that should hold a record and does not."""

    place: str
    """As in RawRecord."""
    reason: str
    """The removal's short word: malformed or too_long for one record, damaged for the rest of the file."""
    detail: str
    """What was seen."""
    head: str = ""
    """How it begins."""
    id: str = ""
    """The record's own id, where it could be read."""


Item = RawRecord | Unreadable


def damaged(place: str, found: str, head: bytes | str = "") -> Unreadable:
    """The rest of a file, from `place` on, is lost."""
    return Unreadable(place, DAMAGED, found + TO_MEND, shown(head))


def shown(raw: bytes | str) -> str:
    """The head of a text as a removal keeps it; what is not UTF-8 in it becomes U+FFFD."""
    if isinstance(raw, bytes):
        return raw[: 4 * RAW_CHARS].decode("utf-8", "replace")[:RAW_CHARS]
    return raw[:RAW_CHARS].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def bad_byte(raw: bytes, error: UnicodeDecodeError) -> str:
    """What to say of bytes that are no UTF-8."""
    wide = "; the line looks like UTF-16" if b"\0" in raw else ""
    return f"byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8{wide}"
