"""Dumps of imitation data as an artifact, and the one way to read them.

write_dump(folder, files, sources)            # raw files beside what is known of each
for path, source in open_dump(folder):
    for row in read_dump(path, source):       # Dialogue or Removal, in the file's order; nothing is held
        ...
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from components.contracts import canonical
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Folder, disk_errors
from components.contracts.rows import Dialogue, IsoDate, Removal, Terms

SOURCES_FILE = "sources.json"
UNKNOWN_TARGET = "unknown"
DAMAGED = "damaged"
"""Reason of a removal that stands for an unknown number of conversations: the rest of a file that cannot be read."""

FEW_CONVERSATIONS = 5
MOST_OF_ALL = 0.9
"""Share of conversations beyond which a habit is the dump's; in real ShareGPT chunks a third begin with the target."""

_DATA_SUFFIXES = frozenset(
    {".gz", ".zst", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".parquet", ".arrow"}
)


class Dump(Folder):
    """Raw files of imitation data as somebody else wrote them, and sources.json: file name -> DumpSource."""


class DumpSource(BaseModel):
    """What is known of a dump and does not stand in it. Goes into the passport of every dialogue."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What to call the dump in passports and tables; empty = the file's name without its endings."""
    target: str = UNKNOWN_TARGET
    """The model that wrote the replies; a record that names its model goes before it."""
    target_date: IsoDate = ""
    """That model's version date, or when the replies were collected."""
    terms: Terms = "unknown"
    """Whether the target's terms allow training on its outputs."""
    licence: str = ""
    """Licence of the dump, as an SPDX name where there is one."""
    self_author: str = ""
    """Discord exports: name of the author whose messages are the replies; empty = every author marked a bot."""


class Limits(BaseModel):
    """How much of a strange file is looked at. Reading needs a few times `record_bytes` of memory."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    record_bytes: Annotated[int, Field(ge=1)] = 32 << 20
    """A longer record (line, array item) is set aside as too_long."""
    skipped_bytes: Annotated[int, Field(ge=1)] = 1 << 30
    """Unpacked bytes that are skipped to find the end of such a record; beyond, the file is given up."""
    turns: Annotated[int, Field(ge=2)] = 2_000
    """A conversation of more turns is set aside as too_long."""


@dataclass
class Tally:
    """What was noticed while a dump was read and is no property of a single conversation."""

    conversations: int = 0
    """Conversations met, kept or not."""
    assistant_first: int = 0
    """Those whose first turn (system turns aside) is the assistant's."""
    user_last: int = 0
    """Those whose last turn is the user's."""
    damaged: list[str] = field(default_factory=list)
    """Where and why reading stopped before the end of a file."""

    def warnings(self) -> list[str]:
        """Sentences for a person; empty when nothing looks strange."""
        found = list(self.damaged)
        many = self.conversations >= FEW_CONVERSATIONS
        if many and self.assistant_first >= MOST_OF_ALL * self.conversations:
            share = f"{self.assistant_first:,} of {self.conversations:,} conversations begin with the target's turn"
            if self.user_last >= MOST_OF_ALL * self.conversations:
                found.append(f"{share} and end with the user's: the roles may be swapped in the dump")
            else:
                found.append(f"{share}: their first queries are missing, or the roles are swapped in the dump")
        return found


LIMITS = Limits()
"""The bounds used when none are given."""

_watch: ContextVar[Callable[[Path, int], None] | None] = ContextVar("watch", default=None)


@contextmanager
def watching(callback: Callable[[Path, int], None]) -> Iterator[None]:
    """While this lasts, readers call `callback(file, bytes of it consumed so far)` now and then."""
    token = _watch.set(callback)
    try:
        yield
    finally:
        _watch.reset(token)


def report(path: Path, num_bytes: int) -> None:
    """Tell whoever watches, if anybody does, that so many bytes of a file are read."""
    callback = _watch.get()
    if callback is not None:
        callback(path, num_bytes)


def write_dump(folder: Path, files: Sequence[Path], sources: Sequence[DumpSource]) -> None:
    """Put raw files and their sources (one for each file) into the folder of an artifact; the caller commits it.

    Files are hard-linked where the file system allows it, else copied. Two files of one name are told apart by content.

    Raises:
        TouchstoneError: a file is missing or no file, or the disk is full.
    """
    named: dict[str, DumpSource] = {}
    with disk_errors(folder):
        for path, source in zip(files, sources, strict=True):
            if not path.is_file():
                found = "is a directory" if path.is_dir() else "is no file" if path.exists() else "does not exist"
                raise TouchstoneError(f"{path} {found}", expected="a file", remedy="check the path")
            name = path.name
            if name in named or name in {SOURCES_FILE, "manifest.json"}:
                name = f"{canonical.file_digest(path)[:12]}-{name}"
            if name in named:
                raise TouchstoneError(f"{path} is given twice", expected="every file once", remedy="name it once")
            _link_or_copy(path, folder / name)
            named[name] = source.model_copy(update={"name": source.name or source_name(path)})
        listed = {name: named[name].model_dump() for name in sorted(named)}
        (folder / SOURCES_FILE).write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def open_dump(folder: Path) -> list[tuple[Path, DumpSource]]:
    """The files of a dump and what is known of each, by name.

    Raises:
        TouchstoneError: sources.json is missing or wrong, or names a file that is not there.
    """
    path = folder / SOURCES_FILE
    try:
        found = TypeAdapter(dict[str, DumpSource]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise TouchstoneError(
            f"{path}: {str(error).splitlines()[0]}",
            expected="file name -> what is known of the dump",
            remedy="write the dump with `touchstone data ingest`",
        ) from error
    for name in found:
        if not (folder / name).is_file():
            raise TouchstoneError(f"{path} names {name}, which is not there", remedy="restore the file")
    return [(folder / name, found[name]) for name in sorted(found)]


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
    from components.ingest.readers import Reader

    yield from Reader(source, limits, tally or Tally(), marks_ids=marks_ids).read(path)


def source_name(path: Path) -> str:
    """A file's name without the endings that say how it is stored."""
    name = path
    while name.suffix.lower() in _DATA_SUFFIXES:
        name = name.with_suffix("")
    return name.name


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        shutil.copyfile(source, target)
