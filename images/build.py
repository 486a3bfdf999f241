"""Building images from a commit, and what is written down about them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.contracts.errors import UsageError
from images import archive, containerd, context
from images.catalog import Image
from images.engine import Engine
from images.lock import update_lock
from images.versions import ROOT, read_versions

BILL = "usr/share/touchstone/sbom.cdx.json"


@dataclass(frozen=True)
class Request:
    """What a build was asked for."""

    images: tuple[Image, ...]
    """Images to build, in order."""
    prefix: str
    """Registry and folder of the repositories: PREFIX/cpu is the image cpu."""
    tag: str
    """Tag of the images; the lock holds digests whatever it is."""
    base: str | None = None
    """Base image; None = PYTHON_BASE of versions.env."""
    wheels: Path | None = None
    """Folder of ready-made wheels, torch's CPU build among them."""
    torch_index: str | None = None
    """Address of a package index with torch's CPU build, where there is no such folder."""
    lock: Path | None = None
    """images.lock to update."""
    push: bool = False
    """Push to the registry; the digests are then the registry's."""
    cpu_only: bool = False
    """Let cpu-torch stand for training and generation."""
    working_tree: bool = False
    """Build the files as they lie in the checkout rather than the commit's."""
    cached: bool = True
    """Use layers that were built before; the digest is the same either way."""


@dataclass(frozen=True)
class Base:
    """The image that ours stand on."""

    reference: str
    """What the Dockerfile's FROM gets; it cannot come to mean another image."""
    name: str
    """What was asked for."""
    digest: str
    """sha256 of its manifest, or of its configuration where it came without a registry."""
    layers: tuple[str, ...]
    """Digests of its layers, lowest first, not compressed."""


@dataclass(frozen=True)
class Built:
    """An image that was built."""

    image: Image
    """Which."""
    reference: str
    """Its repository and digest."""
    size: int
    """Bytes of all layers, not compressed."""
    layers: tuple[int, ...]
    """Bytes of each layer, lowest first."""


def build(request: Request, engine: Engine, root: Path = ROOT) -> list[Built]:
    """Build the images, keep their dates and lists of parts, push them if asked, and update the lock.

    Raises:
        TouchstoneError: a build failed, or something that an image needs is missing.
    """
    refuse(request)
    base = resolve_base(engine, request.base or read_versions()["PYTHON_BASE"])
    with tempfile.TemporaryDirectory(prefix="touchstone-images-") as scratch:
        folder = Path(scratch) / "context"
        folder.mkdir()
        source = context.make_context(root, folder, working_tree=request.working_tree)
        if request.wheels:
            context.add_wheels(folder, request.wheels)
        context.date_files(folder, source.epoch)
        built = [_build_one(image, request, engine, base, source, folder) for image in request.images]
    if request.lock:
        update_lock(request.lock, entries(built, cpu_only=request.cpu_only))
    return built


def refuse(request: Request) -> None:
    """Tell before the first build what would fail in the last one.

    Raises:
        UsageError: torch's CPU build is nowhere to be had, or files without a commit would go to a registry.
    """
    for image in request.images:
        version = read_versions()[image.cpu_torch] if image.cpu_torch else None
        at_hand = request.wheels and any(request.wheels.glob(f"torch-{version}+cpu-*.whl"))
        if version and not (at_hand or request.torch_index):
            raise UsageError(
                f"{image.name} needs torch {version}'s CPU build, which the usual index does not have",
                expected=f"torch-{version}+cpu-*.whl",
                remedy="give --wheels the folder it lies in, or --torch-index the address of an index that has it",
            )
    if request.push and request.working_tree:
        raise UsageError(
            "--push together with --working-tree",
            expected="images in a registry made from a commit, so that they can be built again",
            remedy="commit, and leave --working-tree out",
        )


