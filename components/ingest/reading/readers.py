"""Imitation data as people have them on disk -> dialogues. The format is told by content, never by file name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.contracts import files
from components.contracts.dialogue_rows import Dialogue, Passport, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from components.ingest.reading.containers import container_records
from components.ingest.reading.formats import (
    Format,
    MalformedRecord,
    RawDialogue,
    RawTurn,
    accepted_formats,
    find_format,
    speaker_of,
)
from components.ingest.reading.html import replies_to_markdown
from components.ingest.reading.known_ids import KnownIds
from components.ingest.reading.raw_records import RAW_CHARS, TO_MEND, RawRecord, Unreadable
from components.ingest.reading.sources import DAMAGED, LIMITS, UNKNOWN_TARGET, DumpSource, Limits, source_name
from components.ingest.reading.tally import Tally, report
from components.ingest.reading.turns import Alternating, Unusable, read_turns

ID_KEYS = ("id", "ID", "conversation_id", "dialogue_id")
TARGET_KEYS = ("target", "model", "generator")
HASH_CHARS = 16
NOTHING_READ = frozenset({"malformed", "too_long", DAMAGED})
PATIENCE_RECORDS = 10_000
"""A file of which so many records belong to no known format, and none before them does, is not read on."""
REPORT_EVERY = 256


def read_dump(
    path: Path, source: DumpSource, limits: Limits = LIMITS, *, tally: Tally | None = None, marks_ids: bool = True
) -> Iterator[Dialogue | Removal]:
    """Every conversation of a file once, in the file's order, as a dialogue or as a removal with its reason.

    Args:
        path: A file of any accepted format, plain, gzip or zstd; told by content.
        source: What is known of it.
        limits: Bounds on the size of a record.
        tally: Filled on the way, for warnings about the file as a whole.
        marks_ids: Whether ids are made unique within the file: of two contents under one id the second gets a mark.
            False where the caller sees the whole and marks both, so that their order does not matter.

    A removal of reason `damaged` stands for the rest of a file that cannot be read: an
    unknown number of conversations.

    Raises:
        TouchstoneError: the file cannot be opened, or nothing in it is a record of any accepted format.
    """
    yield from Reader(source, limits, tally or Tally(), marks_ids=marks_ids).read(path)


def read_dialogues(path: Path, *, target: str = UNKNOWN_TARGET) -> tuple[list[Dialogue], list[Removal]]:
    """Read imitation data at once: our own Dialogue folder, or a file of any of the accepted formats.

    Args:
        path: The folder or file.
        target: The model that wrote the replies, for records that do not name it.

    See `read_dump`, which this collects. No query-level deduplication happens here.

    Raises:
        TouchstoneError: as `read_dump`; also when a part of the file could not be read.
    """
    if path.is_dir():
        return Input(path, Dialogue).rows(), []
    kept: list[Dialogue] = []
    removed: list[Removal] = []
    for row in read_dump(path, DumpSource(target=target)):
        if isinstance(row, Dialogue):
            kept.append(row)
        elif row.reason == DAMAGED:
            raise TouchstoneError(
                f"{path.parent / row.detail}",
                expected="a whole file",
                remedy="fetch or write the file again: it may have been cut off while it was written",
            )
        else:
            removed.append(row)
    return kept, removed


class Reader:
    """Dialogues and removals of one file."""

    def __init__(self, source: DumpSource, limits: Limits, tally: Tally, *, marks_ids: bool = True) -> None:
        """Take what is known of the file."""
        self._marks_ids = marks_ids
        self._dump = source
        self._limits = limits
        self._tally = tally
        self._source = source.name
        self._file = ""
        self._known = KnownIds()
        self._passport: Mapping[str, Any] = {
            "target_date": source.target_date,
            "terms": source.terms,
            "licence": source.licence,
        }

    def read(self, path: Path) -> Iterator[Dialogue | Removal]:
        """Rows in the file's order; see `read_dump`."""
        self._source = self._source or source_name(path)
        # Rows name the file, not the folder it lies in on this machine.
        self._file = path.name
        progress = _Progress(path)
        met: RawRecord | Unreadable | None = None
        num_recognised = num_seen = 0
        for item in container_records(path, self._dump, self._limits, progress):
            num_seen += 1
            if isinstance(item, Unreadable):
                met = met or item
                num_recognised += item.reason not in NOTHING_READ
                yield self._unreadable(item)
                continue
            shape = find_format(item.value)
            if shape is None:
                met = met if isinstance(met, RawRecord) else item
                yield self._removal(item, "malformed", "none of the known keys")
                if not num_recognised and num_seen >= PATIENCE_RECORDS:
                    raise _unknown_format(path, met)
                continue
            num_recognised += 1
            try:
                conversations = shape.read(item.value)
            except MalformedRecord as error:
                self._tally.conversations += 1
                yield self._removal(item, error.reason, str(error))
                continue
            for raw in conversations:
                yield self._row(item, raw, shape)
        if not num_recognised:
            raise _unknown_format(path, met)

    def _row(self, record: RawRecord, raw: RawDialogue, shape: Format) -> Dialogue | Removal:
        self._count(raw.turns)
        try:
            turns, num_dropped = self._turns(raw)
        except Unusable as error:
            return self._removal(record, error.reason, error.detail, raw.suffix)
        value = record.value
        content = _digest(*[part for turn in turns for part in (turn.speaker, turn.text)])
        named = first_text(value, ID_KEYS)
        identity = named + raw.suffix if named else f"{self._source}-{content[:HASH_CHARS]}"
        content_key = int(content[:HASH_CHARS], 16)
        known = self._known.content(identity)
        if known is not None and known != content_key and self._marks_ids:
            # One id, two contents (chunks of one conversation): both stay, told apart by content and not by position.
            identity = f"{identity}~{content[:HASH_CHARS]}"
            known = self._known.content(identity)
        if known == content_key:
            return self._removal(record, "duplicate", f"the same as {identity}", raw.suffix)
        try:
            passport = self._papers(record, num_dropped)
        except ValidationError as error:
            return self._removal(record, "malformed", f"passport: {error.errors()[0]['msg']}", raw.suffix)
        if known is None:
            self._known.add(identity, content_key)
        return Dialogue(
            id=identity,
            source=first_text(value, ("source",)) or self._source,
            target=(shape.names_target and first_text(value, TARGET_KEYS)) or self._dump.target,
            turns=turns,
            passport=passport,
        )

    def _turns(self, raw: RawDialogue) -> Alternating:
        turns = raw.turns
        if raw.page and any("<" in turn.text for turn in turns):
            replies = [n for n, turn in enumerate(turns) if speaker_of(turn.role) == "assistant"]
            turns = list(turns)
            for n, text in zip(replies, replies_to_markdown([turns[n].text for n in replies]), strict=True):
                turns[n] = turns[n]._replace(text=text)
        return read_turns(turns, most=self._limits.turns)

    def _papers(self, record: RawRecord, num_dropped: int) -> Passport:
        """What the source says, over what a dialogue of our own brings along."""
        own = record.value.get("passport")
        origin = f"{self._file}, {record.place}"
        if own is None:
            return Passport(**self._passport, origin=origin, dropped_turns=num_dropped)
        passport = Passport.model_validate(own)
        said = {key: value for key, value in self._passport.items() if value not in ("", "unknown")}
        dropped = passport.dropped_turns + num_dropped
        return passport.model_copy(update={**said, "origin": passport.origin or origin, "dropped_turns": dropped})

    def _count(self, turns: Sequence[RawTurn]) -> None:
        self._tally.conversations += 1
        if turns:
            first = speaker_of(turns[0].role)
            if first == "system" and len(turns) > 1:
                first = speaker_of(turns[1].role)
            self._tally.assistant_first += first == "assistant"
            self._tally.user_last += speaker_of(turns[-1].role) == "user"

    def _unreadable(self, item: Unreadable) -> Removal:
        if item.reason == DAMAGED:
            self._tally.damaged.append(f"{self._file}, {item.place}: {item.detail}")
        identity = item.id or f"{self._source}-{_digest(item.head)[:HASH_CHARS]}"
        return Removal(
            id=identity, reason=item.reason, detail=f"{self._file}, {item.place}: {item.detail}", raw=item.head
        )

    def _removal(self, record: RawRecord, reason: str, detail: str, suffix: str = "") -> Removal:
        raw = record.raw
        if raw is None:
            raw = json.dumps(record.value, ensure_ascii=True, default=str)
        identity = first_text(record.value, ID_KEYS) or f"{self._source}-{_digest(raw)[:HASH_CHARS]}"
        where = f"{self._file}, {record.place}"
        return Removal(id=identity + suffix, reason=reason, detail=f"{where}: {detail}", raw=raw[:RAW_CHARS])


