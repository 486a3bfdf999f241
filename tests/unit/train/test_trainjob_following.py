"""Following a TrainJob through an API server that answers as scripted: outages, restarts, refusals, logs in pieces."""

import io
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from kubernetes import client

from components.contracts.errors import TouchstoneError
from components.train.trainjob.cluster import Cluster
from components.train.trainjob.refusals import ClusterUnreachable, Forbidden
from components.train.trainjob.request import TrainJobRequest
from components.train.trainjob.run import run_train_job
from components.train.trainjob.watch import Watcher, chief_of, training_container

RECORDED = Path(__file__).parent / "recorded"
STEP = "0123456789abcdef"
REQUEST = TrainJobRequest(
    name="train-x", namespace="n", runtime="touchstone-torch", step=STEP, poll_seconds=0.01, outage_seconds=60
)
Answer = tuple[int, object]


def job(*conditions: str) -> dict[str, Any]:
    named = {"name": "train-x", "namespace": "n", "uid": "u", "resourceVersion": "1", "creationTimestamp": "T"}
    listed = [{"type": kind, "status": "True", "reason": "R", "message": "m"} for kind in conditions]
    return {
        "metadata": {**named, "labels": {"touchstone/step": STEP}},
        "spec": {"runtimeRef": {"name": "touchstone-torch"}},
        "status": {"conditions": listed},
    }


def refusal(status: int, reason: str, message: str) -> Answer:
    return status, {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message}


