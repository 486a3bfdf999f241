"""Checks of the namespaces: what the chart owns in them, how strictly pods are admitted."""

from __future__ import annotations

import re

from pipelines.doctor.api import Json
from pipelines.doctor.finding import Finding, Status, failed, ok, skipped, warning
from pipelines.doctor.scope import SANDBOX_ACCOUNT, Scope

ENFORCE = "pod-security.kubernetes.io/enforce"
STORE_ADDRESS = re.compile(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")
ENDPOINT = re.compile(r"^https?://[^/\s]+/?$")
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def check_namespace(scope: Scope) -> list[Finding]:
    """The pipelines' namespace exists and is not on its way out."""
    return [_namespace(scope, scope.namespace, "--namespace")]


def check_sandbox_namespace(scope: Scope) -> list[Finding]:
    """The sandbox's namespace exists, with an account that carries no token."""
    name = scope.sandbox_namespace()
    if name is None:
        return [skipped("the installation has no sandbox", remedy=scope.install_command("sandbox.enabled=true"))]
    there = _namespace(scope, name, "--sandbox-namespace")
    if there.status is not Status.OK:
        return [there]
    account = scope.api.find(f"/api/v1/namespaces/{name}/serviceaccounts/{SANDBOX_ACCOUNT}")
    if account is None:
        return [
            failed(
                f"namespace {name} has no ServiceAccount {SANDBOX_ACCOUNT}",
                expected="the account under which generated code runs",
                remedy=scope.install_command(),
            )
        ]
    if account.get("automountServiceAccountToken") is not False:
        patch = "-p '{\"automountServiceAccountToken\":false}'"
        return [
            failed(
                f"pods of ServiceAccount {name}/{SANDBOX_ACCOUNT} are given its token",
                expected="automountServiceAccountToken: false, so that generated code cannot speak to the API server",
                remedy=f"kubectl -n {name} patch serviceaccount {SANDBOX_ACCOUNT} {patch}",
            )
        ]
    return [ok(f"{name}, and its account gets no token")]


def check_configuration(scope: Scope) -> list[Finding]:
    """The ConfigMap that tasks take their settings from is there, and its values can be meant."""
    name = scope.options.profile.config_map
    settings = scope.config_map()
    show = f"kubectl -n {scope.namespace} get configmap {name} -o yaml"
    if not settings:
        return [
            failed(
                f"namespace {scope.namespace} has no ConfigMap {name} with data",
                expected="TOUCHSTONE_STORE, TOUCHSTONE_S3_ENDPOINT and the like",
                remedy=scope.install_command(),
            )
        ]
    wrong = []
    if not STORE_ADDRESS.match(settings.get("TOUCHSTONE_STORE", "")):
        wrong.append(("TOUCHSTONE_STORE", "s3://BUCKET or s3://BUCKET/PREFIX"))
    endpoint = settings.get("TOUCHSTONE_S3_ENDPOINT")
    if endpoint and not ENDPOINT.match(endpoint):
        wrong.append(("TOUCHSTONE_S3_ENDPOINT", "http://HOST:PORT or https://HOST, without a path"))
    if wrong:
        return [
            failed(
                f"{key} is {settings[key]!r}" if key in settings else f"{key} is missing",
                expected=expected,
                remedy=f"{scope.install_command()}; as it is now: {show}",
                subject=key,
            )
            for key, expected in wrong
        ]
    return [ok(f"{settings['TOUCHSTONE_STORE']} at {endpoint or 'Amazon S3'}")]


def check_credentials(scope: Scope) -> list[Finding]:
    """The Secret with the object store's credentials has both keys."""
    name = scope.options.profile.secret
    secret = scope.api.find(scope.in_namespace("secrets", name))
    literals = " ".join(f"--from-literal={key}=..." for key in SECRET_KEYS)
    create = f"kubectl -n {scope.namespace} create secret generic {name} {literals}"
    if secret is None:
        found = f"namespace {scope.namespace} has no Secret {name}"
        return [failed(found, expected=f"the keys {' and '.join(SECRET_KEYS)}", remedy=create)]
    data = secret.get("data") or {}
    missing = [key for key in SECRET_KEYS if not data.get(key)]
    if missing:
        found = f"Secret {name} lacks {' and '.join(missing)}" + (f"; it has {', '.join(data)}" if data else "")
        remedy = f"kubectl -n {scope.namespace} delete secret {name}; {create}"
        return [failed(found, expected=f"the keys {' and '.join(SECRET_KEYS)}", remedy=remedy)]
    return [ok(f"Secret {name} has both keys")]


def check_pod_security(scope: Scope) -> list[Finding]:
    """Both namespaces admit only pods that PodSecurity calls restricted."""
    findings = []
    for name, strict in ((scope.namespace, False), (scope.sandbox_namespace(), True)):
        namespace = scope.api.find(f"/api/v1/namespaces/{name}") if name else None
        if name is None or namespace is None:
            continue
        level = (namespace["metadata"].get("labels") or {}).get(ENFORCE)
        if level == "restricted":
            findings.append(ok("restricted", subject=name))
            continue
        command = f"kubectl label namespace {name} {ENFORCE}=restricted --overwrite"
        found = f"{name} enforces {level or 'nothing'}"
        if strict:
            expected = "restricted: generated code runs here"
            findings.append(failed(found, expected=expected, remedy=command, subject=name))
        else:
            expected = "restricted, which every pod of ours keeps to; other pods of the namespace may not"
            remedy = f"{command} --dry-run=server (tells which pods it would refuse)"
            findings.append(warning(found, expected=expected, remedy=remedy, subject=name))
    return findings or [skipped("no namespace to look at")]


def check_claims(scope: Scope) -> list[Finding]:
    """Every PersistentVolumeClaim of the namespace has its volume."""
    claims = scope.api.items(scope.in_namespace("persistentvolumeclaims"))
    pending = [claim for claim in claims if (claim.get("status") or {}).get("phase") != "Bound"]
    if not claims:
        return [ok("there are none")]
    if not pending:
        return [ok(f"all {len(claims)} are bound")]
    return [
        failed(
            f"claim {claim['metadata']['name']} is {(claim.get('status') or {}).get('phase') or 'new'}",
            expected="a bound volume",
            remedy=f"kubectl -n {scope.namespace} describe pvc {claim['metadata']['name']} (see its events)",
            subject=str(claim["metadata"]["name"]),
        )
        for claim in pending
    ]


def check_workloads(scope: Scope) -> list[Finding]:
    """What the chart runs in the namespace is ready; the crowd service is among it where it is wanted."""
    found = [
        (kind, item)
        for kind in ("deployment", "statefulset")
        for item in scope.api.items(f"/apis/apps/v1/namespaces/{scope.namespace}/{kind}s")
        if str(item["metadata"]["name"]).startswith("touchstone")
    ]
    findings = [_not_ready(scope, kind, item) for kind, item in found if not _is_ready(item)]
    if scope.options.crowd and not any("crowd" in item["metadata"]["name"] for _, item in found):
        findings.append(
            failed(
                f"no crowd service runs in {scope.namespace}",
                expected="a Deployment of it, for comparisons by people",
                remedy=scope.install_command("crowd.enabled=true"),
                subject="crowd",
            )
        )
    names = ", ".join(str(item["metadata"]["name"]) for _, item in found)
    return findings or [ok(f"ready: {names}" if names else "the chart runs nothing here")]


def _not_ready(scope: Scope, kind: str, item: Json) -> Finding:
    name = item["metadata"]["name"]
    ready = (item.get("status") or {}).get("readyReplicas") or 0
    return failed(
        f"{kind} {name} has {ready} of {_replicas(item)} replicas ready",
        expected="all of them",
        remedy=f"kubectl -n {scope.namespace} describe {kind} {name}; kubectl -n {scope.namespace} get events",
        subject=str(name),
    )


def _is_ready(item: Json) -> bool:
    return ((item.get("status") or {}).get("readyReplicas") or 0) >= _replicas(item)


def _replicas(item: Json) -> int:
    wanted = (item.get("spec") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)


def _namespace(scope: Scope, name: str, option: str) -> Finding:
    namespace = scope.api.find(f"/api/v1/namespaces/{name}")
    if namespace is None:
        return failed(
            f"there is no namespace {name}",
            expected="the namespace of the installation",
            remedy=f"{scope.install_command()}; another one: touchstone doctor {option} NAME",
        )
    if (namespace.get("status") or {}).get("phase") == "Terminating":
        return failed(
            f"namespace {name} is being deleted",
            expected="one that stays",
            remedy=f"kubectl get namespace {name} -o yaml (its conditions name what is left), then install again",
        )
    return ok(name)
