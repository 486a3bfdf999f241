import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import pipelines.doctor
from pipelines.doctor.api import ApiProblem
from pipelines.doctor.finding import Status
from pipelines.doctor.in_pod import volume
from pipelines.doctor.pod_checks import check_images, check_lock, check_may_probe
from pipelines.doctor.pod_outcomes import judge_start, refused
from pipelines.doctor.probes import LABEL, Outcome, Pod, Probes, judge, pod_body

PODS = "/api/v1/namespaces/lab/pods"
CLAIMS = "/api/v1/namespaces/lab/persistentvolumeclaims"
REVIEW = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
DIGEST = f"registry.example/x@sha256:{'a' * 64}"
SCRIPTS = sorted(path.name for path in (Path(pipelines.doctor.__file__).parent / "in_pod").glob("[a-z]*.py"))
LOGICAL = ("touchstone/python-cpu", "touchstone/python-train", "touchstone/python-generate")


def status(phase: str = "Pending", conditions: Any = None, **state: Any) -> dict[str, Any]:
    return {"status": {"phase": phase, "conditions": conditions, "containerStatuses": [{"state": state}]}}


@pytest.mark.parametrize(
    ("pod", "late", "state"),
    [
        ({}, 0, "starting"),
        (status(waiting={"reason": "ContainerCreating"}), 30, "starting"),
        (status("Running", running={"startedAt": "now"}), 1, "running"),
        (status("Succeeded", terminated={"exitCode": 0}), 1, "succeeded"),
        (status("Failed", terminated={"exitCode": 1, "reason": "OOMKilled"}), 1, "failed"),
        (status(waiting={"reason": "ErrImagePull", "message": "not found"}), 1, "ErrImagePull"),
        (
            status(waiting={"reason": "CreateContainerConfigError", "message": "no key"}),
            1,
            "CreateContainerConfigError",
        ),
        ({"status": {"phase": "Pending", "conditions": [UNSCHEDULABLE]}}, 1, "starting"),
        ({"status": {"phase": "Pending", "conditions": [UNSCHEDULABLE]}}, 9, "unschedulable"),
    ],
)
def test_the_state_of_a_pod_is_read_from_what_the_cluster_says(pod: dict[str, Any], late: float, state: str) -> None:
    assert judge(pod, late)[0] == state


def test_why_a_pod_does_not_run_is_kept() -> None:
    assert judge(status(waiting={"reason": "ErrImagePull", "message": "no such host"}), 1)[1] == "no such host"
    assert judge(status("Failed", terminated={"reason": "OOMKilled"}), 1)[1] == "OOMKilled"
    assert judge({"status": {"conditions": [UNSCHEDULABLE]}}, 9)[1] == "0/1 nodes"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_probe_pod_is_restricted_small_and_short_lived(script: str) -> None:
    body = pod_body(Pod("lab", "x", DIGEST, script), "id")
    spec, [container] = body["spec"], body["spec"]["containers"]
    assert body["metadata"]["labels"] == {LABEL: "id"}
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert spec["activeDeadlineSeconds"] <= 180
    assert spec["automountServiceAccountToken"] is False
    assert container["command"][:2] == ["python", "-c"]
    compile(container["command"][2], script, "exec")


def test_a_pod_under_an_account_leaves_the_token_to_the_account() -> None:
    spec = pod_body(Pod("lab", "x", DIGEST, "reach.py", service_account="sandbox"), "id")["spec"]
    assert spec["serviceAccountName"] == "sandbox"
    assert "automountServiceAccountToken" not in spec


@pytest.mark.slow
def test_a_pod_is_watched_to_its_end_and_removed(cluster: Any) -> None:
    scope, server = cluster({f"POST {PODS}": {}})
    name = f"touchstone-doctor-x-{scope.probes.id}"
    states = iter([status(), status("Running", running={}), status("Succeeded", terminated={})])
    server.answers[f"GET {PODS}/{name}"] = lambda body: next(states)
    server.answers[f"GET {PODS}/{name}/log"] = '{"user": 65532}\n'
    outcome = scope.probes.run(Pod("lab", "x", DIGEST, "image.py"), 30)
    assert (outcome.state, outcome.log) == ("succeeded", '{"user": 65532}\n')
    assert server.requests[-1][0] == f"DELETE {PODS}/{name}"


def test_closing_removes_what_is_left_and_ends_all_creation(cluster: Any) -> None:
    scope, server = cluster({f"POST {PODS}": {}, f"POST {CLAIMS}": {}})
    paths = [scope.probes.start(Pod("lab", name, DIGEST, "image.py")) for name in ("a", "b")]
    claim = scope.probes.claim("lab")
    assert scope.probes.close() == []
    removed = {request for request, _ in server.requests if request.startswith("DELETE")}
    assert removed == {f"DELETE {path}" for path in [*paths, f"{CLAIMS}/{claim}"]}
    with pytest.raises(ApiProblem):
        scope.probes.start(Pod("lab", "c", DIGEST, "image.py"))
    assert len([request for request, _ in server.requests if request.startswith("POST")]) == 3


def test_an_object_whose_creation_was_not_confirmed_is_removed_too(cluster: Any) -> None:
    scope, server = cluster({f"POST {PODS}": (504, "gateway timeout")})
    with pytest.raises(ApiProblem):
        scope.probes.start(Pod("lab", "a", DIGEST, "image.py"))
    scope.probes.close()
    assert server.requests[-1][0] == f"DELETE {PODS}/touchstone-doctor-a-{scope.probes.id}"