class Api:
    """An API server with an answer for each path: the last one given stays."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {
            "/api/v1/namespaces/n/pods": [(200, {"items": []})],
            "/api/v1/namespaces/n/events": [(200, {"items": []})],
        }
        self.asked: list[tuple[str, str]] = []

    def on(self, path: str, *answers: Answer) -> None:
        self.script[path] = list(answers)

    def answer(self, method: str, path: str) -> Answer:
        self.asked.append((method, path))
        if method in {"DELETE", "PATCH"}:
            return 200, {}
        answers = self.script.get(path.split("?")[0], [refusal(404, "NotFound", f"{path} not found")])
        return answers.pop(0) if len(answers) > 1 else answers[0]


JOB = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/n/trainjobs/train-x"


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def cluster(api: Api) -> Iterator[Cluster]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = api.answer(self.command, self.path)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_PATCH = _reply  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings = client.Configuration(host=f"http://127.0.0.1:{server.server_address[1]}")
        settings.retries = False
        yield Cluster(client.ApiClient(settings))
        server.shutdown()
        thread.join()


def test_an_api_server_that_restarts_does_not_end_the_training(api: Api, cluster: Cluster) -> None:
    busy = refusal(503, "ServiceUnavailable", "apiserver is shutting down")
    api.on(JOB, (200, job()), (200, job()), busy, busy, (200, job("Complete")))
    stream = io.StringIO()
    assert run_train_job(REQUEST, cluster, stream).attached
    assert stream.getvalue().count("the training goes on, asking again") == 1
    assert ("DELETE", JOB) in api.asked


def test_an_outage_beyond_the_limit_is_an_error_and_leaves_the_training(api: Api, cluster: Cluster) -> None:
    api.on(JOB, (200, job()), refusal(503, "ServiceUnavailable", "down"))
    with pytest.raises(ClusterUnreachable, match="answers 503"):
        run_train_job(REQUEST.model_copy(update={"outage_seconds": 0.05}), cluster, io.StringIO())
    assert ("DELETE", JOB) not in api.asked


def test_a_job_deleted_by_someone_is_told(api: Api, cluster: Cluster) -> None:
    api.on(JOB, (200, job()), (200, job()), refusal(404, "NotFound", "gone"))
    with pytest.raises(TouchstoneError, match="was deleted while it was waited for"):
        run_train_job(REQUEST, cluster, io.StringIO())


@pytest.mark.parametrize(
    ("answer", "kind", "found", "remedy"),
    [
        (
            refusal(
                403,
                "Forbidden",
                'trainjobs.trainer.kubeflow.org "train-x" is forbidden: User "system:serviceaccount:n:default" cannot '
                'get resource "trainjobs" in API group "trainer.kubeflow.org" in the namespace "n"',
            ),
            Forbidden,
            "system:serviceaccount:n:default may not get trainjobs.trainer.kubeflow.org in n",
            "kubectl auth can-i get trainjobs.trainer.kubeflow.org -n n --as system:serviceaccount:n:default",
        ),
        (refusal(401, "Unauthorized", "Unauthorized"), TouchstoneError, "does not accept", "kubectl auth whoami"),
        (
            refusal(
                403,
                "Forbidden",
                'admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: '
                "spec.RuntimeRef: Invalid value",
            ),
            TouchstoneError,
            "the cluster refuses the TrainJob: admission webhook",
            "kubectl get clustertrainingruntimes",
        ),
        ((404, "404 page not found\n"), TouchstoneError, "does not know TrainJobs", "install Kubeflow Trainer"),
    ],
)
def test_refusals_say_what_to_type(
    api: Api, cluster: Cluster, answer: Answer, kind: type[TouchstoneError], found: str, remedy: str
) -> None:
    api.on(JOB, answer)
    with pytest.raises(kind) as caught:
        cluster.train_job("n", "train-x")
    assert found in caught.value.found
    assert remedy in caught.value.remedy


def test_nobody_at_the_address_is_told() -> None:
    settings = client.Configuration(host="http://127.0.0.1:9")
    settings.retries = False
    with pytest.raises(ClusterUnreachable, match="cannot be reached"):
        Cluster(client.ApiClient(settings)).train_job("n", "train-x")


@pytest.fixture
def pods() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((RECORDED / "crash.json").read_text())["pods"]
    return found


def test_the_log_is_told_once_though_it_is_read_in_overlapping_pieces(
    api: Api, cluster: Cluster, pods: list[dict[str, Any]]
) -> None:
    chief = next(pod for pod in pods if "-node-0-0-" in pod["metadata"]["name"])
    chief["status"]["containerStatuses"][0]["state"] = {"running": {}}
    api.on(JOB, (200, job()))
    api.on("/api/v1/namespaces/n/pods", (200, {"items": [chief]}))
    at = "2026-11-25T03:00:0"
    api.on(
        f"/api/v1/namespaces/n/pods/{chief['metadata']['name']}/log",
        # Kubernetes leaves out a fraction's last zeros: .12 comes before .123.
        (200, f"{at}1.12Z a\n{at}1.123Z b\n{at}1.123Z b\n"),
        (200, f"{at}1.123Z b\n{at}1.123Z b\n{at}1.123Z c\n"),
        (200, f"{at}1.123Z c\n{at}2Z d\n"),
        (400, {"message": "container is being created"}),
    )
    stream = io.StringIO()
    watcher = Watcher(cluster, "n", "train-x", stream)
    for _ in range(4):
        watcher.look()
    assert stream.getvalue().split() == ["a", "b", "b", "c", "d"]


def test_the_chief_is_the_newest_pod_with_index_0_or_the_launcher(pods: list[dict[str, Any]]) -> None:
    chief = chief_of(pods)
    assert chief is not None
    assert "-node-0-0-" in chief["metadata"]["name"]
    assert training_container(chief) == "node"
    launcher = json.loads(json.dumps(chief))
    launcher["metadata"]["labels"]["jobset.sigs.k8s.io/replicatedjob-name"] = "launcher"
    launcher["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    assert chief_of([launcher, *pods]) is launcher
    assert chief_of([]) is None


@pytest.fixture
def restarted(pods: list[dict[str, Any]]) -> Callable[[], list[dict[str, Any]]]:
    def gone() -> list[dict[str, Any]]:
        return [pod for pod in pods if "-node-0-1-" not in pod["metadata"]["name"]]

    return gone


def test_a_pod_that_ended_badly_is_remembered_when_it_is_gone(
    api: Api, cluster: Cluster, pods: list[dict[str, Any]], restarted: Callable[[], list[dict[str, Any]]]
) -> None:
    culprit = next(pod["metadata"]["name"] for pod in pods if "-node-0-1-" in pod["metadata"]["name"])
    api.on(JOB, (200, job()), (200, job()), (200, job("Failed")))
    api.on("/api/v1/namespaces/n/pods", (200, {"items": pods}), (200, {"items": restarted()}))
    api.on(f"/api/v1/namespaces/n/pods/{culprit}/log", (200, "2026-11-25T03:00:01Z the cause\n"))
    with pytest.raises(TouchstoneError) as caught:
        run_train_job(REQUEST, cluster, io.StringIO())
    assert culprit in caught.value.found
    assert caught.value.found.endswith("the cause")
