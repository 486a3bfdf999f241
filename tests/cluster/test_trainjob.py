"""TrainJobs on a real API server with real pods; the Trainer's controller is played (`played_trainer`)."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from components.contracts.errors import TouchstoneError
from components.train.trainjob.cluster import Cluster
from components.train.trainjob.request import Owner, TrainJobRequest, job_name, step_identity
from components.train.trainjob.run import TrainJobResult, run_train_job
from tests.cluster.played_trainer import PlayedTrainer
from tests.cluster.pods import eventually
from tests.cluster.trainer_crds import GROUP, VERSION

pytestmark = pytest.mark.cluster
IMAGE = os.environ.get("TOUCHSTONE_TEST_IMAGE", "docker.io/library/python:3.11-slim")
SECONDS = 90.0


SECURED = {
    "automountServiceAccountToken": False,
    "restartPolicy": "Never",
    "terminationGracePeriodSeconds": 1,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
}


@pytest.fixture
def runtime(kube: client.ApiClient, trainer_types: None, namespace: str) -> Iterator[Callable[..., str]]:
    """Makes ClusterTrainingRuntimes, whose names are this test's own."""
    custom, made = client.CustomObjectsApi(kube), []

    def make(**pod: Any) -> str:
        context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        container = {"name": "node", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "securityContext": context}
        spec = {**SECURED, "containers": [container], **pod}
        replicated = {"name": "node", "template": {"spec": {"template": {"spec": spec}}}}
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ClusterTrainingRuntime",
            "metadata": {"name": f"{namespace}-{len(made)}"},
            "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [replicated]}}},
        }
        made.append(custom.create_cluster_custom_object(GROUP, VERSION, "clustertrainingruntimes", body))
        return str(made[-1]["metadata"]["name"])

    yield make
    for each in made:
        custom.delete_cluster_custom_object(GROUP, VERSION, "clustertrainingruntimes", each["metadata"]["name"])


@pytest.fixture
def trainer(kube: client.ApiClient, trainer_types: None, namespace: str) -> Iterator[None]:
    played = PlayedTrainer(kube, namespace)
    played.start()
    yield
    played.stop()


@pytest.fixture
def cluster(kube: client.ApiClient) -> Cluster:
    return Cluster(kube)


def asked(namespace: str, runtime: str, program: str = "print('done')", **changed: Any) -> TrainJobRequest:
    identity = step_identity(code_version="c", params={"program": program}, parents={})
    given: dict[str, Any] = {
        "name": job_name("test", identity),
        "namespace": namespace,
        "runtime": runtime,
        "step": identity,
        "command": ("python3", "-u", "-c", program),
        "resources": {"memory": "128Mi", "cpu": "10m"},
        "environment": (),
        "poll_seconds": 0.3,
        "start_timeout_seconds": SECONDS,
        "pull_timeout_seconds": SECONDS,
    }
    return TrainJobRequest(**{**given, **changed})


def complaint(request: TrainJobRequest, cluster: Cluster, stream: io.StringIO | None = None) -> TouchstoneError:
    with pytest.raises(TouchstoneError) as caught:
        run_train_job(request, cluster, stream or io.StringIO())
    return caught.value


def test_a_cluster_without_the_trainer_is_told_as_such(cluster: Cluster, namespace: str) -> None:
    # First in this file: later tests install the definitions.
    error = complaint(asked(namespace, "touchstone-torch"), cluster)
    assert "does not know TrainJobs" in error.found
    assert "kubectl get crd trainjobs.trainer.kubeflow.org" in error.remedy


