"""What became of a probe pod: its answer, or why there is none and what to type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from components.contracts import images
from components.contracts.errors import UsageError
from pipelines.cluster.image_lock import read_lock
from pipelines.doctor.api import ApiProblem, Json
from pipelines.doctor.finding import Finding, failed, warning
from pipelines.doctor.probes import Outcome, Pod
from pipelines.doctor.scope import Scope

PULL_REMEDIES = (
    (("not found", "notfound", "manifest unknown"), "push the image and its digest: python -m images build --push"),
    (
        ("unauthorized", "denied", "forbidden", "401", "403"),
        "kubectl -n {namespace} create secret docker-registry registry --docker-server=REGISTRY --docker-username=USER "
        "--docker-password=PASSWORD, then image_pull_secrets: [registry] in --profile FILE",
    ),
    (
        ("x509", "certificate", "https response"),
        "make the registry's certificate known to the nodes' container runtime",
    ),
    (
        ("no such host", "timeout", "refused", "dial tcp"),
        "open the nodes' way to the registry, or name another: images.lock",
    ),
)
"""Words in a kubelet's complaint, and what helps."""


def probe_image(scope: Scope) -> str | None:
    """The image of probe pods: what was given, or the lock's image of CPU steps; None when there is neither."""
    if scope.options.probe_image:
        return scope.options.probe_image
    try:
        return read_lock(scope.options.lock)[images.CPU]
    except UsageError:
        return None


def ask_pod(
    scope: Scope, name: str, script: str, env: Sequence[Json], claim: str | None = None
) -> dict[str, Any] | Finding:
    """What a script printed in a pod of the pipelines' namespace, or why there is no such answer.

    Args:
        scope: What is checked.
        name: Of the pod.
        script: File below in_pod/.
        env: The container's environment.
        claim: PersistentVolumeClaim to mount at /data.
    """
    image = str(probe_image(scope))
    pod = Pod(
        scope.namespace,
        name,
        image,
        script,
        env,
        pull_secrets=scope.options.profile.image_pull_secrets,
        claim=claim,
    )
    try:
        outcome = scope.probes.run(pod, scope.options.pod_seconds)
    except ApiProblem as problem:
        return refused(scope, problem)
    if outcome.state != "succeeded":
        return judge_start(scope, outcome, image)
    told: dict[str, Any] = json.loads(outcome.log)
    return told


def judge_start(scope: Scope, outcome: Outcome, reference: str, *, subject: str = "") -> Finding:
    """Why a probe pod did not start, or failed."""
    said = outcome.message or outcome.log[-300:].strip()
    namespace = scope.namespace
    if outcome.state in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
        words = said.lower()
        remedy = next((text for keys, text in PULL_REMEDIES if any(key in words for key in keys)), PULL_REMEDIES[0][1])
        return failed(
            f"{reference} cannot be pulled: {said[:300]}",
            expected="an image that the nodes can pull",
            remedy=remedy.format(namespace=namespace),
            subject=subject,
        )
    if outcome.state == "unschedulable":
        expected, remedy = "a node that takes a small pod", "kubectl get nodes; kubectl describe node NODE"
        return failed(f"no node takes the pod: {said[:300]}", expected=expected, remedy=remedy, subject=subject)
    if outcome.state == "late":
        return warning(
            f"no end of the probe pod: {said[:300]}",
            expected="a pod that starts in time; a large image may still be on its way to the node",
            remedy="touchstone doctor --pod-seconds 300",
            subject=subject,
        )
    return failed(
        f"the probe pod ended as {outcome.state}: {said[:300]}",
        expected="a pod of user 65532 that runs python from this image",
        remedy=f"docker run --rm --user 65532 --read-only --tmpfs /tmp {reference} python -V",
        subject=subject,
    )


def refused(scope: Scope, problem: ApiProblem, *, subject: str = "") -> Finding:
    """Why a probe object was not admitted."""
    if problem.status != 403:
        raise problem
    words = problem.message
    if "exceeded quota" in words or "failed quota" in words:
        remedy = f"kubectl -n {scope.namespace} describe resourcequota"
    elif "PodSecurity" in words:
        remedy = f"kubectl get namespace {scope.namespace} --show-labels"
    else:
        remedy = "touchstone doctor --no-pods, or ask for the right to create pods"
    return failed(f"the probe was refused: {words}", expected="a small pod is admitted", remedy=remedy, subject=subject)
