"""Whether the sandbox's walls hold: policies that the network enforces, and no token."""

from __future__ import annotations

import json

from pipelines.doctor.api import ApiProblem, Json
from pipelines.doctor.finding import Finding, failed, ok, skipped, warning
from pipelines.doctor.pod_outcomes import judge_start, probe_image, refused
from pipelines.doctor.probes import Pod
from pipelines.doctor.scope import SANDBOX_ACCOUNT, Scope

LISTEN_PORT = 8080


def check_isolation(scope: Scope) -> list[Finding]:
    """A pod of the sandbox reaches neither the API server nor another pod, and has no token."""
    sandbox = scope.sandbox_namespace()
    if sandbox is None:
        return [skipped("the installation has no sandbox")]
    policies = scope.api.items(f"/apis/networking.k8s.io/v1/namespaces/{sandbox}/networkpolicies")
    if not any(_denies_all(policy) for policy in policies):
        return [
            failed(
                f"no NetworkPolicy of {sandbox} closes every pod's way out",
                expected="one with an empty podSelector and policyTypes Egress without rules",
                remedy=scope.install_command(),
            )
        ]
    image, secrets = str(probe_image(scope)), scope.options.profile.image_pull_secrets
    listen: list[Json] = [{"name": "DOCTOR_LISTEN", "value": str(LISTEN_PORT)}]
    try:
        control = scope.probes.start(Pod(scope.namespace, "control", image, "reach.py", listen, pull_secrets=secrets))
        free = scope.probes.watch(control, scope.options.pod_seconds, until_line=True)
        if free.state != "running":
            return [judge_start(scope, free, image)]
        address = scope.api.get(control)["status"]["podIP"]
        aim: list[Json] = [{"name": "DOCTOR_TARGETS", "value": f"{address}:{LISTEN_PORT}"}]
        pod = Pod(sandbox, "sandbox", image, "reach.py", aim, service_account=SANDBOX_ACCOUNT, pull_secrets=secrets)
        outcome = scope.probes.run(pod, scope.options.pod_seconds)
        scope.probes.remove(control)
    except ApiProblem as problem:
        return [refused(scope, problem)]
    if outcome.state != "succeeded":
        return [judge_start(scope, outcome, image)]
    return judge_isolation(json.loads(free.log), json.loads(outcome.log), sandbox)


def judge_isolation(free: Json, jailed: Json, sandbox: str) -> list[Finding]:
    """What two pods that tried the same say about the sandbox's network.

    Args:
        free: What the pod outside told: it should have reached the API server.
        jailed: What the pod in the sandbox told.
        sandbox: Its namespace.
    """
    if jailed["token"]:
        return [
            failed(
                f"a pod of {sandbox} has a service-account token",
                expected="none, so that generated code cannot speak to the API server",
                remedy=f"kubectl -n {sandbox} get serviceaccount {SANDBOX_ACCOUNT} -o yaml; kubectl get podpresets -A",
            )
        ]
    open_to = [target for target, was_reached in jailed["reached"].items() if was_reached]
    if open_to:
        return [
            warning(
                f"NetworkPolicies are not enforced: a pod of {sandbox} reached {', '.join(open_to)}",
                expected="no connection at all; as it is, generated code can reach whatever this network reaches",
                remedy="install a CNI that enforces policies (Calico, Cilium; GKE: --enable-dataplane-v2), or run no "
                "benchmark that executes generated code",
            )
        ]
    if not any(free["reached"].values()):
        return [
            warning(
                "cannot be told: a pod outside the sandbox reached nothing either",
                expected="a pod outside that reaches the API server, to compare with",
                remedy="touchstone doctor from a namespace whose pods may reach the API server",
            )
        ]
    return [ok(f"a pod of {sandbox} reached none of {', '.join(jailed['reached'])}; no token")]


def _denies_all(policy: Json) -> bool:
    spec = policy.get("spec") or {}
    everyone = not (spec.get("podSelector") or {})
    return everyone and "Egress" in (spec.get("policyTypes") or ()) and not spec.get("egress")
