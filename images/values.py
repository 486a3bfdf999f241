"""Values for the chart out of an images.lock: Helm then installs the very images that pipelines name."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from components.contracts import images

# Key under the chart's `images` -> logical name in the lock.
KEYS: Mapping[str, str] = {
    "cpu": images.CPU,
    "train": images.TRAIN,
    "trainTpu": "touchstone/python-train-tpu",
    "generate": images.GENERATE,
    "sandbox": "touchstone/sandbox",
    "crowd": "touchstone/crowd",
}


def chart_values(lock: Mapping[str, str]) -> str:
    """YAML for `helm --values`: repository and digest of every image that the lock knows.

    Args:
        lock: Logical name -> REPOSITORY@sha256:DIGEST.
    """
    chosen = {}
    for key, name in KEYS.items():
        if name in lock:
            repository, _, digest = lock[name].partition("@")
            chosen[key] = {"repository": repository, "digest": digest}
    # The lock's repositories have their registry in front already.
    return yaml.safe_dump({"imageRegistry": "", "images": chosen}, sort_keys=False)
