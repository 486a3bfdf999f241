"""Dumps of imitation data as an artifact: raw files beside what is known of each.

write_dump(folder, files, sources)
for path, source in open_dump(folder):
    for row in read_dump(path, source):       # of reading.readers: Dialogue or Removal; nothing is held
        ...
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from components.contracts import canonical
from components.contracts.errors import TouchstoneError
from components.contracts.places import disk_errors
from components.contracts.ports import Folder
from components.ingest.reading.sources import DumpSource, source_name

SOURCES_FILE = "sources.json"


class Dump(Folder):
    """Raw files of imitation data as somebody else wrote them, and sources.json: file name -> DumpSource."""


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


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        shutil.copyfile(source, target)
