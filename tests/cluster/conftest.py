"""A cluster to test on: the one KUBECONFIG names, the images an images.lock names, namespaces made for a test.

See README.md for the settings.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from kubernetes import client, config

from components.contracts.yaml_documents import read_mapping
from tests.cluster.release import Release, installed

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "touchstone/tests": "true"}


@pytest.fixture(scope="session")
def kube() -> client.ApiClient:
    """A client of the cluster; skips without KUBECONFIG or when nothing answers there."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    config.load_kube_config()
    api = client.ApiClient()
    try:
        client.VersionApi(api).get_code(_request_timeout=10)
    except (urllib3.exceptions.HTTPError, client.exceptions.ApiException) as error:
        pytest.skip(f"the cluster of KUBECONFIG does not answer: {error}")
    return api


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Logical name -> reference, from the images.lock that TOUCHSTONE_IMAGES names."""
    path = os.environ.get("TOUCHSTONE_IMAGES")
    if not path:
        pytest.skip("TOUCHSTONE_IMAGES names no images.lock")
    return {name: str(reference) for name, reference in read_mapping(Path(path)).items()}


@contextlib.contextmanager
def fresh_namespace(kube: client.ApiClient, prefix: str) -> Iterator[str]:
    """A namespace under PodSecurity restricted, deleted at the end with all that is in it."""
    core = client.CoreV1Api(kube)
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": RESTRICTED}})
    try:
        yield name
    finally:
        core.delete_namespace(name)


@pytest.fixture
def namespace(kube: client.ApiClient) -> Iterator[str]:
    """A namespace for one test."""
    with fresh_namespace(kube, "touchstone-test") as name:
        yield name


@pytest.fixture(scope="module")
def sandbox() -> str:
    """Name of the sandbox namespace that the chart makes for a module of tests."""
    return f"touchstone-sandbox-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def release(kube: client.ApiClient, images: dict[str, str], sandbox: str) -> Iterator[Release]:
    """The chart with MinIO, installed for a module of tests in a namespace of its own."""
    with (
        fresh_namespace(kube, "touchstone-release") as name,
        installed(client.CoreV1Api(kube), name, images, sandbox) as made,
    ):
        yield made
