import socket
from pathlib import Path
from typing import Any

import pytest

from pipelines.cluster.profiles import load_profile
from pipelines.doctor.api import Api, ApiProblem
from pipelines.doctor.cluster_checks import check_version, reach_api
from pipelines.doctor.finding import Finding, Status
from pipelines.doctor.scope import Options, Scope
from tests.unit.doctor.api_server import ApiServer, kubeconfig, served


def visit(kubeconfig: Path, **options: Any) -> Finding:
    scope = Scope(Options("lab", load_profile("cpu"), Path("images.lock"), kubeconfig=kubeconfig, **options))
    [finding] = reach_api(scope)
    return finding


def test_a_server_that_knows_us_is_named_and_gets_our_token(tmp_path: Path) -> None:
    server = ApiServer({})
    with served(server.server):
        finding = visit(server.kubeconfig(tmp_path))
    assert (finding.status, finding.found) == (Status.OK, server.address)
    assert server.tokens == {"Bearer a-token"}


@pytest.mark.parametrize("content", [None, "", "{", "apiVersion: v1\nkind: Config\n"])
def test_without_a_usable_kubeconfig_there_is_a_line_to_type(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    finding = visit(path)
    assert finding.status is Status.FAILED
    assert finding.found.startswith("no cluster to ask")
    assert "export KUBECONFIG=" in finding.remedy


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    server = ApiServer({})
    server.server.server_close()
    finding = visit(server.kubeconfig(tmp_path), context="other")
    assert (finding.status, "other" in finding.found) == (Status.FAILED, True)


@pytest.mark.parametrize(
    ("status", "words", "remedy"),
    [
        (401, "does not accept the credentials", "log in"),
        (403, "answers 403", "readyz"),
        (500, "answers 500", "readyz"),
    ],
)
def test_a_server_that_refuses_is_told_by_how(tmp_path: Path, status: int, words: str, remedy: str) -> None:
    server = ApiServer({"GET /api/v1": (status, "no")})
    with served(server.server):
        finding = visit(server.kubeconfig(tmp_path))
    assert finding.status is Status.FAILED
    assert words in finding.found
    assert remedy in finding.remedy


def test_a_server_that_is_away_is_told_at_once(tmp_path: Path) -> None:
    server = ApiServer({})
    server.server.server_close()
    finding = visit(server.kubeconfig(tmp_path))
    assert finding.status is Status.FAILED
    assert f"{server.address} cannot be reached" in finding.found


def test_something_that_is_no_api_server_is_no_crash(tmp_path: Path) -> None:
    server = ApiServer({"GET /api/v1": "<html>a proxy</html>"})
    with served(server.server):
        finding = visit(server.kubeconfig(tmp_path))
    assert (finding.status, "a proxy" in finding.found) == (Status.FAILED, True)


def test_a_log_that_looks_like_json_stays_as_it_is(cluster: Any) -> None:
    # The client's own way of reading text would give back Python's notation of it.
    scope, _ = cluster({"GET /log": '{"ok": true}\n'})
    assert scope.api.text("/log") == '{"ok": true}\n'


def test_a_refusal_carries_status_message_and_request(cluster: Any) -> None:
    scope, _ = cluster({"GET /x": (403, 'nodes is forbidden:\n  User "u"')})
    with pytest.raises(ApiProblem) as raised:
        scope.api.get("/x")
    assert (raised.value.status, raised.value.request) == (403, "GET /x")
    assert raised.value.message == 'nodes is forbidden: User "u"'


def test_deleting_what_is_gone_is_fine(cluster: Any) -> None:
    scope, server = cluster()
    scope.api.delete("/api/v1/namespaces/lab/pods/p")
    assert [request for request, _ in server.requests] == ["DELETE /api/v1/namespaces/lab/pods/p"]


@pytest.mark.parametrize(
    ("minor", "trainjob", "status"),
    [
        ("28", False, Status.FAILED),
        ("29+", False, Status.OK),
        ("30", True, Status.FAILED),
        ("31", True, Status.OK),
        ("34", True, Status.OK),
        ("35", False, Status.WARNING),
    ],
)
def test_versions_outside_the_range_are_told(cluster: Any, minor: str, trainjob: bool, status: Status) -> None:
    version = {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.0"}
    scope, _ = cluster({"GET /version": version}, trainjob=trainjob)
    [finding] = check_version(scope)
    assert finding.status is status
    assert f"v1.{minor}.0" in finding.found


def test_a_server_that_never_answers_is_left_at_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.doctor.api.REQUEST_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = kubeconfig(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ApiProblem) as raised:
            Api.connect(path, None).get("/api/v1")
    assert raised.value.status == 0
    assert "timed out" in raised.value.message
