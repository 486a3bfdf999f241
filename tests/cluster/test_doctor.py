"""`touchstone doctor` against a real cluster: any in KUBECONFIG whose nodes have or can pull PROBE_IMAGE.

The object store's part needs TOUCHSTONE_S3_ENDPOINT (as pods reach it), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

kubernetes = pytest.importorskip("kubernetes")
from kubernetes import client, config, utils  # noqa: E402

from pipelines.doctor.in_pod.s3_roundtrip import Refused, Store  # noqa: E402

pytestmark = pytest.mark.cluster

PROBE_IMAGE = os.environ.get("TOUCHSTONE_PROBE_IMAGE", "docker.io/library/python:3.11-slim")
ENDPOINT = os.environ.get("TOUCHSTONE_S3_ENDPOINT", "")
KEYS = (os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""))
BUCKET = "doctor-test"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
LABEL = "touchstone/doctor"
needs_store = pytest.mark.skipif(
    not (ENDPOINT and all(KEYS)), reason="TOUCHSTONE_S3_ENDPOINT and AWS credentials name no object store"
)


@pytest.fixture(scope="module")
def kube() -> client.ApiClient:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    config.load_kube_config()
    return client.ApiClient()


Created = Callable[[dict[str, Any], str], None]


@pytest.fixture
def create(kube: client.ApiClient) -> Created:
    return lambda body, namespace: utils.create_from_dict(kube, body, namespace=namespace)


@pytest.fixture
def places(kube: client.ApiClient) -> Iterator[tuple[str, str]]:
    """Names of the pipelines' and the sandbox's namespace; only the first exists."""
    core = client.CoreV1Api(kube)
    name = f"doctor-{uuid.uuid4().hex[:6]}"
    core.create_namespace({"metadata": {"name": name, "labels": RESTRICTED}})
    wait_for(lambda: has_account(core, name))
    yield name, f"{name}-sandbox"
    for one in (name, f"{name}-sandbox"):
        try:
            core.delete_namespace(one, grace_period_seconds=0)
        except client.ApiException as error:
            if error.status != 404:
                raise


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "did not happen in time"
        time.sleep(0.1)


def has_account(core: client.CoreV1Api, namespace: str) -> bool:
    # Pods are refused until the controller has made the namespace's default account.
    return any(a.metadata.name == "default" for a in core.list_namespaced_service_account(namespace).items)


def command(places: tuple[str, str], *more: str) -> list[str]:
    fixed = ["--namespace", places[0], "--sandbox-namespace", places[1], "--probe-image", PROBE_IMAGE]
    return [sys.executable, "-m", "pipelines", "doctor", "--json", *fixed, *more]


def examine(places: tuple[str, str], *more: str) -> dict[str, dict[str, str]]:
    """Findings by check (and subject); the exit code must agree with them."""
    began = time.monotonic()
    done = subprocess.run(command(places, *more), capture_output=True, text=True, timeout=90)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    found = {c["check"] + (f": {c['subject']}" if c["subject"] else ""): c for c in told["checks"]}
    assert done.returncode == any(c["status"] == "FAILED" for c in found.values())
    assert time.monotonic() - began < 60
    return found


def status(found: dict[str, dict[str, str]], *names: str) -> list[str]:
    return [found[name]["status"] for name in names]


def labelled(kube: client.ApiClient, namespace: str) -> list[str]:
    core = client.CoreV1Api(kube)
    lists = (core.list_namespaced_pod, core.list_namespaced_persistent_volume_claim)
    return [item.metadata.name for one in lists for item in one(namespace, label_selector=LABEL).items]


def account(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, **more}


def role(name: str, subject: str, subject_namespace: str, rules: list[dict[str, list[str]]]) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "ServiceAccount", "name": subject, "namespace": subject_namespace}]
    reference = {"apiGroup": group, "kind": "Role", "name": name}
    api, metadata = f"{group}/v1", {"name": name}
    return [
        {"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": rules},
        {"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": subjects},
    ]


def store_objects(secret_key: str = KEYS[1], bucket: str = BUCKET) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = {"TOUCHSTONE_STORE": f"s3://{bucket}/below", "TOUCHSTONE_S3_ENDPOINT": ENDPOINT}
    secrets = {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": secret_key}
    return (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "touchstone"}, "data": settings},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "touchstone-s3"}, "stringData": secrets},
    )


@pytest.fixture(scope="module")
def bucket() -> str:
    try:
        Store(ENDPOINT, "us-east-1", BUCKET, *KEYS).request("PUT")
    except Refused as refused:
        if refused.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    return BUCKET


def test_a_namespace_that_is_not_there_is_told_once(kube: client.ApiClient) -> None:
    found = examine(("doctor-absent", "doctor-absent-sandbox"))
    assert status(found, "API server", "Kubernetes version", "namespace") == ["ok", "ok", "FAILED"]
    assert found["namespace"]["remedy"].startswith("helm upgrade --install touchstone charts/touchstone")
    assert found["runner account"]["found"] == "waits for: namespace"


def test_each_thing_that_is_missing_is_told_and_turns_ok_when_made(
    kube: client.ApiClient, places: tuple[str, str], create: Created
) -> None:
    name, sandbox = places
    found = examine(places, "--no-pods")
    missing = ("runner account", "configuration", "credentials", "sandbox")
    assert status(found, *missing) == ["FAILED"] * 4
    assert all("helm upgrade --install" in found[check]["remedy"] for check in missing if check != "credentials")
    assert f"kubectl -n {name} create secret generic touchstone-s3" in found["credentials"]["remedy"]
    assert found[f"pod security: {name}"]["status"] == "ok"
    assert found["images"]["status"] == found["volume"]["status"] == "skipped"

    create(account("touchstone-runner"), name)
    found = examine(places, "--no-pods")
    assert status(found, "runner account", f"runner rights: pods in {name}") == ["ok", "FAILED"]
    assert "touchstone-runner may not get, list, watch pods" in found[f"runner rights: pods in {name}"]["found"]

    client.CoreV1Api(kube).create_namespace({"metadata": {"name": sandbox}})
    create(account("sandbox"), sandbox)
    watch = ["get", "list", "watch"]
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": watch}
    logs = {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}
    rules = [pods, logs, {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}]
    rules.append({"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]})
    jobs = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete", *watch]}
    for body in role("runner", "touchstone-runner", name, rules):
        create(body, name)
    for body in role("runner", "touchstone-runner", name, [pods, logs, jobs]):
        create(body, sandbox)
    found = examine(places, "--no-pods")
    assert found["runner rights"]["status"] == "ok"
    assert found[f"pod security: {sandbox}"]["status"] == "FAILED"
    assert found["sandbox"]["found"].endswith("are given its token")

    # What the findings say to type is what is done here.
    core = client.CoreV1Api(kube)
    assert '"automountServiceAccountToken":false' in found["sandbox"]["remedy"]
    core.patch_namespaced_service_account("sandbox", sandbox, {"automountServiceAccountToken": False})
    assert "pod-security.kubernetes.io/enforce=restricted" in found[f"pod security: {sandbox}"]["remedy"]
    core.patch_namespace(sandbox, {"metadata": {"labels": RESTRICTED}})
    found = examine(places, "--no-pods")
    assert status(found, "sandbox", f"pod security: {sandbox}") == ["ok", "ok"]


@needs_store
def test_the_store_is_used_from_a_pod_and_each_fault_has_its_name(
    kube: client.ApiClient, places: tuple[str, str], create: Created, bucket: str
) -> None:
    name, _ = places
    core = client.CoreV1Api(kube)
    for body in store_objects():
        create(body, name)
    found = examine(places)
    assert status(found, "configuration", "credentials", "object store", "volume") == ["ok"] * 4
    assert "wrote, read, listed and deleted" in found["object store"]["found"]

    core.patch_namespaced_secret("touchstone-s3", name, {"stringData": {"AWS_SECRET_ACCESS_KEY": "wrong"}})
    wrong = examine(places)["object store"]
    assert (wrong["status"], "does not accept the secret key" in wrong["found"]) == ("FAILED", True)
    assert f"kubectl -n {name} create secret generic touchstone-s3" in wrong["remedy"]

    core.patch_namespaced_secret("touchstone-s3", name, {"stringData": {"AWS_SECRET_ACCESS_KEY": KEYS[1]}})
    core.patch_namespaced_config_map("touchstone", name, {"data": {"TOUCHSTONE_STORE": "s3://doctor-no-such-bucket"}})
    missing = examine(places)["object store"]
    assert (missing["status"], "has no bucket doctor-no-such-bucket" in missing["found"]) == ("FAILED", True)

    settings = {"TOUCHSTONE_STORE": f"s3://{bucket}", "TOUCHSTONE_S3_ENDPOINT": "http://touchstone-minio.nowhere.svc:9"}
    core.patch_namespaced_config_map("touchstone", name, {"data": settings})
    found = examine(places)
    away = found["object store"]
    assert away["status"] == "FAILED"
    assert "has no address" in away["found"] or "no S3 server answers" in away["found"]
    assert found["object store, here"]["status"] == "skipped"
    assert labelled(kube, name) == []


def test_the_sandbox_network_is_tried_by_a_pod(
    kube: client.ApiClient, places: tuple[str, str], create: Created
) -> None:
    name, sandbox = places
    client.CoreV1Api(kube).create_namespace({"metadata": {"name": sandbox, "labels": RESTRICTED}})
    create(account("sandbox", automountServiceAccountToken=False), sandbox)
    without = examine(places)["sandbox network"]
    assert (without["status"], "no NetworkPolicy" in without["found"]) == ("FAILED", True)

    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}, "spec": spec}
    create(policy, sandbox)
    found = examine(places)["sandbox network"]
    # Which of the two depends on the cluster's CNI; a probe that could not tell is neither.
    assert (found["status"], found["found"].partition(":")[0]) == ("warning", "NetworkPolicies are not enforced") or (
        found["status"] == "ok" and "reached none of" in found["found"]
    )
    assert labelled(kube, name) == labelled(kube, sandbox) == []


def test_an_image_that_cannot_be_pulled_is_told_and_the_others_are_tried(
    kube: client.ApiClient, places: tuple[str, str], tmp_path: Path
) -> None:
    absent = f"localhost:1/touchstone/cpu@sha256:{'0' * 64}"
    logical = ("touchstone/python-cpu", "touchstone/python-train", "touchstone/python-generate")
    lock = tmp_path / "images.lock"
    lock.write_text(yaml.safe_dump(dict.fromkeys(logical, absent)))
    found = examine(places, "--images", str(lock))
    assert found["image lock"]["status"] == "ok"
    assert status(found, *(f"images: {name}" for name in logical)) == ["FAILED"] * 3
    assert "cannot be pulled" in found["images: touchstone/python-cpu"]["found"]
    assert found["images: touchstone/python-cpu"]["remedy"]
    assert found["volume"]["status"] == "ok"
    assert labelled(kube, places[0]) == []


def test_a_pool_that_the_cluster_lacks_is_told_with_its_label(kube: client.ApiClient, places: tuple[str, str]) -> None:
    if client.CoreV1Api(kube).list_node(label_selector="touchstone/pool=gpu").items:
        pytest.skip("this cluster has a GPU pool")
    found = examine(places, "--gpu", "--no-pods")["nodes: train, generate tasks"]
    assert found["status"] == "FAILED"
    assert "kubectl label node NODE touchstone/pool=gpu" in found["remedy"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_visit_leaves_nothing(
    kube: client.ApiClient, places: tuple[str, str], tmp_path: Path, sign: signal.Signals
) -> None:
    # A node that no pod fits on keeps the probe pending for as long as it takes to interrupt.
    profile = tmp_path / "nowhere.yaml"
    needs = {"cpu": "1", "memory": "1Gi", "node_selector": {"touchstone/doctor-test": "nowhere"}}
    profile.write_text(yaml.safe_dump(dict.fromkeys(("cpu", "train", "generate"), needs)))
    lock = tmp_path / "images.lock"
    digest = f"localhost:1/x@sha256:{'0' * 64}"
    logical = ("touchstone/python-cpu", "touchstone/python-train", "touchstone/python-generate")
    lock.write_text(yaml.safe_dump(dict.fromkeys(logical, digest)))
    visit = subprocess.Popen(
        command(places, "--profile", str(profile), "--images", str(lock)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: len(labelled(kube, places[0])) >= 3)
        visit.send_signal(sign)
        _, said = visit.communicate(timeout=20)
    finally:
        visit.kill()
    assert visit.returncode == 130, said
    assert "could not remove" not in said
    # The API server takes a moment to forget a pod that a kubelet was starting.
    wait_for(lambda: labelled(kube, places[0]) == [])


def test_someone_who_may_only_read_gets_what_can_be_known(
    kube: client.ApiClient, places: tuple[str, str], create: Created, tmp_path: Path
) -> None:
    name, _ = places
    create(account("reader"), name)
    rules = [{"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "list"]}]
    for body in role("reader", "reader", name, rules):
        create(body, name)
    core = client.CoreV1Api(kube)
    token = core.create_namespaced_service_account_token("reader", name, {"spec": {"expirationSeconds": 600}})
    settings = kube.configuration
    authority = base64.b64encode(Path(settings.ssl_ca_cert).read_bytes()).decode()
    kubeconfig = tmp_path / "reader.yaml"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "reader",
                "clusters": [
                    {"name": "c", "cluster": {"server": settings.host, "certificate-authority-data": authority}}
                ],
                "users": [{"name": "u", "user": {"token": token.status.token}}],
                "contexts": [{"name": "reader", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    found = examine(places, "--kubeconfig", str(kubeconfig))
    assert found["API server"]["status"] == "ok"
    assert (found["nodes"]["status"], "you may not ask this" in found["nodes"]["found"]) == ("warning", True)
    assert found["credentials"]["status"] == "FAILED"
    assert found["probe pods"]["status"] == "skipped"
