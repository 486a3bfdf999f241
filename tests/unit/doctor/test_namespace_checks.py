import base64
from typing import Any

import pytest

from pipelines.doctor.finding import Finding, Status
from pipelines.doctor.namespace_checks import (
    check_claims,
    check_configuration,
    check_credentials,
    check_namespace,
    check_pod_security,
    check_sandbox_namespace,
    check_workloads,
)
from pipelines.doctor.rights_checks import check_runner, check_runner_rights

LAB = "GET /api/v1/namespaces/lab"
SANDBOX = "GET /api/v1/namespaces/touchstone-sandbox"
SETTINGS = {
    "TOUCHSTONE_STORE": "s3://results/lab",
    "TOUCHSTONE_S3_ENDPOINT": "http://touchstone-minio.lab.svc:9000",
    "TOUCHSTONE_SANDBOX_NAMESPACE": "touchstone-sandbox",
}
REVIEWS = "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"


def config_map(**changes: str) -> dict[str, Any]:
    return {
        f"{LAB}/configmaps/touchstone": {
            "metadata": {},
            "data": {k: v for k, v in {**SETTINGS, **changes}.items() if v},
        }
    }


def namespace(level: str | None = None, phase: str = "Active") -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": level} if level else None
    return {"metadata": {"labels": labels}, "status": {"phase": phase}}


def failure(findings: list[Finding]) -> Finding:
    [finding] = findings
    assert finding.status is Status.FAILED
    assert finding.expected
    assert finding.remedy
    return finding


def test_a_namespace_exists_or_the_chart_is_what_to_type(cluster: Any) -> None:
    scope, _ = cluster({LAB: namespace()})
    assert check_namespace(scope)[0].status is Status.OK
    scope, _ = cluster()
    assert (
        "helm upgrade --install touchstone charts/touchstone --namespace lab" in failure(check_namespace(scope)).remedy
    )
    scope, _ = cluster({LAB: namespace(phase="Terminating")})
    assert "being deleted" in failure(check_namespace(scope)).found


def test_what_helm_noted_about_the_release_goes_into_the_command(cluster: Any) -> None:
    notes = {"meta.helm.sh/release-name": "ours", "meta.helm.sh/release-namespace": "tools"}
    scope, _ = cluster({f"{LAB}/configmaps/touchstone": {"metadata": {"annotations": notes}, "data": SETTINGS}})
    assert failure(check_runner(scope)).remedy.startswith(
        "helm upgrade --install ours charts/touchstone --namespace tools --create-namespace --reset-then-reuse-values"
    )


def test_the_runner_account_exists_or_is_told(cluster: Any) -> None:
    scope, _ = cluster()
    assert "touchstone-runner" in failure(check_runner(scope)).found
    scope, _ = cluster({f"{LAB}/serviceaccounts/touchstone-runner": {"metadata": {}}})
    assert check_runner(scope)[0].status is Status.OK


def test_rights_are_asked_for_the_runner_in_both_namespaces(cluster: Any) -> None:
    scope, server = cluster({REVIEWS: {"status": {"allowed": True}}, **config_map()}, trainjob=True)
    assert check_runner_rights(scope)[0].status is Status.OK
    asked = [body["spec"] for request, body in server.requests if request == REVIEWS]
    assert {one["user"] for one in asked} == {"system:serviceaccount:lab:touchstone-runner"}
    assert all("system:serviceaccounts:lab" in one["groups"] for one in asked)
    rights = {tuple(one["resourceAttributes"].values()) for one in asked}
    assert ("lab", "trainer.kubeflow.org", "trainjobs", "", "delete") in rights
    assert ("lab", "", "pods", "log", "get") in rights
    assert ("lab", "", "events", "", "list") in rights
    assert ("touchstone-sandbox", "", "pods", "", "create") in rights
    assert ("lab", "", "pods", "", "create") not in rights


def test_rights_for_trainjobs_are_not_asked_where_none_is_submitted(cluster: Any) -> None:
    scope, server = cluster({REVIEWS: {"status": {"allowed": True}}, **config_map()})
    check_runner_rights(scope)
    assert not any("trainjobs" in str(body) for _, body in server.requests)


def test_a_missing_right_is_told_with_its_verbs(cluster: Any) -> None:
    def review(body: dict[str, Any]) -> dict[str, Any]:
        wanted = body["spec"]["resourceAttributes"]
        return {"status": {"allowed": wanted["verb"] not in ("create", "delete") or bool(wanted["group"])}}

    scope, _ = cluster({REVIEWS: review, **config_map()})
    finding = failure(check_runner_rights(scope))
    assert finding.found == "touchstone-runner may not create, delete pods in touchstone-sandbox"
    account = "--as system:serviceaccount:lab:touchstone-runner"
    assert f"kubectl auth can-i create pods -n touchstone-sandbox {account}" in finding.remedy


