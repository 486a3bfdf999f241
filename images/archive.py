"""An image as an archive that is the same for every build of the same commit.

The engine dates files, layers and the image by the clock of the build. `normalise` gives the files of our own layers
one date for ever and the image its commit's, and writes an OCI layout (with the older manifest.json beside it, for
`docker load`). Its manifest's digest then depends on content alone, and a layer whose content did not change is the
same layer in the next commit's image. containerd keeps the digest on import.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
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
GZIP = b"\x1f\x8b"
FILE_DATE = 315_532_800
"""Date of every file in a layer of ours: 1980 began, the first second that a zip archive can hold."""


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


def normalise(
    saved: Path, out: Path, names: Sequence[str], *, epoch: int | None = None, base: Sequence[str] = ()
) -> Packed:
    """Write the image of a `docker save` archive anew, without the dates of its build.

    Args:
        saved: What `docker save` wrote.
        out: Archive to write; its folder also holds the layers meanwhile.
        names: References the image shall have where it is loaded.
        epoch: When the image's commit was made, in seconds since 1970; None = the image was normalised before, and
            only its form is to be changed.
        base: Digests of the base image's layers, lowest first: they are kept as they are, and so are shared.

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
        layers: list[dict[str, Any]] = []
        for name in listed[0]["Layers"]:
            kept = epoch is None or list(base[: len(layers) + 1]) == config["rootfs"]["diff_ids"][: len(layers) + 1]
            with opened(archive, name) as layer:
                layers.append(_add_layer(blobs, layer, dated=not kept))
    if epoch is not None:
        date_config(config, epoch)
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    described = _add_json(blobs, config, CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    top = _add_json(blobs, manifest, MANIFEST)
    _write(out, blobs, top, manifest, names)
    return Packed(str(top["digest"]), tuple(int(layer["size"]) for layer in layers))


def date_config(config: dict[str, Any], epoch: int) -> None:
    """Give an image's configuration and every step of its history the date `epoch`; in place."""
    for part in (config, *config.get("history", [])):
        part["created"] = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Names of the containers that the older builder ran.
    for volatile in ("container", "container_config", "docker_version"):
        config.pop(volatile, None)


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


def copy_layer(layer: IO[bytes], out: IO[bytes], *, dated: bool) -> None:
    """Copy a layer uncompressed: byte by byte, or with every file dated FILE_DATE."""
    if not dated:
        packed = layer.read(len(GZIP)) == GZIP
        layer.seek(0)
        with gzip.open(layer) if packed else nullcontext(layer) as plain:
            shutil.copyfileobj(plain, out, BLOCK_BYTES)
        return
    with (
        tarfile.open(fileobj=layer) as entries,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as rewritten,
    ):
        for entry in entries:
            entry.mtime = FILE_DATE
            headers = entry.pax_headers = dict(entry.pax_headers)
            for name in ("mtime", "atime", "ctime"):
                headers.pop(name, None)
            rewritten.addfile(entry, entries.extractfile(entry) if entry.isreg() else None)


def _add_layer(blobs: Path, layer: IO[bytes], *, dated: bool) -> dict[str, Any]:
    part = blobs / "part"
    with part.open("w+b") as out:
        copy_layer(layer, out, dated=dated)
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
