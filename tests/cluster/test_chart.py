"""The chart's life on a real cluster: install, use, upgrade, uninstall, and install again over what stayed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from tests.cluster.pods import eventually, restricted_pod, run_to_end, said
from tests.cluster.release import CHART, NAME, SERVICE

pytestmark = pytest.mark.cluster

WORK = """
import os, sys
from io import BytesIO
from urllib.parse import urlsplit
from minio import Minio

step, word = sys.argv[1:]
endpoint = urlsplit(os.environ["TOUCHSTONE_S3_ENDPOINT"])
store = Minio(endpoint=endpoint.netloc, access_key=os.environ["AWS_ACCESS_KEY_ID"],
              secret_key=os.environ["AWS_SECRET_ACCESS_KEY"], secure=False, region=os.environ["TOUCHSTONE_S3_REGION"])
place = dict(bucket_name=urlsplit(os.environ["TOUCHSTONE_STORE"]).netloc, object_name="kept/word")
if step == "write":
    store.put_object(**place, data=BytesIO(word.encode()), length=len(word))
print("store", store.get_object(**place).read().decode())
"""
RATE = """
import sys
from sqlalchemy import text
from components.crowd.database import database_url, open_database

step, word = sys.argv[1:]
with open_database(database_url()).begin() as ratings:
    if step == "write":
        ratings.execute(text("create table kept (word text)"))
        ratings.execute(text("insert into kept values (:word)"), {"word": word})
    print("database", ratings.execute(text("select word from kept")).scalar_one())
"""
# What the API server and its controllers put into every namespace.
NOT_OURS = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
KINDS = (
    "pods,services,deployments,statefulsets,jobs,configmaps,secrets,serviceaccounts,persistentvolumeclaims,"
    "roles,rolebindings,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges,ingresses"
)
KEPT = {
    ("PersistentVolumeClaim", "touchstone-minio"),
    ("PersistentVolumeClaim", "touchstone-crowd-database"),
    ("Secret", "touchstone-s3"),
    ("Secret", "touchstone-crowd-database"),
}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a test installs the chart, and with which images."""

    namespace: str
    """The release's, made for the test."""
    sandbox: str
    """Name of the namespace that the chart makes."""
    values: Path
    """File of values."""
    images: Mapping[str, str]
    """Logical name -> reference."""

    def helm(self, *arguments: str, chart: Path | None = CHART) -> subprocess.CompletedProcess[str]:
        """Run helm on this release; `arguments` begins with the command."""
        command, *rest = arguments
        words = ["helm", command, NAME, *([str(chart)] if chart else []), "--namespace", self.namespace, *rest]
        if chart:
            words += ["--values", str(self.values), "--timeout", "4m"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def done(self, *arguments: str, chart: Path | None = CHART) -> str:
        """The same, where helm must succeed."""
        process = self.helm(*arguments, chart=chart)
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout


def image_value(reference: str) -> dict[str, str]:
    repository, at, digest = reference.partition("@")
    if at:
        return {"repository": repository, "digest": digest}
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag}


@pytest.fixture
def place(namespace: str, images: Mapping[str, str], tmp_path: Path, kube: client.ApiClient) -> Iterator[Place]:
    minio, postgres = os.environ.get("TOUCHSTONE_MINIO_IMAGE"), os.environ.get("TOUCHSTONE_POSTGRES_IMAGE")
    if not minio or not postgres:
        pytest.skip("TOUCHSTONE_MINIO_IMAGE and TOUCHSTONE_POSTGRES_IMAGE name no images (tests/cluster/postgres)")
    if not shutil.which("helm") or not shutil.which("kubectl"):
        pytest.skip("the programs helm and kubectl are not on PATH")
    sandbox = f"touchstone-sandbox-{uuid.uuid4().hex[:8]}"
    values = {
        "images": {
            "cpu": image_value(images["touchstone/python-cpu"]),
            "crowd": image_value(images["touchstone/crowd"]),
            "sandbox": image_value(images["touchstone/sandbox"]),
        },
        "objectStore": {
            "minio": {
                "image": image_value(minio),
                "storage": {"size": "1Gi"},
                "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}},
            }
        },
        "crowd": {"database": {"image": image_value(postgres), "storage": {"size": "1Gi"}}},
        "sandbox": {"namespace": sandbox},
        # They belong to the whole cluster, which other tests use at the same time.
        "training": {"runtimes": {"enabled": False}},
    }
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    made = Place(namespace, sandbox, file, images)
    yield made
    made.helm("uninstall", "--wait", "--ignore-not-found", chart=None)