def resolve_base(engine: Engine, name: str) -> Base:
    """Pin a base image: by the digest in its name, the one its registry told, or the local image's own.

    Raises:
        TouchstoneError: neither here nor to be pulled.
    """
    found = engine.inspect(name)
    if found is None:
        engine.run("pull", name, shown=True)
        found = engine.inspect(name) or {}
    layers = tuple(found.get("RootFS", {}).get("Layers") or ())
    digests = [str(reference) for reference in found.get("RepoDigests") or []]
    if "@sha256:" in name:
        return Base(name, name, name.rpartition("@")[2], layers)
    if digests:
        return Base(digests[0], name, digests[0].rpartition("@")[2], layers)
    # Made on this machine: BuildKit takes no image by its id, so it gets a name with the id in it.
    identity = str(found["Id"])
    fixed = f"localhost/touchstone-base:{identity.removeprefix('sha256:')[:32]}"
    engine.run("tag", identity, fixed)
    return Base(fixed, name, identity, layers)


def arguments(image: Image, request: Request, base: Base, source: context.Source) -> dict[str, str]:
    """Build arguments of an image, from versions.env, the base and the commit."""
    versions = read_versions()
    given = {
        "BASE": base.reference,
        "BASE_NAME": base.name,
        "BASE_DIGEST": base.digest,
        "CREATED": datetime.fromtimestamp(source.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "PYTHON_VERSION": versions["PYTHON_VERSION"],
        "REVISION": source.revision,
        "SOURCE_DATE_EPOCH": str(source.epoch),
        "VERSION": versions["TOUCHSTONE_VERSION"],
    }
    if image.cpu_torch and request.torch_index:
        given["TORCH_INDEX"] = request.torch_index
    return given | {name: versions[name] for name in image.versions}


def _build_one(
    image: Image, request: Request, engine: Engine, base: Base, source: context.Source, folder: Path
) -> Built:
    tag = f"{request.prefix}/{image.name}:{request.tag}"
    dockerfile = f"images/{image.folder}/Dockerfile"
    engine.build(folder, dockerfile, image.name, tag, arguments(image, request, base, source), cached=request.cached)
    with tempfile.TemporaryDirectory(prefix="touchstone-image-") as scratch:
        packed_at = Path(scratch) / "image.tar"
        packed = pack(engine, tag, packed_at, [tag], epoch=source.epoch, base=base.layers)
        dated = engine.inspect(tag)
        engine.load(packed_at)
        # The name now means the normalised image; without this, every build would leave its twin behind on the disk.
        if dated is not None:
            engine.remove_unnamed(str(dated["Id"]))
        if request.lock:
            write_bill(packed_at, request.lock, image.name)
    repository = f"{request.prefix}/{image.name}"
    reference = engine.push(tag) if request.push else f"{repository}@{packed.digest}"
    sys.stderr.write(f"built {reference}\n")
    return Built(image, reference, packed.size, packed.layers)


def pack(
    engine: Engine, tag: str, out: Path, names: Sequence[str], *, epoch: int | None = None, base: Sequence[str] = ()
) -> archive.Packed:
    """Write an image of the engine as a normalised archive; for the arguments see `archive.normalise`."""
    saved = out.with_name(out.name + ".saved")
    engine.save(tag, saved)
    packed = archive.normalise(saved, out, names, epoch=epoch, base=base)
    saved.unlink()
    return packed


def write_bill(packed: Path, lock: Path, name: str) -> None:
    """Put an image's list of parts beside the lock: images.lock -> images.sbom/NAME.cdx.json."""
    bill = archive.find_file(packed, BILL)
    if bill is not None:
        path = lock.with_suffix(".sbom") / f"{name}.cdx.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bill)


def entries(built: Sequence[Built], *, cpu_only: bool) -> Mapping[str, str]:
    """Lines of images.lock for what was built."""
    return {
        name: one.reference for one in built for name in (*one.image.logical, *(one.image.cpu_only if cpu_only else ()))
    }


def load(images: Sequence[Image], prefix: str, tag: str, socket: Path, engine: Engine) -> list[str]:
    """Import built images into a node's containerd by tag and digest; returns the references by digest."""
    loaded = []
    for image in images:
        repository = f"{prefix}/{image.name}"
        with tempfile.TemporaryDirectory(prefix="touchstone-image-") as scratch:
            packed_at = Path(scratch) / "image.tar"
            packed = pack(engine, f"{repository}:{tag}", packed_at, [f"{repository}:{tag}"])
            reference = f"{repository}@{packed.digest}"
            containerd.import_image(socket, packed_at, [f"{repository}:{tag}", reference])
        loaded.append(reference)
    return loaded
