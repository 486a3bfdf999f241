"""What is known of a dump before it is read, and how much of a strange file is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.dialogue_rows import IsoDate, Terms

UNKNOWN_TARGET = "unknown"
DAMAGED = "damaged"
"""Reason of a removal that stands for an unknown number of conversations: the rest of a file that cannot be read."""

_DATA_SUFFIXES = frozenset(
    {".gz", ".zst", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".parquet", ".arrow"}
)


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


LIMITS = Limits()
"""The bounds used when none are given."""


def source_name(path: Path) -> str:
    """A file's name without the endings that say how it is stored."""
    name = path
    while name.suffix.lower() in _DATA_SUFFIXES:
        name = name.with_suffix("")
    return name.name
