"""images.lock: logical image names -> references pinned by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.contracts import images
from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping

PINNED = re.compile(r"^\S+@sha256:[0-9a-f]{64}$")
NEEDED = (images.CPU, images.TRAIN, images.GENERATE)
BUILD = "python -m images build cpu cpu-torch --cpu-only --push --tag-prefix REGISTRY/touchstone --lock images.lock"


def read_lock(path: Path) -> dict[str, str]:
    """The references of an images.lock.

    Raises:
        UsageError: it cannot be read, lacks an image that pipelines use, or names one by a tag.
    """
    if not path.is_file():
        raise UsageError(f"there is no {path}", expected="an images.lock: images by digest", remedy=BUILD)
    lock = {name: str(reference) for name, reference in read_mapping(path).items()}
    missing = [name for name in NEEDED if name not in lock]
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}", expected=", ".join(NEEDED), remedy=BUILD)
    refuse_floating(lock, where=str(path))
    return lock


def refuse_floating(references: Mapping[str, str] | Iterable[str], *, where: str) -> None:
    """Accept only references that can never come to mean another image.

    Raises:
        UsageError: a reference without a digest. Kubeflow caches by the image's name: under a tag that moves it would
            give back results of other code.
    """
    given = references.values() if isinstance(references, Mapping) else references
    floating = sorted({reference for reference in given if not PINNED.match(reference)})
    if floating:
        raise UsageError(
            f"{where} names images that can change: {', '.join(floating)}",
            expected="REPOSITORY@sha256:DIGEST",
            remedy=f"give --images images.lock; to make one: {BUILD}",
        )