def test_the_chief_is_heard_and_the_finished_job_removed(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    program = """
import os, time
for step in range(5):
    print('node', os.environ['JOB_COMPLETION_INDEX'], 'step', step)
    time.sleep(0.5)
"""
    stream = io.StringIO()
    request = asked(namespace, runtime(), program, num_nodes=2, run="run-1")
    result = run_train_job(request, cluster, stream)
    said = stream.getvalue().splitlines()
    assert result == TrainJobResult(request.name, False, result.seconds)
    assert [line for line in said if line.startswith("node ")] == [f"node 0 step {step}" for step in range(5)]
    assert any(line.startswith("[trainjob] Normal Scheduled pod/") for line in said)
    assert cluster.train_job(namespace, request.name) is None


def test_labels_name_run_and_step(cluster: Cluster, namespace: str, runtime: Callable[..., str]) -> None:
    request = asked(namespace, runtime(), run="run-1", start_timeout_seconds=0.1, pull_timeout_seconds=0.1)
    seen: list[Any] = []

    class Noting(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(cluster.train_job(namespace, request.name))
            return super().write(text)

    error = complaint(request, cluster, Noting())
    labels = next(job for job in seen if job)["metadata"]["labels"]
    assert (labels["touchstone/run"], labels["touchstone/step"]) == ("run-1", request.step)
    # No controller here: that is what is said, and nothing is left to start unwatched later.
    assert "nothing makes pods" in error.found
    assert cluster.train_job(namespace, request.name) is None


def test_a_crash_gives_exit_code_and_last_lines_and_is_made_anew_only_when_asked(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    request = asked(namespace, runtime(), "import sys; print('loss is nan'); sys.exit(3)")
    first = complaint(request, cluster)
    assert "exit code 3" in first.found
    assert first.found.endswith("its last lines:\n    loss is nan")
    assert "cluster.retry: true" in first.remedy
    kept = cluster.train_job(namespace, request.name)
    again = complaint(request, cluster)
    assert again.found == first.found
    assert kept is not None
    assert cluster.train_job(namespace, request.name)["metadata"]["uid"] == kept["metadata"]["uid"]
    mended = request.model_copy(update={"retry": True, "command": ("python3", "-c", "print('fine')")})
    assert not run_train_job(mended, cluster, io.StringIO()).attached


def test_a_pod_beyond_its_memory_tells_the_limit(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    program = "import time; time.sleep(1); held = bytearray(200 << 20)\nfor i in range(0, len(held), 4096): held[i] = 1"
    request = asked(namespace, runtime(), program, resources={"memory": "64Mi", "cpu": "10m"})
    error = complaint(request, cluster)
    assert "OOMKilled" in error.found
    assert "its memory limit is 64Mi" in error.found
    assert "cluster.memory" in error.remedy


def test_an_image_that_is_nowhere_is_named_with_the_registrys_words(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    request = asked(namespace, runtime(), image="localhost/nowhere:1", pull_timeout_seconds=3.0)
    error = complaint(request, cluster)
    assert "image localhost/nowhere:1" in error.found
    assert "failed to" in error.found
    assert cluster.train_job(namespace, request.name) is None


def test_what_no_node_can_hold_is_told_with_resource_and_selector(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    name = runtime(nodeSelector={"touchstone/pool": "gpu"})
    resources = {"memory": "128Mi", "cpu": "10m", "nvidia.com/gpu": "8"}
    error = complaint(asked(namespace, name, resources=resources, start_timeout_seconds=2.0), cluster)
    assert "nodes are available" in error.found
    assert "8 of nvidia.com/gpu" in error.expected
    assert "labelled touchstone/pool=gpu" in error.expected
    assert "kubectl get nodes -l touchstone/pool=gpu" in error.remedy


def test_the_deadline_is_told(cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None) -> None:
    request = asked(namespace, runtime(), "import time; time.sleep(600)", deadline_seconds=3)
    assert "deadline of 3 s" in complaint(request, cluster).found


def test_a_namespace_that_refuses_the_pods_is_told(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    name = runtime(securityContext={"runAsUser": 0})
    error = complaint(asked(namespace, name, pull_timeout_seconds=3.0), cluster)
    assert 'violates PodSecurity "restricted' in error.found


def test_a_missing_secret_is_told(cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None) -> None:
    given = TrainJobRequest.model_fields["environment"].default
    error = complaint(asked(namespace, runtime(), environment=given, pull_timeout_seconds=5.0), cluster)
    assert 'configmap "touchstone" not found' in error.found
    assert "touchstone-s3" in error.expected


def test_a_suspended_job_is_waited_for_and_kept(
    cluster: Cluster, kube: client.ApiClient, namespace: str, runtime: Callable[..., str], trainer: None
) -> None:
    request = asked(namespace, runtime(), start_timeout_seconds=2.0)
    place = GROUP, VERSION, namespace, "trainjobs"
    custom = client.CustomObjectsApi(kube)
    from components.train.trainjob.spec import train_job

    body = train_job(request)
    body["spec"]["suspend"] = True
    custom.create_namespaced_custom_object(*place, body)
    eventually(lambda: ("status" in custom.get_namespaced_custom_object(*place, request.name)) or None, "suspended")
    error = complaint(request, cluster)
    assert "is suspended" in error.found
    assert '"suspend": false' in error.remedy
    custom.patch_namespaced_custom_object(*place, request.name, {"spec": {"suspend": False}})
    custom.patch_namespaced_custom_object_status(*place, request.name, {"status": {"conditions": []}})
    assert run_train_job(request, cluster, io.StringIO()).attached


def test_a_missing_runtime_is_told_before_anything_is_made(
    cluster: Cluster, namespace: str, trainer_types: None
) -> None:
    request = asked(namespace, "touchstone-nonesuch")
    assert "no ClusterTrainingRuntime touchstone-nonesuch" in complaint(request, cluster).found
    assert cluster.train_job(namespace, request.name) is None


def test_a_quantity_the_server_does_not_know_is_refused_by_it(
    cluster: Cluster, namespace: str, runtime: Callable[..., str]
) -> None:
    error = complaint(asked(namespace, runtime(), resources={"memory": "12 gigs", "cpu": "1"}), cluster)
    assert "the cluster refuses the TrainJob" in error.found
    assert "memory" in error.found


def test_an_account_without_rights_is_told_which(kube: client.ApiClient, namespace: str, trainer_types: None) -> None:
    core = client.CoreV1Api(kube)
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "nobody"}})
    token = core.create_namespaced_service_account_token("nobody", namespace, {"spec": {}}).status.token
    mine = kube.configuration
    theirs = client.Configuration()
    theirs.host, theirs.ssl_ca_cert, theirs.verify_ssl = mine.host, mine.ssl_ca_cert, mine.verify_ssl
    theirs.api_key = {"authorization": f"Bearer {token}"}
    with client.ApiClient(theirs) as api:
        error = complaint(asked(namespace, "touchstone-torch"), Cluster(api))
    assert f"system:serviceaccount:{namespace}:nobody may not get trainjobs.trainer.kubeflow.org" in error.found
    assert f"kubectl auth can-i get trainjobs.trainer.kubeflow.org -n {namespace}" in error.remedy


PROGRAM = """
import sys
from components.train.trainjob.cluster import Cluster
from components.train.trainjob.request import TrainJobRequest
from components.train.trainjob.run import run_train_job

run_train_job(TrainJobRequest.model_validate_json(sys.argv[1]), Cluster.connect())
"""
SLOW = """
import os, time
print('training', flush=True)
while not os.path.exists('/tmp/go'):
    time.sleep(0.2)
print('trained')
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs the step in a process of its own, once its training has begun."""
    started = []

    def start(request: TrainJobRequest, **environment: str) -> subprocess.Popen[str]:
        log = tmp_path / f"{len(started)}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, request.model_dump_json()],
                env={**os.environ, **environment},
                stderr=stderr,
                text=True,
            )
        started.append(process)
        eventually(lambda: ("\ntraining\n" in log.read_text()) or None, "the chief's first line")
        process.log = log  # type: ignore[attr-defined]
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def go_on(kube: client.ApiClient, cluster: Cluster, request: TrainJobRequest) -> None:
    """Let the slow training end."""
    from kubernetes.stream import stream

    pod = cluster.pods(request.namespace, request.name)[0]["metadata"]["name"]
    core = client.CoreV1Api(client.ApiClient(kube.configuration))
    read = core.connect_get_namespaced_pod_exec
    words = {"command": ["touch", "/tmp/go"], "stdout": True, "_preload_content": False}
    session = stream(read, pod, request.namespace, **words)
    session.run_forever(timeout=10)
    # Not close(): that does nothing to the socket when the other side closed first.
    session.sock.shutdown()


def test_a_cancelled_run_takes_its_job_along(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None, elsewhere: Callable[..., Any]
) -> None:
    request = asked(namespace, runtime(), SLOW)
    process = elsewhere(request)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 143
    assert "is deleted" in process.log.read_text()
    assert cluster.train_job(namespace, request.name) is None
    eventually(lambda: (not cluster.pods(namespace, request.name)) or None, "pods gone")


def test_ctrl_c_takes_the_job_along(
    cluster: Cluster, namespace: str, runtime: Callable[..., str], trainer: None, elsewhere: Callable[..., Any]
) -> None:
    request = asked(namespace, runtime(), SLOW)
    process = elsewhere(request)
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) != 0
    assert cluster.train_job(namespace, request.name) is None


def test_a_step_killed_finds_its_job_again(
    cluster: Cluster,
    kube: client.ApiClient,
    namespace: str,
    runtime: Callable[..., str],
    trainer: None,
    elsewhere: Callable[..., Any],
) -> None:
    request = asked(namespace, runtime(), SLOW)
    process = elsewhere(request)
    process.kill()
    process.wait()
    before = cluster.train_job(namespace, request.name)
    second = elsewhere(request)
    assert before is not None
    assert cluster.train_job(namespace, request.name)["metadata"]["uid"] == before["metadata"]["uid"]
    go_on(kube, cluster, request)
    assert second.wait(SECONDS) == 0
    said = second.log.read_text()
    assert "found TrainJob" in said
    assert said.count("\ntraining\n") == said.count("\ntrained\n") == 1


def test_an_evicted_step_leaves_its_job_running(
    cluster: Cluster,
    kube: client.ApiClient,
    namespace: str,
    runtime: Callable[..., str],
    trainer: None,
    elsewhere: Callable[..., Any],
) -> None:
    core = client.CoreV1Api(kube)
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "c", "image": IMAGE, "command": ["sleep", "600"], "securityContext": context}
    # As the first process of its container, sleep ignores SIGTERM: the pod stays for its whole grace period.
    spec = {**SECURED, "terminationGracePeriodSeconds": 60, "containers": [container]}
    core.create_namespaced_pod(namespace, {"metadata": {"name": "step"}, "spec": spec})
    eventually(lambda: (core.read_namespaced_pod("step", namespace).status.phase == "Running") or None, "step's pod")
    request = asked(namespace, runtime(), SLOW)
    process = elsewhere(request, KFP_POD_NAME="step")
    core.create_namespaced_pod_eviction("step", namespace, {"metadata": {"name": "step"}})
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 143
    assert "goes on" in process.log.read_text()
    found = cluster.train_job(namespace, request.name)
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    core.delete_namespaced_pod("step", namespace, grace_period_seconds=0)


def workflow(kube: client.ApiClient, namespace: str, name: str) -> Owner:
    # Any object can own: a ConfigMap stands for Argo's Workflow, which this cluster may not know.
    made = client.CoreV1Api(kube).create_namespaced_config_map(namespace, {"metadata": {"name": name}})
    return Owner(api_version="v1", kind="ConfigMap", name=name, uid=made.metadata.uid)


def test_two_runs_share_a_job_and_the_first_cancelled_leaves_it_to_the_other(
    cluster: Cluster,
    kube: client.ApiClient,
    namespace: str,
    runtime: Callable[..., str],
    trainer: None,
    elsewhere: Callable[..., Any],
) -> None:
    request = asked(namespace, runtime(), SLOW)
    one = elsewhere(request.model_copy(update={"owner": workflow(kube, namespace, "one")}))
    two = elsewhere(request.model_copy(update={"owner": workflow(kube, namespace, "two")}))
    one.send_signal(signal.SIGTERM)
    assert one.wait(SECONDS) == 143
    found = cluster.train_job(namespace, request.name)
    assert found is not None
    assert [owner["name"] for owner in found["metadata"]["ownerReferences"]] == ["two"]
    go_on(kube, cluster, request)
    assert two.wait(SECONDS) == 0
    assert cluster.train_job(namespace, request.name) is None


def test_a_deleted_run_takes_its_job_along(
    cluster: Cluster,
    kube: client.ApiClient,
    namespace: str,
    runtime: Callable[..., str],
    trainer: None,
    elsewhere: Callable[..., Any],
) -> None:
    request = asked(namespace, runtime(), SLOW)
    process = elsewhere(request.model_copy(update={"owner": workflow(kube, namespace, "one")}))
    client.CoreV1Api(kube).delete_namespaced_config_map("one", namespace)
    assert process.wait(SECONDS) == 1
    eventually(lambda: (cluster.train_job(namespace, request.name) is None) or None, "collected with its owner")


def test_a_namesake_of_another_step_is_not_touched(
    cluster: Cluster, kube: client.ApiClient, namespace: str, runtime: Callable[..., str]
) -> None:
    request = asked(namespace, runtime())
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {"name": request.name},
        "spec": {"runtimeRef": {"name": request.runtime}},
    }
    client.CustomObjectsApi(kube).create_namespaced_custom_object(GROUP, VERSION, namespace, "trainjobs", body)
    assert "that this step did not make" in complaint(request, cluster).found
    assert cluster.train_job(namespace, request.name) is not None
