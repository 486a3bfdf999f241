"""Who may do what: the account of the steps, and the person who asks."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.doctor.finding import Finding, failed, ok
from pipelines.doctor.scope import RUNNER, Scope

Right = tuple[str, str, tuple[str, ...]]
"""API group, resource (with /subresource) and verbs."""
PIPELINE_RIGHTS: tuple[Right, ...] = (
    ("", "pods", ("get", "list", "watch")),
    ("", "pods/log", ("get",)),
    ("", "events", ("list",)),
    # Argo's executor, beside every step, reports what the step gave.
    ("argoproj.io", "workflowtaskresults", ("create", "patch")),
)
TRAINJOB_RIGHTS: tuple[Right, ...] = (
    ("trainer.kubeflow.org", "trainjobs", ("create", "get", "list", "watch", "patch", "delete")),
)
SANDBOX_RIGHTS: tuple[Right, ...] = (
    ("", "pods", ("create", "get", "delete")),
    ("", "pods/log", ("get",)),
)


def check_runner(scope: Scope) -> list[Finding]:
    """The account of the steps exists."""
    if scope.api.find(scope.in_namespace("serviceaccounts", RUNNER)) is None:
        return [
            failed(
                f"namespace {scope.namespace} has no ServiceAccount {RUNNER}",
                expected="the account under which steps run",
                remedy=scope.install_command(),
            )
        ]
    return [ok(f"{scope.namespace}/{RUNNER}")]


def check_runner_rights(scope: Scope) -> list[Finding]:
    """The account of the steps may do what steps do."""
    wanted = [(scope.namespace, right) for right in PIPELINE_RIGHTS]
    if scope.options.trainjob:
        wanted += [(scope.namespace, right) for right in TRAINJOB_RIGHTS]
    sandbox = scope.sandbox_namespace()
    if sandbox:
        wanted += [(sandbox, right) for right in SANDBOX_RIGHTS]
    asked, missing = 0, []
    for namespace, (group, resource, verbs) in wanted:
        lacking = [verb for verb in verbs if not _may(scope, namespace, group, resource, verb)]
        asked += len(verbs)
        if lacking:
            missing.append((namespace, f"{resource}.{group}" if group else resource, lacking))
    if not missing:
        return [ok(f"all {asked} rights that were asked about")]
    account = f"system:serviceaccount:{scope.namespace}:{RUNNER}"
    return [
        failed(
            f"{RUNNER} may not {', '.join(lacking)} {resource} in {namespace}",
            expected="the right, by the chart's Role and RoleBinding",
            remedy=f"{scope.install_command()}; to ask again: "
            f"kubectl auth can-i {lacking[0]} {resource} -n {namespace} --as {account}",
            subject=f"{resource} in {namespace}",
        )
        for namespace, resource, lacking in missing
    ]


def _may(scope: Scope, namespace: str, group: str, resource: str, verb: str) -> bool:
    base, _, sub = resource.partition("/")
    attributes: Mapping[str, str] = {
        "namespace": namespace,
        "group": group,
        "resource": base,
        "subresource": sub,
        "verb": verb,
    }
    own = f"system:serviceaccounts:{scope.namespace}"
    spec = {
        "user": f"system:serviceaccount:{scope.namespace}:{RUNNER}",
        "groups": ["system:serviceaccounts", own, "system:authenticated"],
        "resourceAttributes": attributes,
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = scope.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return bool(answer["status"]["allowed"])


def may_i(scope: Scope, namespace: str, resource: str, verb: str) -> bool:
    """Whether the person who asks may do something to core objects of a namespace.

    Raises:
        ApiProblem: the API server did not answer.
    """
    attributes = {"namespace": namespace, "resource": resource, "verb": verb}
    spec = {"resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    answer = scope.api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer["status"]["allowed"])
