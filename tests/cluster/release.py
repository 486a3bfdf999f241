"""The chart, installed for a test, and its object store as seen from here."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from components.contracts import images as logical
from tests.cluster.pods import eventually

CHART = Path(__file__).parents[2] / "charts" / "touchstone"
NAME = "touchstone"
SERVICE = "touchstone-minio"


@dataclass(frozen=True)
class Release:
    """An installed chart."""

    namespace: str
    """Where it is installed and where pods of the tests run."""
    values: tuple[str, ...]
    """Arguments for helm."""
    store_address: str = "s3://touchstone/artifacts"
    """What the ConfigMap says, for pods and for this process."""
    minio_pod: str = "touchstone-minio-0"
    """The store's pod."""

    @property
    def store_env(self) -> list[dict[str, Any]]:
        """Where a pod's environment comes from, as the pipelines' tasks have it."""
        return [{"configMapRef": {"name": "touchstone"}}, {"secretRef": {"name": "touchstone-s3"}}]

    def upgrade(self, *changes: str) -> None:
        """`helm upgrade` with further values."""
        helm("upgrade", NAME, str(CHART), "-n", self.namespace, *self.values, *changes, "--wait", "--timeout", "3m")


def helm(*arguments: str) -> str:
    """Run helm; fails with what it said."""
    done = subprocess.run(["helm", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def image_values(images: Mapping[str, str], minio: str) -> tuple[str, ...]:
    """helm's arguments for images that are given by reference."""
    arguments = []
    for key, reference in {
        "images.cpu": images[logical.CPU],
        "images.train": images[logical.TRAIN],
        "images.sandbox": images["touchstone/sandbox"],
        "objectStore.minio.image": minio,
    }.items():
        repository, _, digest = reference.partition("@")
        if not digest:
            repository, _, tag = reference.rpartition(":")
        arguments += ["--set", f"{key}.repository={repository}"]
        arguments += ["--set", f"{key}.digest={digest}" if digest else f"{key}.tag={tag}"]
    return tuple(arguments)


@contextlib.contextmanager
def installed(core: client.CoreV1Api, namespace: str, images: Mapping[str, str], sandbox: str) -> Iterator[Release]:
    """Install the chart with a small MinIO and without the crowd, and forward the store to this process."""
    minio = os.environ.get("TOUCHSTONE_MINIO_IMAGE")
    if not minio or not shutil.which("helm") or not shutil.which("kubectl"):
        pytest.skip("needs helm, kubectl and TOUCHSTONE_MINIO_IMAGE (an image of MinIO that the nodes have)")
    values = (
        *image_values(images, minio),
        *("--set", "crowd.enabled=false"),
        *("--set", f"sandbox.namespace={sandbox}"),
        *("--set", "objectStore.minio.storage.size=2Gi"),
        # Cluster-wide objects: with the Trainer's types present, two releases would fight over them.
        *("--set", "training.runtimes.enabled=false"),
    )
    try:
        helm("install", NAME, str(CHART), "-n", namespace, *values, "--wait", "--wait-for-jobs", "--timeout", "3m")
        with _forwarded(core, namespace):
            yield Release(namespace, values)
    finally:
        helm("uninstall", NAME, "-n", namespace, "--wait")


@contextlib.contextmanager
def _forwarded(core: client.CoreV1Api, namespace: str) -> Iterator[None]:
    secret = core.read_namespaced_secret("touchstone-s3", namespace).data
    port = _free_port()
    # A forward ends with its pod; the tests kill that pod, so the forward is started again as often as it ends.
    loop = f"while true; do kubectl -n {namespace} port-forward svc/{SERVICE} {port}:9000; sleep 0.2; done"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOUCHSTONE_S3_ENDPOINT", f"http://127.0.0.1:{port}")
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(key, base64.b64decode(secret[key]).decode())
        forward = subprocess.Popen(
            ["bash", "-c", loop], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            eventually(lambda: _answers(port), "the forwarded store does not answer", seconds=30)
            yield
        finally:
            os.killpg(forward.pid, 15)
            forward.wait()


def _answers(port: int) -> bool | None:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