def objects_in(namespace: str) -> set[tuple[str, str]]:
    """Kind and name of all that lies in a namespace, pods of services and Helm's own records left out."""
    command = ["kubectl", "get", KINDS, "--namespace", namespace, "--output", "json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["items"]
    return {
        (item["kind"], item["metadata"]["name"])
        for item in listed
        if item.get("type") != "helm.sh/release.v1" and not item["metadata"].get("ownerReferences")
    } - NOT_OURS


def rendered(place: Place, namespace: str) -> set[tuple[str, str]]:
    """Kind and name of all that the release says it has in a namespace."""
    command = ["helm", "get", "manifest", NAME, "--namespace", place.namespace]
    manifest = yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {(o["kind"], o["metadata"]["name"]) for o in manifest if o and o["metadata"].get("namespace") == namespace}


def used(place: Place, core: client.CoreV1Api, step: str, word: str) -> None:
    """Write a word to store and database, or read it there, as the pods of a pipeline and of the crowd service do."""
    settings = [{"configMapRef": {"name": "touchstone"}}, {"secretRef": {"name": "touchstone-s3"}}]
    number = uuid.uuid4().hex[:6]
    command = ["python", "-c", WORK, step, word]
    pod = restricted_pod(f"store-{number}", place.images["touchstone/python-cpu"], command, env_from=settings)
    assert f"store {word}" in run_to_end(core, place.namespace, pod)
    database = [{"secretRef": {"name": "touchstone-crowd-database"}}]
    command = ["python", "-c", RATE, step, word]
    pod = restricted_pod(f"rate-{number}", place.images["touchstone/crowd"], command, env_from=database)
    assert f"database {word}" in run_to_end(core, place.namespace, pod)
    for name in ("store", "rate"):
        core.delete_namespaced_pod(f"{name}-{number}", place.namespace, grace_period_seconds=0)


def secrets(core: client.CoreV1Api, namespace: str) -> dict[str, Any]:
    return {name: core.read_namespaced_secret(name, namespace).data for kind, name in KEPT if kind == "Secret"}


def previous_chart(folder: Path) -> Path:
    """TOUCHSTONE_PREVIOUS_CHART, or this chart as it would be under an older version."""
    given = os.environ.get("TOUCHSTONE_PREVIOUS_CHART")
    if given:
        return Path(given)
    older = folder / "previous"
    shutil.copytree(CHART, older)
    described = yaml.safe_load((older / "Chart.yaml").read_text())
    (older / "Chart.yaml").write_text(yaml.safe_dump({**described, "version": "0.0.1", "appVersion": "0.0.1"}))
    # Something that the next version no longer has must not stay behind.
    (older / "templates" / "former.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: former, namespace: {{ .Release.Namespace }}}\ndata: {}\n"
    )
    return older


def gone(find: Callable[[], object]) -> bool | None:
    try:
        find()
    except client.ApiException as error:
        return True if error.status == 404 else None
    return None


def test_upgrades_and_uninstalls_lose_no_data_and_leave_no_orphans(
    place: Place, kube: client.ApiClient, tmp_path: Path
) -> None:
    core, word = client.CoreV1Api(kube), uuid.uuid4().hex
    place.done("install", "--wait", chart=previous_chart(tmp_path))
    assert ("Job", "touchstone-make-bucket") not in objects_in(place.namespace), "a hook that succeeded is deleted"
    used(place, core, "write", word)
    before = secrets(core, place.namespace)

    place.done("upgrade", "--wait", "--set", "crowd.replicas=3")
    assert "Succeeded" in place.done("test", chart=None)
    assert secrets(core, place.namespace) == before, "credentials made at random are kept"
    used(place, core, "read", word)
    for namespace in (place.namespace, place.sandbox):
        assert objects_in(namespace) == rendered(place, namespace)

    place.done("uninstall", "--wait", chart=None)
    eventually(lambda: gone(lambda: core.read_namespace(place.sandbox)), "the sandbox namespace stays")
    assert objects_in(place.namespace) == KEPT
    access = client.RbacAuthorizationV1Api(kube)
    assert gone(lambda: access.read_cluster_role(f"touchstone-runtimes-{place.namespace}"))
    assert gone(lambda: access.read_cluster_role_binding(f"touchstone-runtimes-{place.namespace}"))

    place.done("install", "--wait")
    assert secrets(core, place.namespace) == before
    used(place, core, "read", word)


def test_a_store_that_refuses_the_credentials_is_told_at_install(place: Place, kube: client.ApiClient) -> None:
    core = client.CoreV1Api(kube)
    place.done("install", "--wait", "--set", "crowd.enabled=false,sandbox.enabled=false")
    # This very store, taken for somebody else's by a second release, with keys it does not know.
    address = core.read_namespaced_service(SERVICE, place.namespace).spec.cluster_ip
    second = dataclasses.replace(place, namespace=f"touchstone-test-{uuid.uuid4().hex[:8]}")
    keys = {"AWS_ACCESS_KEY_ID": "k" * 20, "AWS_SECRET_ACCESS_KEY": "x" * 40}
    core.create_namespace({"metadata": {"name": second.namespace}})
    try:
        core.create_namespaced_secret(second.namespace, {"metadata": {"name": "wrong"}, "stringData": keys})
        store = f"objectStore.kind=external,objectStore.endpoint=http://{address}:9000,objectStore.existingSecret=wrong"
        refused = second.helm("install", "--set", f"{store},crowd.enabled=false,sandbox.enabled=false")
        assert refused.returncode != 0
        assert "touchstone-make-bucket" in refused.stderr
        label = "app.kubernetes.io/component=make-bucket"
        pods = core.list_namespaced_pod(second.namespace, label_selector=label).items
        assert len(pods) == 1, "wrong keys stay wrong: no second attempt"
        log = said(core, second.namespace, pods[0].metadata.name)
        assert "refuses bucket touchstone: InvalidAccessKeyId" in log
        second.done("uninstall", "--wait", chart=None)
        # A Job that failed is kept for an hour, for the person who wants to know why.
        assert objects_in(second.namespace) <= {("Secret", "wrong"), ("Job", "touchstone-make-bucket")}
    finally:
        second.helm("uninstall", "--ignore-not-found", chart=None)
        core.delete_namespace(second.namespace)


CAN = [
    ("create", "trainer.kubeflow.org", "trainjobs", "", "here", True),
    ("patch", "trainer.kubeflow.org", "trainjobs", "", "here", True),
    ("get", "", "pods", "log", "here", True),
    ("list", "", "events", "", "here", True),
    ("create", "", "pods", "", "here", False),
    ("delete", "", "pods", "", "here", False),
    ("create", "", "pods", "exec", "here", False),
    ("get", "", "secrets", "", "here", False),
    ("list", "", "secrets", "", "here", False),
    ("create", "batch", "jobs", "", "here", False),
    ("create", "batch", "jobs", "", "sandbox", True),
    ("delete", "", "pods", "", "sandbox", True),
    ("create", "", "pods", "exec", "sandbox", False),
    ("create", "", "serviceaccounts", "token", "sandbox", False),
    ("get", "", "secrets", "", "sandbox", False),
    ("delete", "networking.k8s.io", "networkpolicies", "", "sandbox", False),
    ("list", "", "pods", "", "elsewhere", False),
    ("create", "trainer.kubeflow.org", "clustertrainingruntimes", "", "cluster", False),
]


def test_the_runner_may_do_its_work_and_nothing_else(place: Place, kube: client.ApiClient) -> None:
    place.done("install", "--set", "crowd.enabled=false,objectStore.makeBucket=false")
    review = client.AuthorizationV1Api(kube)
    where = {"here": place.namespace, "sandbox": place.sandbox, "elsewhere": "default", "cluster": None}
    found = []
    for verb, group, resource, sub, scope, _ in CAN:
        asked = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": sub or None,
            "namespace": where[scope],
        }
        user = f"system:serviceaccount:{place.namespace}:touchstone-runner"
        answer = review.create_subject_access_review({"spec": {"user": user, "resourceAttributes": asked}})
        found.append((verb, group, resource, sub, scope, bool(answer.status.allowed)))
    assert found == CAN


def test_the_sandbox_refuses_what_is_not_restricted_or_asks_too_much(place: Place, kube: client.ApiClient) -> None:
    core = client.CoreV1Api(kube)
    place.done("install", "--set", "crowd.enabled=false,objectStore.makeBucket=false")
    image = place.images["touchstone/sandbox"]
    rooted = restricted_pod("rooted", image, ["python", "-c", ""])
    rooted["spec"]["securityContext"]["runAsNonRoot"] = False
    rooted["spec"]["securityContext"]["runAsUser"] = 0
    greedy = restricted_pod("greedy", image, ["python", "-c", ""], resources={"limits": {"memory": "64Gi"}})
    for pod, why in ((rooted, "PodSecurity"), (greedy, "maximum memory usage per Container")):
        with pytest.raises(client.ApiException) as refused:
            core.create_namespaced_pod(place.sandbox, pod)
        assert refused.value.status == 403
        assert why in refused.value.body
    modest = restricted_pod("modest", image, ["python", "-c", ""], resources={})
    core.create_namespaced_pod(place.sandbox, modest)
    (container,) = core.read_namespaced_pod("modest", place.sandbox).spec.containers
    assert container.resources.limits["memory"] == "1Gi", "what names no limit is given one"
