"""A cluster to test on: the one KUBECONFIG names, the images an images.lock names, namespaces made for a test.

See README.md for the settings.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from components.contracts.yaml_documents import read_mapping
from tests.cluster.finished_work import Work, one_of_each
from tests.cluster.pods import eventually
from tests.cluster.release import Release, installed
from tests.cluster.trainer_crds import TEST_LABEL, definitions

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


@pytest.fixture(scope="module")
def trainer_types(kube: client.ApiClient) -> Iterator[None]:
    """The Trainer's definitions, unless the cluster has a real Trainer."""
    extensions = client.ApiextensionsV1Api(kube)
    made = []
    for body in definitions():
        name = body["metadata"]["name"]
        try:
            extensions.create_custom_resource_definition(body)
            made.append(name)
        except ApiException as error:
            if error.status != 409:
                raise
            # Left by a run of these tests that was killed, or those of a real Trainer?
            if not (extensions.read_custom_resource_definition(name).metadata.labels or {}).get(TEST_LABEL):
                pytest.skip(f"the cluster has {name}: a real controller may be at work")

    def served() -> bool | None:
        found = [extensions.read_custom_resource_definition(body["metadata"]["name"]) for body in definitions()]
        ready = [{c.type for c in each.status.conditions or [] if c.status == "True"} for each in found]
        return all("Established" in types for types in ready) or None

    eventually(served, "definitions established")
    yield
    for name in made:
        extensions.delete_custom_resource_definition(name)


@pytest.fixture(scope="session")
def work_done_here(tmp_path_factory: pytest.TempPathFactory) -> list[Work]:
    """The dry run on this machine: every step of the smoke preset at toy size."""
    runs = tmp_path_factory.mktemp("runs")
    command = [sys.executable, "-m", "pipelines", "run", "imitation_audit", "--preset", "dry_run", "--runs", str(runs)]
    subprocess.run([*command, "--name", "here"], check=True, capture_output=True)
    return one_of_each(runs / "here" / "artifacts")
