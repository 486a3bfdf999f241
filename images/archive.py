"""An image as an archive that is the same for every build of the same commit.

The engine dates files, layers and the image by the clock of the build. `normalise` gives whatever is younger than the
commit the commit's date, and writes the image as an OCI layout (with the older manifest.json beside it, for `docker
load`). Its manifest's digest then depends on content alone; containerd keeps that digest on import.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from components.contracts.errors import TouchstoneError

CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Packed:
    """A normalised image."""

    digest: str
    """Of its manifest: sha256:..., what a reference by digest names."""
    layers: tuple[int, ...]
    """Bytes of its layers, lowest first, not compressed."""

    @property
    def size(self) -> int:
        """Bytes of all layers, not compressed."""
        return sum(self.layers)


def normalise(saved: Path, out: Path, names: Sequence[str], epoch: int) -> Packed:
    """Write the image of a `docker save` archive anew, without the dates of its build.

    Args:
        saved: What `docker save` wrote.
        out: Archive to write; its folder also holds the layers meanwhile.
        names: References the image shall have where it is loaded.
        epoch: Seconds since 1970; nothing in the image is younger.

    Raises:
        TouchstoneError: the archive holds not exactly one image.
    """
    blobs = out.with_name(out.name + ".blobs")
    blobs.mkdir()
    with tarfile.open(saved) as archive:
        listed = json.loads(content(archive, "manifest.json"))
        if len(listed) != 1:
            raise TouchstoneError(
                f"{saved} holds {len(listed)} images", expected="one", remedy="save one image by name"
            )
        config = json.loads(content(archive, listed[0]["Config"]))
        layers = []
        for name in listed[0]["Layers"]:
            with opened(archive, name) as layer:
                layers.append(_add_layer(blobs, layer, epoch))
    date_config(config, epoch)
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    described = _add_json(blobs, config, CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    top = _add_json(blobs, manifest, MANIFEST)
    _write(out, blobs, top, manifest, names)
    return Packed(str(top["digest"]), tuple(int(layer["size"]) for layer in layers))


def date_config(config: dict[str, Any], epoch: int) -> None:
    """Give an image's configuration and its history the date `epoch` wherever they are younger; in place."""
    for part in (config, *config.get("history", [])):
        if "created" in part:
            was = datetime.fromisoformat(part["created"].replace("Z", "+00:00"))
            part["created"] = min(was, datetime.fromtimestamp(epoch, UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Names of the containers that the older builder ran.
    for volatile in ("container", "container_config", "docker_version"):
        config.pop(volatile, None)


def created(saved: Path) -> int:
    """When the image of an archive was made, in seconds since 1970."""
    with tarfile.open(saved) as archive:
        config = json.loads(content(archive, json.loads(content(archive, "manifest.json"))[0]["Config"]))
    return int(datetime.fromisoformat(config["created"].replace("Z", "+00:00")).timestamp())


def find_file(archive: Path, path: str) -> bytes | None:
    """A file of a normalised image, from the uppermost layer that has it; None without one."""
    with tarfile.open(archive) as files:
        for name in reversed(json.loads(content(files, "manifest.json"))[0]["Layers"]):
            with opened(files, name) as blob, tarfile.open(fileobj=blob) as layer:
                if path in layer.getnames():
                    return content(layer, path)
    return None


def content(archive: tarfile.TarFile, name: str) -> bytes:
    """Bytes of a file in an archive."""
    with opened(archive, name) as file:
        return file.read()


def opened(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file in an archive; engines link a layer that several images share.

    Raises:
        TouchstoneError: no such file.
    """
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise TouchstoneError(f"the archive lacks {name}", expected="what `docker save` writes", remedy="save it again")
    return file


def copy_layer(layer: IO[bytes], out: IO[bytes], epoch: int) -> None:
    """Copy a layer uncompressed, its files' dates cut to `epoch`; byte by byte where none is younger."""
    with tarfile.open(fileobj=layer) as entries:
        plain = all(entry.mtime <= epoch for entry in entries)
        compressed = entries.fileobj is not layer
    layer.seek(0)
    if plain and not compressed:
        while block := layer.read(BLOCK_BYTES):
            out.write(block)
        return
    with (
        tarfile.open(fileobj=layer) as entries,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as rewritten,
    ):
        for entry in entries:
            entry.mtime = min(int(entry.mtime), epoch)
            headers = entry.pax_headers = dict(entry.pax_headers)
            for name in ("mtime", "atime", "ctime"):
                headers.pop(name, None)
            rewritten.addfile(entry, entries.extractfile(entry) if entry.isreg() else None)


def _add_layer(blobs: Path, layer: IO[bytes], epoch: int) -> dict[str, Any]:
    part = blobs / "part"
    with part.open("w+b") as out:
        copy_layer(layer, out, epoch)
        size = out.tell()
        out.seek(0)
        digest = hashlib.file_digest(out, "sha256").hexdigest()
    part.replace(blobs / digest)
    return {"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size}


def _add_json(blobs: Path, value: object, media_type: str) -> dict[str, Any]:
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _write(out: Path, blobs: Path, top: dict[str, Any], manifest: dict[str, Any], names: Sequence[str]) -> None:
    """Pack the blobs, the OCI index and `docker load`'s manifest, and remove the folder of blobs."""
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [top | {"annotations": {"io.containerd.image.name": name}} for name in names],
    }
    config, *layers = (place(part) for part in (manifest["config"], *manifest["layers"]))
    documents = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": index,
        "manifest.json": [{"Config": config, "RepoTags": [n for n in names if "@" not in n], "Layers": layers}],
    }
    with ExitStack() as stack:
        archive = stack.enter_context(tarfile.open(out, "w", format=tarfile.PAX_FORMAT))
        for name, document in documents.items():
            data = json.dumps(document, sort_keys=True).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for blob in sorted(blobs.iterdir()):
            entry = tarfile.TarInfo(f"blobs/sha256/{blob.name}")
            entry.size = blob.stat().st_size
            archive.addfile(entry, stack.enter_context(blob.open("rb")))
    for blob in blobs.iterdir():
        blob.unlink()
    blobs.rmdir()


def place(described: dict[str, Any]) -> str:
    """Where a blob lies in an OCI layout."""
    return f"blobs/sha256/{str(described['digest']).removeprefix('sha256:')}"
