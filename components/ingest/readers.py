"""Imitation data as people have them on disk -> dialogues. The format is told by content, never by file name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from components.contracts.rows import Dialogue, Passport, Removal
from components.ingest.dumps import UNKNOWN_TARGET, DumpSource, Limits, Tally, read_dump, source_name
from components.ingest.formats import MalformedRecord, RawDialogue, accepted_formats, find_format
from components.ingest.turns import Unusable, read_turns

ID_KEYS = ("id", "ID", "conversation_id", "dialogue_id")
TARGET_KEYS = ("target", "model", "generator")
RAW_CHARS = 4_000
HASH_CHARS = 12


def read_dialogues(path: Path, *, target: str = UNKNOWN_TARGET) -> tuple[list[Dialogue], list[Removal]]:
    """Read imitation data: our own Dialogue folder, or a file of any of the accepted formats, gzip or not.

    Args:
        path: The folder or file.
        target: The model that wrote the replies, for records that do not name it.

    Dialogues come in the file's order, with unique ids: the record's own, or one made from the content. Every
    conversation of the file is among the dialogues or among the removals. No query-level deduplication happens here.

    Raises:
        TouchstoneError: not readable, or no record of any accepted format (the message names the keys found).
    """
    if path.is_dir():
        return Input(path, Dialogue).rows(), []
    rows = list(read_dump(path, DumpSource(target=target)))
    kept = [row for row in rows if isinstance(row, Dialogue)]
    return kept, [row for row in rows if isinstance(row, Removal)]


def _unknown_format(path: Path, first: files.Record | None) -> TouchstoneError:
    keys = "no records" if first is None else "the keys " + ", ".join(map(str, first.value))
    return TouchstoneError(
        f"{path if first is None else first.where}: {keys} belong to no known format of imitation data",
        expected=accepted_formats(),
        remedy="rename the fields, or give the file that holds the conversations",
    )


class Reader:
    """Dialogues and removals of one file."""

    def __init__(self, source: DumpSource, limits: Limits, tally: Tally) -> None:
        """Take what is known of the file."""
        self.dump = source
        self.limits = limits
        self.tally = tally
        self.source = source.name
        self.target = source.target
        self.kept: list[Dialogue] = []
        self.removed: list[Removal] = []
        self.num_recognised = 0
        self._contents: dict[str, str] = {}

    def read(self, path: Path) -> Iterator[Dialogue | Removal]:
        """Rows in the file's order."""
        self.source = self.source or source_name(path)
        first: files.Record | None = None
        for record in files.records(path):
            first = first or record
            # Removals are rows of an artifact: they name the file, not the folder it lies in on this machine.
            self.take(files.Record(record.where.removeprefix(f"{path.parent}/"), record.value))
            yield from self.kept
            yield from self.removed
            self.kept.clear()
            self.removed.clear()
        if first is None or not self.num_recognised:
            raise _unknown_format(path, first)

    def take(self, record: files.Record) -> None:
        """Read one record; what cannot be used is set aside with its reason."""
        shape = find_format(record.value)
        if shape is None:
            self._remove(record, "malformed", f"{record.where}: none of the known keys")
            return
        self.num_recognised += 1
        try:
            for raw in shape.read(record.value):
                self._take_conversation(record, raw)
        except MalformedRecord as error:
            self._remove(record, "malformed", f"{record.where}: {error}")

    def _take_conversation(self, record: files.Record, raw: RawDialogue) -> None:
        try:
            turns = read_turns(raw.turns)
        except Unusable as error:
            self._remove(record, error.reason, f"{record.where}: {error.detail}", raw.suffix)
            return
        content = _hash([[turn.speaker, turn.text] for turn in turns])
        named = _first_text(record.value, ID_KEYS)
        identity = named + raw.suffix if named else f"{self.source}-{content[:HASH_CHARS]}"
        if self._contents.get(identity, content) != content:
            # One id, two contents (chunks of one conversation): both stay, told apart by content and not by position.
            identity = f"{identity}~{content[:HASH_CHARS]}"
        if identity in self._contents:
            self._remove(record, "duplicate", f"{record.where}: the same as {identity}", raw.suffix)
            return
        self._contents[identity] = content
        self.kept.append(
            Dialogue(
                id=identity,
                source=_first_text(record.value, ("source",)) or self.source,
                target=_first_text(record.value, TARGET_KEYS) or self.target,
                turns=turns,
                passport=Passport(
                    target_date=self.dump.target_date,
                    terms=self.dump.terms,
                    licence=self.dump.licence,
                    origin=record.where,
                    dropped_turns=max(0, len(raw.turns) - len(turns)),
                ),
            )
        )

    def _remove(self, record: files.Record, reason: str, detail: str, suffix: str = "") -> None:
        raw = json.dumps(record.value, ensure_ascii=True, default=str)
        identity = _first_text(record.value, ID_KEYS) or f"{self.source}-{_hash(raw)[:HASH_CHARS]}"
        self.removed.append(Removal(id=identity + suffix, reason=reason, detail=detail, raw=raw[:RAW_CHARS]))


def _first_text(record: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """The first of the fields that holds a text or a whole number; empty when none does."""
    for key in keys:
        value = record.get(key)
        if (isinstance(value, str) and value.strip()) or (isinstance(value, int) and not isinstance(value, bool)):
            return files.without_lone_surrogates(str(value))
    return ""


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
