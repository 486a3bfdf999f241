"""Ports: the only reader and writer of artifact folders.

A rows artifact is a folder with `rows.jsonl` (or `rows.jsonl.zst` when large) and `manifest.json`.
A `Folder` contract (checkpoint, report) is the same folder and manifest around other files.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import zstandard
from pydantic import ValidationError

from components.contracts import canonical, places
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import FileEntry, Manifest
from components.contracts.places import disk_errors
from components.contracts.rows import Row

COMPRESS_ABOVE_BYTES = 16 << 20


class Folder:
    """Contract of an artifact that is files rather than rows."""

    version: ClassVar[int] = 1


class Checkpoint(Folder):
    """A model: a Hugging Face directory (safetensors, config, tokenizer)."""


class CheckpointSeries(Folder):
    """Models of one training on growing amounts of data: each subfolder is a whole `Checkpoint` artifact."""


class ToxicityScorer(Folder):
    """A text classifier without torch: its weights and the numbers it was calibrated with."""


class Report(Folder):
    """What a reader opens: verdict.json and report.html."""


class DataDocs(Folder):
    """Great Expectations' result and its pages."""


R = TypeVar("R", bound="Row | Folder")


@dataclass(frozen=True)
class Provenance:
    """What a manifest says about the making of an artifact."""

    step: str = ""
    code_version: str = ""
    params: Mapping[str, object] | None = None
    parents: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Input(Generic[R]):
    """A finished artifact, read-only."""

    path: Path
    contract: type[R]

    @cached_property
    def manifest(self) -> Manifest:
        """The folder's manifest, checked against the expected contract.

        Raises:
            TouchstoneError: no manifest, another contract, or another version of it.
        """
        found = manifests.read(self.path)
        wanted = (self.contract.__name__, self.contract.version)
        if (found.contract, found.contract_version) != wanted:
            raise TouchstoneError(
                f"{self.path} holds {found.contract} version {found.contract_version}",
                expected=f"{wanted[0]} version {wanted[1]}",
                remedy="give the folder that the matching step wrote, or run that step again with this version",
            )
        return found

    @property
    def digest(self) -> str:
        """Content identity of the artifact."""
        return self.manifest.digest

    @cached_property
    def _at_hand(self) -> Path:
        """Where the files are: in `path`, or fetched from the object store that `path` points to."""
        from components.contracts.detached import at_hand

        return at_hand(self.path, self.manifest)

    @property
    def folder(self) -> Path:
        """The directory of a `Folder` artifact, verified against its manifest.

        Raises:
            TouchstoneError: a file is missing or changed.
        """
        manifests.verify(self._at_hand, self.manifest)
        return self._at_hand

    def rows(self) -> list[R]:
        """All rows, verified against the manifest.

        Raises:
            TouchstoneError: the file is missing, changed, or a line is not a valid row.
        """
        return list(self.iter_rows())

    def iter_rows(self) -> Iterator[R]:
        """Rows one by one; the digest is verified before the first is given out."""
        manifests.verify(self._at_hand, self.manifest)
        assert issubclass(self.contract, Row), "a folder artifact has no rows"
        entry = self.manifest.files[0]
        with _open_rows(self._at_hand / entry.name) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    yield self.contract.model_validate_json(line)
                except ValidationError as error:
                    raise TouchstoneError(
                        f"{self.path / entry.name}, line {number}: {_first_problem(error)}",
                        expected=f"a {self.contract.__name__} row",
                        remedy=f"remove {self.path} and run the same command again",
                    ) from error


class Nothing(Input[R]):
    """A port nothing was given to: no rows. The default of optional ports."""

    def __init__(self, contract: type[R]) -> None:
        """Stand for an absent artifact of `contract`."""
        super().__init__(Path("/nothing-given"), contract)

    @cached_property
    def manifest(self) -> Manifest:
        """A manifest of no rows and no files."""
        return Manifest(contract=self.contract.__name__, contract_version=self.contract.version, num_rows=0, files=())

    def iter_rows(self) -> Iterator[R]:
        """No rows."""
        return iter(())


@dataclass(frozen=True)
class Inputs(Generic[R]):
    """Finished artifacts of one contract, in the order in which a loop made them."""

    parts: tuple[Input[R], ...]
    contract: type[R]

    def __iter__(self) -> Iterator[Input[R]]:
        """The artifacts."""
        return iter(self.parts)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.parts)

    @property
    def digest(self) -> str:
        """Content identity of all of them, in their order."""
        return canonical.digest([part.digest for part in self.parts])


@dataclass(frozen=True)
class Output(Generic[R]):
    """An artifact to be written once. `provenance` is filled in by `bind`."""

    path: Path
    contract: type[R]
    provenance: Provenance = Provenance()

    def write(self, rows: Iterable[R], *, notes: Mapping[str, object] | None = None) -> Manifest:
        """Write all rows, then the manifest.

        Raises:
            TouchstoneError: the disk is full or the folder cannot be written; nothing half-made stays.
        """
        with disk_errors(self.path):
            places.clear(self.path)
            target = self.path / "rows.jsonl"
            num_rows = 0
            with target.open("w", encoding="utf-8", newline="\n") as stream:
                for row in rows:
                    assert isinstance(row, Row)
                    stream.write(row.model_dump_json() + "\n")
                    num_rows += 1
            if target.stat().st_size > COMPRESS_ABOVE_BYTES:
                _compress(target)
            return self._finish(num_rows, notes)

    @property
    def folder(self) -> Path:
        """An empty directory to put a `Folder` artifact's files into; call `commit` when they are complete."""
        with disk_errors(self.path):
            places.clear(self.path)
        return self.path

    def commit(self, *, notes: Mapping[str, object] | None = None) -> Manifest:
        """Write the manifest over the files now in the folder."""
        with disk_errors(self.path):
            return self._finish(0, notes)

    def _finish(self, num_rows: int, notes: Mapping[str, object] | None) -> Manifest:
        files: tuple[FileEntry, ...] = manifests.describe_files(self.path)
        made = Manifest(
            contract=self.contract.__name__,
            contract_version=self.contract.version,
            num_rows=num_rows,
            files=files,
            step=self.provenance.step,
            code_version=self.provenance.code_version,
            params=dict(self.provenance.params or {}),
            parents=dict(self.provenance.parents or {}),
            notes=dict(notes or {}),
        )
        manifests.write(self.path, made)
        return made


def write_rows(path: Path, contract: type[Row], rows: Iterable[Row]) -> Manifest:
    """Write an artifact outside a step (tests, `audit`)."""
    return Output(path, contract).write(rows)


def _compress(source: Path) -> None:
    target = source.with_name(source.name + ".zst")
    with source.open("rb") as plain, target.open("wb") as packed:
        zstandard.ZstdCompressor(level=3).copy_stream(plain, packed, read_size=canonical.CHUNK_BYTES)
    source.unlink()


@contextmanager
def _open_rows(path: Path) -> Iterator[io.TextIOBase]:
    if path.suffix == ".zst":
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw:
            yield io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    else:
        with path.open(encoding="utf-8", newline="\n") as stream:
            yield stream


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