def test_what_cannot_be_removed_is_told(cluster: Any) -> None:
    scope, _ = cluster({f"POST {PODS}": {}})
    path = scope.probes.start(Pod("lab", "a", DIGEST, "image.py"))
    scope.probes.use(scope.api)
    _, server = cluster({f"DELETE {path}": (403, "no")})
    scope.probes.use(type(scope.api).connect(server.kubeconfig(scope.options.kubeconfig.parent), None))
    assert scope.probes.close() == [path]


def test_leftovers_of_a_killed_visit_are_removed_but_not_those_of_another_in_progress(cluster: Any) -> None:
    def left(name: str, minute: int) -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": f"2026-01-01T12:{minute:02}:00Z"}}

    answers = {f"GET {PODS}": {"items": [left("old", 10), left("new", 29)]}, f"GET {CLAIMS}": {"items": []}}
    scope, server = cluster(answers)
    assert scope.probes.remove_stale("lab", datetime(2026, 1, 1, 12, 30, tzinfo=UTC)) == 1
    assert [r for r, _ in server.requests if r.startswith("DELETE")] == [f"DELETE {PODS}/old"]


@pytest.mark.parametrize(
    ("options", "allowed", "reason"),
    [
        ({"pods": False}, True, "--no-pods"),
        ({}, True, "no image for probe pods"),
        ({"probe_image": "python"}, False, "you may not create, get, list, delete pods in lab"),
    ],
)
def test_probes_are_skipped_with_the_reason(cluster: Any, options: Any, allowed: bool, reason: str) -> None:
    scope, server = cluster({REVIEW: {"status": {"allowed": allowed}}}, **options)
    [finding] = check_may_probe(scope)
    assert (finding.status, finding.found) == (Status.SKIPPED, reason)
    assert not any(request.startswith(("POST /api/v1", "DELETE")) for request, _ in server.requests)


def test_a_lock_is_complete_and_pinned_or_told(cluster: Any, tmp_path: Path) -> None:
    scope, _ = cluster()
    assert check_lock(scope)[0].status is Status.FAILED
    lock = tmp_path / "images.lock"
    lock.write_text("".join(f"{name}: {DIGEST}\n" for name in LOGICAL))
    assert check_lock(scope)[0].status is Status.OK
    lock.write_text("".join(f"{name}: registry.example/x:latest\n" for name in LOGICAL))
    [finding] = check_lock(scope)
    assert (finding.status, "registry.example/x:latest" in finding.found) == (Status.FAILED, True)
    assert finding.remedy


def test_every_image_is_tried_where_its_tasks_will_run(cluster: Any, tmp_path: Path) -> None:
    from pipelines.cluster.profiles import load_profile

    (tmp_path / "images.lock").write_text("".join(f"{name}: {DIGEST}\n" for name in LOGICAL))
    scope, server = cluster({f"POST {PODS}": {}}, profile=load_profile("gpu"))
    gone = status(waiting={"reason": "ErrImagePull", "message": "manifest unknown: not found"})
    for name in ("cpu", "train", "generate"):
        server.answers[f"GET {PODS}/touchstone-doctor-image-python-{name}-{scope.probes.id}"] = gone
    findings = {finding.subject: finding for finding in check_images(scope)}
    assert [findings[name].status for name in LOGICAL] == [Status.FAILED] * 3
    made = {body["metadata"]["name"].split("-")[4]: body["spec"] for r, body in server.requests if r == f"POST {PODS}"}
    assert made["train"]["nodeSelector"] == {"touchstone/pool": "gpu"}
    assert made["train"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert made["cpu"]["nodeSelector"] == {}


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("failed to resolve reference: not found", "images build"),
        ("pull access denied, repository does not exist or may require authorization", "create secret docker-registry"),
        ("x509: certificate signed by unknown authority", "certificate"),
        ("dial tcp: lookup registry.example: no such host", "way to the registry"),
    ],
)
def test_why_an_image_cannot_be_pulled_decides_what_to_type(cluster: Any, message: str, remedy: str) -> None:
    scope, _ = cluster()
    finding = judge_start(scope, Outcome("ErrImagePull", message), DIGEST)
    assert (finding.status, remedy in finding.remedy) == (Status.FAILED, True)
    assert message in finding.found


def test_a_pod_that_is_late_is_not_known_to_be_wrong(cluster: Any) -> None:
    scope, _ = cluster()
    assert judge_start(scope, Outcome("late", "starting after 40 s"), DIGEST).status is Status.WARNING


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ('pods "x" is forbidden: exceeded quota: small', "describe resourcequota"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', "--show-labels"),
        ('User "u" cannot create resource "pods"', "--no-pods"),
    ],
)
def test_why_a_pod_is_refused_decides_what_to_type(cluster: Any, message: str, remedy: str) -> None:
    scope, _ = cluster()
    finding = refused(scope, ApiProblem(403, message))
    assert (finding.status, remedy in finding.remedy) == (Status.FAILED, True)


def test_probes_of_two_visits_have_different_names() -> None:
    assert Probes().id != Probes().id


def test_a_volume_that_can_be_written_is_told_and_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume.main(tmp_path)
    assert json.loads(capsys.readouterr().out)["bytes"] == 4096
    assert list(tmp_path.iterdir()) == []


def test_a_volume_that_cannot_be_written_is_told_after_a_while(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume, "TRY_SECONDS", 0.0)
    volume.main(tmp_path / "absent")
    assert "No such file" in json.loads(capsys.readouterr().out)["problem"]
