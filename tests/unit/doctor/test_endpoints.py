from typing import Any

import pytest

from pipelines.doctor.finding import Status
from pipelines.doctor.isolation_checks import check_isolation, judge_isolation
from pipelines.doctor.kfp_checks import check_kubeflow, judge_version
from tests.unit.doctor.api_server import Answer, ApiServer, served

HEALTH = "GET /apis/v2beta1/healthz"
POLICIES = "GET /apis/networking.k8s.io/v1/namespaces/jail/networkpolicies"
FREE = {"reached": {"10.96.0.1:443": True}, "token": False}


def test_kubeflow_is_skipped_where_nobody_says_where_it_is(cluster: Any) -> None:
    scope, _ = cluster()
    [finding] = check_kubeflow(scope)
    assert (finding.status, "port-forward" in finding.remedy) == (Status.SKIPPED, True)


def test_kubeflow_is_reached_with_or_without_a_scheme(cluster: Any) -> None:
    server = ApiServer({HEALTH: {"tag_name": "2.17.0", "multi_user": False}})
    with served(server.server):
        for host in (server.address, server.address.removeprefix("http://"), f"{server.address}/"):
            scope, _ = cluster(kfp_host=host)
            [finding] = check_kubeflow(scope)
            assert finding.status is Status.OK, finding


def test_the_environment_names_the_server_too(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ApiServer({HEALTH: {"tag_name": "2.17.0"}})
    scope, _ = cluster()
    with served(server.server):
        monkeypatch.setenv("TOUCHSTONE_KFP_HOST", server.address)
        assert check_kubeflow(scope)[0].status is Status.OK


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, "log in"), "answers 401"),
        ("<html>a login page</html>", "something else than its health"),
        ({"healthy": True}, "does not tell its version"),
    ],
)
def test_what_is_not_kubeflow_is_told(cluster: Any, answer: Answer, words: str) -> None:
    server = ApiServer({HEALTH: answer})
    scope, _ = cluster(kfp_host=server.address)
    with served(server.server):
        [finding] = check_kubeflow(scope)
    assert (finding.status, words in finding.found) == (Status.FAILED, True)
    assert finding.remedy


def test_a_server_that_is_away_is_told(cluster: Any) -> None:
    server = ApiServer({})
    server.server.server_close()
    scope, _ = cluster(kfp_host=server.address)
    [finding] = check_kubeflow(scope)
    assert (finding.status, "no answer" in finding.found) == (Status.FAILED, True)


@pytest.mark.parametrize(
    ("server", "status"),
    [
        ("2.17.3", Status.OK),
        ("v2.18.0", Status.OK),
        ("2.5.0", Status.WARNING),
        ("1.8.5", Status.FAILED),
        ("3.0.0", Status.FAILED),
        ("dev", Status.WARNING),
    ],
)
def test_a_server_older_than_the_compiler_is_told(server: str, status: Status) -> None:
    assert judge_version(server, "2.17.0", "http://here").status is status


def policy(**spec: Any) -> dict[str, Any]:
    return {POLICIES: {"items": [{"spec": spec}]}}


@pytest.mark.parametrize(
    "answers",
    [
        {POLICIES: {"items": []}},
        policy(podSelector={}, policyTypes=["Ingress"]),
        policy(podSelector={"matchLabels": {"app": "x"}}, policyTypes=["Egress"]),
        policy(podSelector={}, policyTypes=["Egress"], egress=[{}]),
    ],
)
def test_a_sandbox_whose_policies_leave_a_way_out_is_a_failure(cluster: Any, answers: dict[str, Any]) -> None:
    scope, server = cluster(answers, sandbox_namespace="jail", probe_image="python")
    [finding] = check_isolation(scope)
    assert finding.status is Status.FAILED
    assert not any(request.startswith("POST") for request, _ in server.requests)


def test_a_sandbox_that_reaches_nothing_is_shut() -> None:
    [finding] = judge_isolation(
        FREE, {"reached": {"10.96.0.1:443": False, "10.0.0.9:8080": False}, "token": False}, "jail"
    )
    assert finding.status is Status.OK


def test_a_network_that_does_not_enforce_is_a_warning_with_what_follows() -> None:
    [finding] = judge_isolation(
        FREE, {"reached": {"10.96.0.1:443": True, "10.0.0.9:8080": False}, "token": False}, "jail"
    )
    assert finding.status is Status.WARNING
    assert "10.96.0.1:443" in finding.found
    assert "10.0.0.9" not in finding.found
    assert "generated code can reach" in finding.expected


def test_nothing_is_concluded_where_nobody_reaches_anything() -> None:
    shut = {"reached": {"10.96.0.1:443": False}, "token": False}
    [finding] = judge_isolation(shut, shut, "jail")
    assert (finding.status, finding.found.startswith("cannot be told")) == (Status.WARNING, True)


def test_a_token_in_the_sandbox_is_a_failure_whatever_the_network_does() -> None:
    [finding] = judge_isolation(FREE, {"reached": {"10.96.0.1:443": False}, "token": True}, "jail")
    assert (finding.status, "token" in finding.found) == (Status.FAILED, True)
