"""JSON texts longer than memory, through a window: arrays item by item, objects one after another, a Discord export.

The window holds the current value and at most WINDOW_BYTES more. A value that is longer than the limit is passed over
by counting brackets outside strings. Nothing is guessed after a syntax error: the rest of the file counts as lost.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from components.contracts import files
from components.ingest.reading.raw_records import RAW_CHARS, Item, RawRecord, Unreadable, damaged, shown
from components.ingest.reading.sources import Limits
from components.ingest.reading.unpack import BROKEN_STREAM

WINDOW_BYTES = 1 << 20
# The longest thing that a cut in the middle turns into another error than "unterminated string": \ud83d\ude00.
CUT_CHARS = 12
_SPACE = re.compile(r"[ \t\n\r]*")
_FOREIGN = re.compile("[\udc80-\udcff]")
_OUTSIDE = re.compile(r'"|[{\[]+|[}\]]+')
_END_OF_NUMBER = re.compile(r"[\s,\]}]|$")
_INSIDE = re.compile(r'["\\]')
_DECODER = json.JSONDecoder()


class Broken(Exception):
    """A syntax error, the end of the file, or of its packed stream: the rest cannot be read."""


class Unusable(Exception):
    """One value that is passed over; what follows it can be read. `args`: reason, detail, head."""


class Value(NamedTuple):
    """A decoded value."""

    value: object
    """What it is."""
    raw: str
    """Its text."""


class Window:
    """A stretch of a JSON text that moves on."""

    def __init__(self, stream: io.BufferedReader, limits: Limits) -> None:
        """Start at the beginning of the text."""
        self._stream = stream
        self._limits = limits
        # A byte that is not UTF-8 becomes half a surrogate pair, and is told with the value that holds it.
        self._decode: Callable[..., str] = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = ""
        self._at = 0
        self._lines_before = 1
        self._counted = 0
        self._ended = False
        self._end = "the file ends"
        self.broken = ""
        """What the packed stream broke with; empty = it is whole as far as it was read."""
        self._grow(0)
        self._text = self._text.removeprefix("\ufeff")

    @property
    def line(self) -> int:
        """Line of the place where the window stands, from 1."""
        self._lines_before += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._lines_before

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._grow(0)

    @property
    def ahead(self) -> str:
        """The text from here on, as far as a removal shows it."""
        return self._text[self._at : self._at + RAW_CHARS]

    def take(self, char: str) -> bool:
        """Step over `char` if it comes next."""
        if self.peek() != char:
            return False
        self._at += 1
        return True

    def value(self) -> Value:
        """Decode the value that comes next and step over it.

        Raises:
            Unusable: it is too long, too deep, or not UTF-8; it was stepped over.
            Broken: it is no JSON, or the text ends within it.
        """
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - CUT_CHARS
                if cut and not self._ended:
                    self._more_of_a_value()
                    continue
                raise Broken(self._end + " within a value" if cut else self._located(error)) from error
            except (RecursionError, ValueError) as error:
                head = shown(self.ahead)
                self._skip()
                raise Unusable("malformed", f"JSON that cannot be decoded ({error})", head) from error
            if end < len(self._text) or self._ended:
                return self._stepped_over(found, end)
            self._grow(len(self._text) - self._at)  # a number may go on

    def _stepped_over(self, found: object, end: int) -> Value:
        raw, self._at = self._text[self._at : end], end
        if len(raw) > self._limits.record_bytes:
            raise self._too_long(len(raw), shown(raw))
        if not raw.isascii() and (foreign := _FOREIGN.search(raw)):
            byte = ord(foreign[0]) - 0xDC00
            detail = f"byte 0x{byte:02x} at character {foreign.start()} is not UTF-8"
            raise Unusable("malformed", detail, shown(raw))
        return Value(found, raw)

    def _located(self, error: json.JSONDecodeError) -> str:
        return f"{error.msg} in line {self.line + self._text.count(chr(10), self._at, error.pos)}"

    def _more_of_a_value(self) -> None:
        held = len(self._text) - self._at
        if held <= self._limits.record_bytes:
            self._grow(held)
            return
        head = shown(self.ahead)
        raise self._too_long(self._skip(), head)

    def _too_long(self, size: int, head: str) -> Unusable:
        limit = self._limits.record_bytes / (1 << 20)
        return Unusable("too_long", f"the value has {size / (1 << 20):.1f} MiB, more than {limit:.3g}", head)

    def _grow(self, held: int) -> None:
        # As much again as is held: a long value is decoded from its start a few times, not hundreds of times.
        self._lines_before += self._text.count("\n", self._counted, self._at)
        self._text = self._text[self._at :]
        self._at = self._counted = 0
        parts = [self._text]
        missing = max(WINDOW_BYTES, held)
        while missing > 0 and not self._ended:
            parts.append(self._read(missing))
            missing -= len(parts[-1])
        self._text = "".join(parts)

    def _read(self, size: int) -> str:
        try:
            raw = self._stream.read1(size)
        except BROKEN_STREAM as error:
            self._end = self.broken = f"the packed stream is cut off or damaged ({error})"
            raw = b""
        self._ended = not raw
        return self._decode(raw, not raw)

    def _skip(self) -> int:
        """Step over a value by its brackets and quotes; gives its characters.

        Raises:
            Broken: the text ends first, or the value is longer than any reader should look at.
        """
        depth, in_string, size = 0, False, 0
        if self._text[self._at] not in '{["':
            number = _END_OF_NUMBER.search(self._text, self._at)
            assert number is not None
            size, self._at = number.start() - self._at, number.start()
            return size
        while True:
            match = (_INSIDE if in_string else _OUTSIDE).search(self._text, self._at)
            if match is None or (match[0] == "\\" and match.end() == len(self._text)):
                size += (match.start() if match else len(self._text)) - self._at
                self._at = match.start() if match else len(self._text)
                self._refill(size)
                continue
            step = 2 if match[0] == "\\" else len(match[0])
            if match[0] == '"':
                in_string = not in_string
            elif not in_string and match[0][0] in "{[":
                depth += step
            elif not in_string:
                step = min(step, depth)
                depth -= step
            size += match.start() + step - self._at
            self._at = match.start() + step
            if depth <= 0 and not in_string:
                return size

    def _refill(self, skipped: int) -> None:
        if self._ended:
            raise Broken(self._end + " within a value")
        if skipped > self._limits.skipped_bytes:
            raise Broken(f"a value of more than {self._limits.skipped_bytes >> 20} MiB: no text, or a compression bomb")
        self._grow(0)


def array_records(window: Window, *, alone: bool = True) -> Iterator[Item]:
    """The objects of the array that comes next.

    Args:
        window: Stands before the opening bracket.
        alone: Nothing may follow the closing bracket.
    """
    window.take("[")
    number = 0
    is_empty = window.take("]")
    while not is_empty:
        number += 1
        window.peek()
        place = f"item {number} (line {window.line})"
        try:
            yield _record(place, window.value())
        except Unusable as error:
            yield Unreadable(place, *error.args)
        except Broken as error:
            yield damaged(place, str(error), window.ahead)
            return
        if window.take(","):
            continue
        if window.take("]"):
            break
        found = f"{files.show(window.peek())} where the list goes on or ends" if window.peek() else "the file ends"
        yield damaged(f"after {place}", found, window.ahead)
        return
    if alone and (window.peek() or window.broken):
        yield damaged(f"line {window.line}", window.broken or "more text after the closing bracket of the list")


def object_records(window: Window) -> Iterator[Item]:
    """Objects that stand one after another, over as many lines as they like."""
    while window.peek():
        place = f"line {window.line}"
        try:
            yield _record(place, window.value())
        except Unusable as error:
            yield Unreadable(place, *error.args)
        except Broken as error:
            yield damaged(place, str(error), window.ahead)
            return
    if window.broken:
        yield damaged(f"line {window.line}", window.broken)


def member_records(window: Window, key: str) -> Iterator[Item]:
    """The objects of the array that is the top-level object's member `key`; its other members are passed over."""
    window.take("{")
    while True:
        place = f"line {window.line}"
        try:
            name = window.value().value
            if not window.take(":"):
                raise Broken("no colon after the name of a member")
            if name == key and window.peek() == "[":
                yield from array_records(window, alone=False)
                return
            window.value()
        except Unusable:
            pass
        except Broken as error:
            yield damaged(place, str(error))
            return
        if not window.take(","):
            yield damaged(f"line {window.line}", f"the object ends without {key}")
            return


def _record(place: str, found: Value) -> Item:
    if not isinstance(found.value, dict):
        return Unreadable(place, "malformed", f"{files.show(found.value)} is not an object", shown(found.raw))
    return RawRecord(place, found.value, found.raw)
