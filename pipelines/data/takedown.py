"""Where a dialogue is: every artifact that holds it, and every checkpoint that was trained on one of those.

Manifests name their parents by digest, so lineage is followed through copies, stores and renamed folders alike.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import zstandard
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from components.contracts import environment
from components.contracts import manifest as manifests
from components.contracts.detached import at_hand
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import Manifest
from components.contracts.object_store import ObjectStore, open_store

HOLDING = ("Dialogue", "Removal")
"""Contracts whose rows carry a dialogue's id and its text."""
WITHOUT_TEXT = b'"raw":""}\n'


class Finding(BaseModel):
    """An artifact that a takedown concerns."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    dialogue: str
    """The id asked for."""
    what: Literal["subset", "removals", "checkpoint"]
    """subset: holds it among its dialogues. removals: keeps its text aside. checkpoint: was trained on a subset."""
    places: tuple[str, ...]
    """Folders or keys below the searched one that hold this artifact; copies share one line."""
    digest: str
    """The artifact's content."""
    step: str
    """What made it."""
    through: tuple[str, ...] = ()
    """Of a checkpoint: the artifacts that lead from a subset to it, by one place each, the subset first."""


class Search(BaseModel):
    """What was found, and in how much."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    findings: tuple[Finding, ...]
    """In the order of the ids; subsets before checkpoints."""
    nowhere: tuple[str, ...]
    """Ids that no artifact holds."""
    num_artifacts: int = Field(ge=0)
    """Artifacts looked at."""
    unread: tuple[str, ...]
    """Artifacts that could not be read, and why: nothing is known of them."""


class _Artifact(NamedTuple):
    manifest: Manifest
    places: list[str]


class _Tree(Protocol):
    def manifests(self) -> Iterator[tuple[str, Manifest | TouchstoneError]]: ...

    def opened(self, place: str, made: Manifest) -> Path: ...


def search(ids: Collection[str], tree: str) -> Search:
    """Look for dialogues in everything below a folder or an object store's address.

    Raises:
        TouchstoneError: there is no such folder, the store cannot be used, or nothing in it is an artifact.
    """
    with _tree(tree) as found:
        artifacts, unread = _collect(found)
        if not artifacts:
            raise TouchstoneError(
                f"no artifact lies below {tree}",
                expected="a folder of runs, a store (TOUCHSTONE_STORE), or s3://BUCKET/PREFIX",
                remedy="name the folder with --in",
            )
        holders: dict[str, list[tuple[str, str]]] = {name: [] for name in ids}
        for identity, artifact in artifacts.items():
            contract = artifact.manifest.contract
            if contract in HOLDING:
                try:
                    held = _held(found.opened(artifact.places[0], artifact.manifest), artifact.manifest, ids)
                except (TouchstoneError, OSError, zstandard.ZstdError) as error:
                    unread.append(f"{artifact.places[0]}: {str(error).splitlines()[0]}")
                    continue
                for name in held:
                    holders[name].append((identity, "subset" if contract == "Dialogue" else "removals"))
    findings = [finding for name in ids for finding in _findings(name, holders[name], artifacts)]
    return Search(
        findings=tuple(findings),
        nowhere=tuple(name for name in ids if not holders[name]),
        num_artifacts=sum(len(artifact.places) for artifact in artifacts.values()),
        unread=tuple(unread),
    )


def _collect(tree: _Tree) -> tuple[dict[str, _Artifact], list[str]]:
    artifacts: dict[str, _Artifact] = {}
    unread = []
    for place, made in tree.manifests():
        if isinstance(made, TouchstoneError):
            unread.append(f"{place}: {str(made).splitlines()[0]}")
            continue
        # Equal content may have been made twice, from other parents: lineage is part of what is looked for.
        identity = f"{made.digest} {sorted(made.parents.items())}"
        artifacts.setdefault(identity, _Artifact(made, [])).places.append(place)
    return artifacts, unread


def _held(folder: Path, made: Manifest, ids: Collection[str]) -> set[str]:
    """The ids whose text is among a folder's rows. A row's JSON begins with its id: little else is looked at."""
    starts = {b'{"id":' + to_json(name) + b",": name for name in ids}
    longest = max(map(len, starts))
    held = set()
    for entry in made.files:
        with _rows(folder / entry.name) as lines:
            for line in lines:
                head = line[:longest]
                # What lies outside a subset is a removal without its text.
                if not line.endswith(WITHOUT_TEXT):
                    held |= {name for start, name in starts.items() if head.startswith(start)}
    return held


@contextmanager
def _rows(path: Path) -> Iterator[io.BufferedIOBase]:
    with path.open("rb") as raw:
        if path.suffix == ".zst":
            with zstandard.ZstdDecompressor().stream_reader(raw) as stream:
                yield io.BufferedReader(stream, 1 << 20)
        else:
            yield raw


def _findings(name: str, holders: list[tuple[str, str]], artifacts: dict[str, _Artifact]) -> Iterator[Finding]:
    for identity, what in holders:
        yield _finding(name, what, artifacts[identity], ())
    # A checkpoint trained on a subset, and then every one that went on from such a checkpoint.
    reached: dict[str, tuple[str, ...]] = {
        artifacts[identity].manifest.digest: (artifacts[identity].places[0],)
        for identity, what in holders
        if what == "subset"
    }
    waiting = {name: artifact for name, artifact in artifacts.items() if artifact.manifest.contract == "Checkpoint"}
    while True:
        found = {
            identity: next(reached[parent] for parent in artifact.manifest.parents.values() if parent in reached)
            for identity, artifact in waiting.items()
            if not reached.keys().isdisjoint(artifact.manifest.parents.values())
        }
        if not found:
            return
        for identity, through in found.items():
            artifact = waiting.pop(identity)
            yield _finding(name, "checkpoint", artifact, through)
            reached.setdefault(artifact.manifest.digest, (*through, artifact.places[0]))


def _finding(name: str, what: str, artifact: _Artifact, through: tuple[str, ...]) -> Finding:
    made = artifact.manifest
    return Finding.model_validate(
        {
            "dialogue": name,
            "what": what,
            "places": tuple(artifact.places),
            "digest": made.digest,
            "step": made.step,
            "through": through,
        }
    )


@contextmanager
def _tree(place: str) -> Iterator[_Tree]:
    if not environment.is_address(place):
        if not Path(place).is_dir():
            raise TouchstoneError(f"{place} is no folder", expected="a folder of runs, or s3://BUCKET/PREFIX")
        yield _FolderTree(Path(place))
        return
    with tempfile.TemporaryDirectory(prefix="touchstone-takedown-") as scratch:
        yield _StoreTree(open_store(place), Path(scratch))


class _FolderTree:
    def __init__(self, root: Path) -> None:
        self._root = root

    def manifests(self) -> Iterator[tuple[str, Manifest | TouchstoneError]]:
        for path in sorted(self._root.rglob(manifests.FILE_NAME)):
            try:
                yield str(path.parent), manifests.read(path.parent)
            except TouchstoneError as error:
                yield str(path.parent), error

    def opened(self, place: str, made: Manifest) -> Path:
        return at_hand(Path(place), made)


class _StoreTree:
    def __init__(self, store: ObjectStore, scratch: Path) -> None:
        self._store = store
        self._scratch = scratch

    def manifests(self) -> Iterator[tuple[str, Manifest | TouchstoneError]]:
        for key in self._store.keys(""):
            if key.rpartition("/")[2] == manifests.FILE_NAME:
                place = key.removesuffix(f"/{manifests.FILE_NAME}")
                try:
                    yield place, Manifest.model_validate_json(self._store.read_bytes(key))
                except ValueError as error:
                    yield place, TouchstoneError(f"not a Touchstone manifest: {str(error).splitlines()[0]}")

    def opened(self, place: str, made: Manifest) -> Path:
        # One at a time: a store may hold more than this disk.
        folder = self._scratch / "artifact"
        shutil.rmtree(folder, ignore_errors=True)
        self._store.download(place, folder)
        return folder


def table(found: Search) -> str:
    """The findings as lines for a person."""
    lines: list[str] = []
    for finding in found.findings:
        how = f"  trained on {' -> '.join(finding.through)}" if finding.through else ""
        lines += [f"{finding.dialogue}  {finding.what:<10}  {place}{how}\n" for place in finding.places]
    subsets = sum(f.what == "subset" for f in found.findings)
    checkpoints = sum(f.what == "checkpoint" for f in found.findings)
    counts = [
        f"{number} {what}{'s' * (number != 1)}"
        for number, what in ((subsets, "subset"), (checkpoints, "checkpoint"), (found.num_artifacts, "artifact"))
    ]
    return "".join(lines) + f"{counts[0]} and {counts[1]} in {counts[2]}\n"
