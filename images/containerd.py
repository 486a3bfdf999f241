"""Images on a node without a registry: imported into its containerd, found there by tag and by digest."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from components.contracts.errors import TouchstoneError

KUBERNETES = "k8s.io"
"""Namespace of containerd that the kubelet looks in."""


def import_image(socket: Path, archive: Path, names: Sequence[str]) -> None:
    """Import an archive into containerd and give the image the names.

    The kubelet finds an image by the very reference a pod has: one by digest needs a name by digest.

    Raises:
        TouchstoneError: no `ctr`, no containerd behind the socket, or it refuses.
    """
    control(socket, "images", "import", str(archive))
    for name in names[1:]:
        control(socket, "images", "tag", "--force", names[0], name)


def control(socket: Path, *arguments: str) -> str:
    """What a command of containerd's client prints, in the kubelet's namespace.

    Raises:
        TouchstoneError: the client is missing or fails.
    """
    try:
        done = subprocess.run(
            ["ctr", "--address", str(socket), "--namespace", KUBERNETES, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise TouchstoneError("ctr not found", remedy="run this on the node, where containerd is installed") from error
    if done.returncode:
        raise TouchstoneError(
            f"ctr {' '.join(arguments[:2])}: {done.stderr.strip().splitlines()[-1:]}",
            expected=f"containerd behind {socket}",
            remedy="give --containerd the node's socket, as a user who may open it",
        )
    return done.stdout
