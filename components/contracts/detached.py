"""Artifacts that lie in an object store while their folder holds only the manifest and where to find the rest.

Kubeflow's launcher copies an artifact one stream at a time, into the pipeline's bucket and out again for every reader.
A checkpoint is left in the content store instead: what the launcher carries is `manifest.json` (identity, sizes,
digests) and `location.json` (an address). A step whose work is already done never fetches it at all.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import canonical, environment
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import Manifest
from components.contracts.stored_artifacts import nothing_finished, read_manifest

if TYPE_CHECKING:
    from components.contracts.object_store import ObjectStore

LOCATION_FILE = "location.json"


def leave_pointer(folder: Path, made: Manifest, address: str) -> None:
    """Make `folder` stand for the artifact at `address`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCATION_FILE).write_text(canonical.dumps({"address": address}) + "\n")
    manifests.write(folder, made)


def address_of(folder: Path) -> str | None:
    """The address `folder` points to; None when it holds its files itself."""
    pointer = folder / LOCATION_FILE
    return str(json.loads(pointer.read_text(encoding="utf-8"))["address"]) if pointer.is_file() else None


def at_hand(folder: Path, made: Manifest) -> Path:
    """The folder that holds the artifact's files: `folder` itself, or a copy fetched from where it points.

    Raises:
        TouchstoneError: the address cannot be read, or what lies there is not what the manifest describes.
    """
    address = address_of(folder)
    if address is None or LOCATION_FILE in {entry.name for entry in made.files}:
        return folder
    fetched = environment.cache_folder() / made.digest
    store, key = _located(address)
    store.download(key, fetched)
    found = manifests.read(fetched)
    if found.digest != made.digest:
        raise TouchstoneError(
            f"{address} holds other content than {folder} was made from",
            expected=f"an artifact with digest {made.digest[:12]}, found {found.digest[:12]}",
            remedy="run the step that makes it again",
        )
    return fetched


@contextlib.contextmanager
def local_ports(paths: Mapping[str, str | Path], outputs: Iterable[str]) -> Iterator[dict[str, Path]]:
    """Folders for ports given by folder or by address; what was written for an address is uploaded at the end.

    Raises:
        TouchstoneError: nothing lies at an input's address, or the store cannot be used.
    """
    scratch = Path(tempfile.mkdtemp(prefix="touchstone-ports-"))
    try:
        yield_paths: dict[str, Path] = {}
        for name, place in paths.items():
            if not environment.is_address(place):
                yield_paths[name] = Path(place)
                continue
            yield_paths[name] = scratch / name
            if name not in outputs:
                leave_pointer(scratch / name, remote_manifest(str(place)), str(place))
        yield yield_paths
        for name in outputs:
            if environment.is_address(paths.get(name, "")):
                made = yield_paths[name]
                store, key = _located(str(paths[name]))
                store.upload(at_hand(made, manifests.read(made)), key)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remote_manifest(address: str) -> Manifest:
    """The manifest of the artifact at `address`.

    Raises:
        TouchstoneError: there is none, or it is not one of ours.
    """
    store, key = _located(address)
    if not store.has(key):
        raise nothing_finished(address)
    return read_manifest(store.read_bytes(f"{key}/{manifests.FILE_NAME}"), where=address)


def _located(address: str) -> tuple[ObjectStore, str]:
    from components.contracts.object_store import open_store  # the core install has no client

    parent, _, key = address.rstrip("/").rpartition("/")
    return open_store(parent), key