class _Progress:
    """Tells whoever watches how far reading has come, not more often than anybody looks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._calls = 0

    def __call__(self, num_bytes: int) -> None:
        self._calls += 1
        if self._calls % REPORT_EVERY == 0:
            report(self._path, num_bytes)


def _unknown_format(path: Path, first: RawRecord | Unreadable | None) -> TouchstoneError:
    if isinstance(first, Unreadable):
        said = first.detail.removesuffix(TO_MEND)
        return TouchstoneError(
            f"{path}, {first.place}: {said}; nothing in the file could be read",
            expected="a whole file of conversations",
            remedy="fetch or write the file again; check that it is the one you meant",
        )
    keys = "no records" if first is None else "the keys " + ", ".join(map(str, first.value))
    return TouchstoneError(
        f"{path if first is None else f'{path}, {first.place}'}: {keys} belong to no known format of imitation data",
        expected=accepted_formats(),
        remedy="rename the fields, or give the file that holds the conversations",
    )


def first_text(record: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """The first of the fields that holds a text or a whole number; empty when none does."""
    for key in keys:
        value = record.get(key)
        if (isinstance(value, str) and value.strip()) or (isinstance(value, int) and not isinstance(value, bool)):
            return files.without_lone_surrogates(str(value))
    return ""


def _digest(*parts: str) -> str:
    # With their lengths: ("ab", "c") and ("a", "bc") are two contents.
    head = ",".join([str(len(part)) for part in parts])
    return hashlib.sha256("".join((head, ":", *parts)).encode(errors="surrogatepass")).hexdigest()
