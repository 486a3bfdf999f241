"""The images there are: the folder and target each is built from, and the logical names it answers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.contracts import images
from components.contracts.errors import UsageError


@dataclass(frozen=True)
class Image:
    """An image of ours."""

    name: str
    """Last part of its repository, and the target in its Dockerfile."""
    folder: str
    """Folder of the Dockerfile under images/."""
    logical: tuple[str, ...]
    """Names that images.lock gives its reference to."""
    cpu_only: tuple[str, ...] = ()
    """Further logical names under --cpu-only, on clusters without accelerators."""
    versions: tuple[str, ...] = ()
    """Keys of versions.env that are build arguments."""
    cpu_torch: str | None = None
    """Key of the version of torch whose CPU build must be at hand, in a folder of wheels or on an index."""


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image("cpu", "cpu", (images.CPU,)),
        Image(
            "cpu-torch",
            "cpu",
            ("touchstone/cpu-torch",),
            cpu_only=(images.TRAIN, images.GENERATE),
            versions=("TORCH_VERSION",),
            cpu_torch="TORCH_VERSION",
        ),
        Image("train-cuda", "train-cuda", (images.TRAIN,), versions=("DEEPSPEED_VERSION",)),
        Image(
            "train-tpu",
            "train-tpu",
            ("touchstone/python-train-tpu",),
            versions=("TPU_TORCH_VERSION",),
            cpu_torch="TPU_TORCH_VERSION",
        ),
        Image("generate-cuda", "generate-cuda", (images.GENERATE,)),
        Image("sandbox", "sandbox", ("touchstone/sandbox",)),
        Image("crowd", "crowd", ("touchstone/crowd",)),
    )
}


def chosen(names: tuple[str, ...]) -> list[Image]:
    """The images of these names, in the order given.

    Raises:
        UsageError: no such image.
    """
    unknown = [name for name in names if name not in IMAGES]
    if unknown:
        raise UsageError(f"no image {', '.join(unknown)}", expected=", ".join(IMAGES), remedy="name one of these")
    return [IMAGES[name] for name in names]
