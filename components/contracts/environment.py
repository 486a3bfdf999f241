"""The only reader of environment variables: secrets, endpoints and places, never parameters.

TOUCHSTONE_STORE      where finished steps are kept: a folder, or s3://BUCKET/PREFIX
TOUCHSTONE_CACHE      folder for what was fetched from a store (default: the system's temporary folder)
TOUCHSTONE_RUN        id of the pipeline run a task belongs to (set on a cluster from the pod's label)
TOUCHSTONE_KFP_HOST   address of a Kubeflow Pipelines server
TOUCHSTONE_NAMESPACE  Kubernetes namespace in which pipelines run
TOUCHSTONE_DATA       folder of real data sets used by tests and examples
TOUCHSTONE_API_KEY    key of the OpenAI-compatible server that a step speaks to; for OpenAI's own also OPENAI_API_KEY

The object store's own are read by `s3.connection`: TOUCHSTONE_S3_ENDPOINT (without it Amazon's), TOUCHSTONE_S3_REGION,
TOUCHSTONE_S3_ADDRESSING (path or virtual), TOUCHSTONE_S3_PATIENCE_SECONDS (how long a store that is down is waited for)
and the usual AWS_* credentials. TOUCHSTONE_PUSHGATEWAY is read by `metrics`.
HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR are read by `chat_api.connections`.

TOUCHSTONE_SANDBOX_NAMESPACE      where a cluster runs programs written by models; from the chart's ConfigMap, as are
TOUCHSTONE_SANDBOX_IMAGE          the interpreter they run in, and
TOUCHSTONE_SANDBOX_RUNTIME_CLASS  the runtime class of their pods, if any
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from components.contracts.errors import UsageError

STORE = "TOUCHSTONE_STORE"
KFP_HOST = "TOUCHSTONE_KFP_HOST"
API_KEY = "TOUCHSTONE_API_KEY"
OPENAI_HOST = "api.openai.com"


class SandboxPlace(NamedTuple):
    """Where a cluster runs programs written by models."""

    namespace: str
    image: str
    """With its digest."""
    runtime_class: str = ""
    """Such as gvisor; empty = the cluster's default."""


def step_store() -> Path | str | None:
    """Where finished steps are kept and found again: a folder, or the address of an object store; None = no reuse."""
    value = os.environ.get(STORE)
    if not value:
        return None
    return value if is_address(value) else Path(value)


def is_address(place: str | Path) -> bool:
    """Whether `place` is an object store's address (s3://, file://) rather than a folder."""
    return "://" in str(place)


def cache_folder() -> Path:
    """Folder in which fetched artifacts are kept, by content."""
    return Path(os.environ.get("TOUCHSTONE_CACHE") or Path(tempfile.gettempdir()) / "touchstone-cache")


def run_id() -> str | None:
    """The pipeline run this process works for, if any."""
    return os.environ.get("TOUCHSTONE_RUN") or None


def kfp_host() -> str | None:
    """Address of the Kubeflow Pipelines server."""
    return os.environ.get(KFP_HOST) or None


def namespace() -> str:
    """Kubernetes namespace of the pipelines; Kubeflow's own when nothing is said."""
    return os.environ.get("TOUCHSTONE_NAMESPACE") or "kubeflow"


def sandbox() -> SandboxPlace | None:
    """The cluster's place for programs written by models; None = they run in boxes on this machine.

    Raises:
        UsageError: a namespace is named and no image.
    """
    names = ("NAMESPACE", "IMAGE", "RUNTIME_CLASS")
    namespace, image, runtime_class = (os.environ.get(f"TOUCHSTONE_SANDBOX_{name}", "") for name in names)
    if not namespace:
        return None
    if not image:
        raise UsageError(
            "TOUCHSTONE_SANDBOX_NAMESPACE is set and TOUCHSTONE_SANDBOX_IMAGE is not",
            expected="both, as the chart's ConfigMap has them",
            remedy="set the image, or unset the namespace to run programs on this machine",
        )
    return SandboxPlace(namespace, image, runtime_class)


def data_folder(default: Path) -> Path:
    """Folder of the real data sets."""
    return Path(os.environ.get("TOUCHSTONE_DATA", default))


def api_key(base_url: str) -> str | None:
    """The secret to show to the OpenAI-compatible server at `base_url`; None = it is asked without one.

    OPENAI_API_KEY is in many people's shells; it goes to OpenAI and to nobody else.

    Raises:
        UsageError: the variable holds what cannot stand in a header.
    """
    names = [API_KEY, *(["OPENAI_API_KEY"] if urlsplit(base_url).hostname == OPENAI_HOST else [])]
    name = next((name for name in names if os.environ.get(name, "").strip()), None)
    if name is None:
        return None
    key = os.environ[name].strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"{name} holds blanks, line breaks or letters that no key has", remedy="set it again")
    return key
