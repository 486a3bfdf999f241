"""Data sets of the Hugging Face Hub, or of a local folder of the same layout, as a file of a dump."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import zstandard

from components.contracts.errors import TouchstoneError, UsageError

PREFIX = "hub:"
_ADDRESS = re.compile(r"hub:(?P<name>[^:@#]+)(?::(?P<config>[^@#]+))?(?:@(?P<revision>[^#]+))?(?:#(?P<split>.+))?")


class HubAddress(NamedTuple):
    """One split of a data set."""

    name: str
    """OWNER/NAME, or a local folder."""
    config: str | None
    """Its configuration; None = its only one."""
    revision: str | None
    """Branch, tag or commit; None = the newest."""
    split: str
    """train, test, ..."""

    @property
    def file_name(self) -> str:
        """What the split is called inside a dump."""
        revision = f"@{self.revision}" if self.revision else ""
        whole = "-".join(filter(None, (self.name.strip("/").split("/")[-1], self.config, self.split)))
        return re.sub(r"[^\w.@-]", "_", whole + revision) + ".jsonl.zst"


def read_address(text: str) -> HubAddress:
    """`hub:NAME[:CONFIG][@REVISION][#SPLIT]`; without a split, train.

    Raises:
        UsageError: it is no such address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text} is no address of a data set",
            expected="hub:NAME[:CONFIG][@REVISION][#SPLIT], e.g. hub:databricks/databricks-dolly-15k#train",
        )
    return HubAddress(match["name"], match["config"], match["revision"], match["split"] or "train")


def write_split(address: HubAddress, path: Path) -> int:
    """Write a split's rows as JSONL (zstd), one at a time; gives their number.

    Raises:
        TouchstoneError: the data set, its configuration, revision or split is not there, needs code of its own, or the
            Hub cannot be reached.
    """
    number = 0
    with path.open("wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as packed:
        for row in _rows(address):
            packed.write(json.dumps(row, ensure_ascii=True, default=str).encode() + b"\n")
            number += 1
    return number


def _rows(address: HubAddress) -> Iterator[Mapping[str, object]]:
    try:
        import datasets  # type: ignore[import-untyped]
    except ImportError as error:
        raise TouchstoneError(
            f"{PREFIX}{address.name} needs the package datasets", remedy="pip install 'touchstone-audit[data]'"
        ) from error
    try:
        yield from datasets.load_dataset(
            address.name, address.config, revision=address.revision, split=address.split, streaming=True
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise TouchstoneError(
            f"{PREFIX}{address.name} (split {address.split}) cannot be read: {said}",
            expected="a data set of plain files on the Hub, or a local folder of such files",
            remedy="check name, configuration, split and the network (HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN); or fetch"
            " its files yourself and name them",
        ) from error