def test_settings_that_can_be_meant_are_ok(cluster: Any) -> None:
    scope, _ = cluster(config_map())
    [finding] = check_configuration(scope)
    assert finding.found == "s3://results/lab at http://touchstone-minio.lab.svc:9000"
    scope, _ = cluster(config_map(TOUCHSTONE_S3_ENDPOINT="", TOUCHSTONE_STORE="s3://results"))
    assert check_configuration(scope)[0].found == "s3://results at Amazon S3"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TOUCHSTONE_STORE", ""),
        ("TOUCHSTONE_STORE", "/results"),
        ("TOUCHSTONE_STORE", "s3://Results"),
        ("TOUCHSTONE_S3_ENDPOINT", "touchstone-minio:9000"),
        ("TOUCHSTONE_S3_ENDPOINT", "http://touchstone-minio:9000/results"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_told_by_name(cluster: Any, key: str, value: str) -> None:
    scope, _ = cluster(config_map(**{key: value}))
    finding = failure(check_configuration(scope))
    assert finding.subject == key
    assert repr(value) in finding.found if value else "is missing" in finding.found


def test_a_missing_config_map_is_told(cluster: Any) -> None:
    scope, _ = cluster()
    assert "no ConfigMap touchstone" in failure(check_configuration(scope)).found


def test_both_keys_of_the_secret_are_needed(cluster: Any) -> None:
    path = f"{LAB}/secrets/touchstone-s3"
    value = base64.b64encode(b"x").decode()
    keys = {"AWS_ACCESS_KEY_ID": value, "AWS_SECRET_ACCESS_KEY": value}
    scope, _ = cluster({path: {"data": keys}})
    assert check_credentials(scope)[0].status is Status.OK
    scope, _ = cluster({path: {"data": {"accesskey": value, "AWS_ACCESS_KEY_ID": value}}})
    finding = failure(check_credentials(scope))
    assert finding.found == "Secret touchstone-s3 lacks AWS_SECRET_ACCESS_KEY; it has accesskey, AWS_ACCESS_KEY_ID"
    scope, _ = cluster()
    assert "kubectl -n lab create secret generic touchstone-s3" in failure(check_credentials(scope)).remedy


def test_the_secrets_values_are_never_told(cluster: Any) -> None:
    value = base64.b64encode(b"top-secret").decode()
    scope, _ = cluster({f"{LAB}/secrets/touchstone-s3": {"data": {"AWS_ACCESS_KEY_ID": value}}})
    told = str(check_credentials(scope))
    assert value not in told
    assert "top-secret" not in told


@pytest.mark.parametrize(("automount", "status"), [(False, Status.OK), (True, Status.FAILED), (None, Status.FAILED)])
def test_the_sandbox_account_may_not_carry_a_token(cluster: Any, automount: bool | None, status: Status) -> None:
    account = {"automountServiceAccountToken": automount} if automount is not None else {"metadata": {}}
    scope, _ = cluster({SANDBOX: namespace(), f"{SANDBOX}/serviceaccounts/sandbox": account, **config_map()})
    [finding] = check_sandbox_namespace(scope)
    assert finding.status is status


def test_an_installation_without_sandbox_is_no_failure(cluster: Any) -> None:
    scope, _ = cluster(config_map(TOUCHSTONE_SANDBOX_NAMESPACE=""))
    assert check_sandbox_namespace(scope)[0].status is Status.SKIPPED


def test_loose_admission_is_a_failure_in_the_sandbox_and_a_warning_elsewhere(cluster: Any) -> None:
    scope, _ = cluster({LAB: namespace("baseline"), SANDBOX: namespace(), **config_map()})
    [lab, sandbox] = check_pod_security(scope)
    assert (lab.status, lab.found) == (Status.WARNING, "lab enforces baseline")
    assert (sandbox.status, sandbox.found) == (Status.FAILED, "touchstone-sandbox enforces nothing")
    assert sandbox.remedy.startswith(
        "kubectl label namespace touchstone-sandbox pod-security.kubernetes.io/enforce=restr"
    )
    scope, _ = cluster({LAB: namespace("restricted"), SANDBOX: namespace("restricted"), **config_map()})
    assert [finding.status for finding in check_pod_security(scope)] == [Status.OK, Status.OK]


def test_a_claim_without_volume_is_told(cluster: Any) -> None:
    bound = {"metadata": {"name": "minio"}, "status": {"phase": "Bound"}}
    pending = {"metadata": {"name": "crowd"}, "status": {"phase": "Pending"}}
    scope, _ = cluster({f"{LAB}/persistentvolumeclaims": {"items": [bound]}})
    assert check_claims(scope)[0].status is Status.OK
    scope, _ = cluster({f"{LAB}/persistentvolumeclaims": {"items": [bound, pending]}})
    finding = failure(check_claims(scope))
    assert (finding.subject, finding.found) == ("crowd", "claim crowd is Pending")


def test_what_the_chart_runs_must_be_ready_and_the_crowd_service_there_if_wanted(cluster: Any) -> None:
    def workloads(ready: int) -> dict[str, Any]:
        minio = {"metadata": {"name": "touchstone-minio"}, "spec": {"replicas": 1}, "status": {"readyReplicas": ready}}
        other = {"metadata": {"name": "ml-pipeline"}, "spec": {"replicas": 1}, "status": {}}
        apps = "GET /apis/apps/v1/namespaces/lab"
        return {f"{apps}/deployments": {"items": [other]}, f"{apps}/statefulsets": {"items": [minio]}}

    scope, _ = cluster(workloads(1))
    assert check_workloads(scope)[0].found == "ready: touchstone-minio"
    scope, _ = cluster(workloads(0))
    assert "describe statefulset touchstone-minio" in failure(check_workloads(scope)).remedy
    scope, _ = cluster(workloads(1), crowd=True)
    assert failure(check_workloads(scope)).subject == "crowd"
