"""Checks that need a pod: what only the cluster's own network, nodes and admission can tell."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version as installed_version

from components.contracts.errors import UsageError
from pipelines.cluster.image_lock import BUILD, read_lock
from pipelines.cluster.profiles import KINDS, Needs
from pipelines.doctor.api import ApiProblem, Json
from pipelines.doctor.finding import Finding, failed, ok, skipped, warning
from pipelines.doctor.pod_outcomes import ask_pod, judge_start, probe_image, refused
from pipelines.doctor.probes import LABEL, Pod
from pipelines.doctor.rights_checks import may_i
from pipelines.doctor.s3_checks import judge_roundtrip
from pipelines.doctor.scope import Scope

STORE_KEYS = ("TOUCHSTONE_STORE", "TOUCHSTONE_S3_ENDPOINT", "TOUCHSTONE_S3_REGION")
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def check_lock(scope: Scope) -> list[Finding]:
    """images.lock names every image of the pipelines by digest."""
    try:
        lock = read_lock(scope.options.lock)
    except UsageError as error:
        expected = "images.lock, with every image of the pipelines by digest"
        return [failed(error.found, expected=expected, remedy=error.remedy or BUILD)]
    return [ok(f"{len(lock)} images by digest in {scope.options.lock}")]


def check_may_probe(scope: Scope) -> list[Finding]:
    """Probe pods may be created and have an image; what a killed doctor left is removed first."""
    if not scope.options.pods:
        return [skipped("--no-pods")]
    if probe_image(scope) is None:
        reason = "no image for probe pods"
        return [
            skipped(reason, remedy="touchstone doctor --images images.lock, or --probe-image IMAGE with python in it")
        ]
    lacking = [verb for verb in ("create", "get", "list", "delete") if not may_i(scope, scope.namespace, "pods", verb)]
    if lacking:
        reason = f"you may not {', '.join(lacking)} pods in {scope.namespace}"
        return [skipped(reason, remedy="touchstone doctor --no-pods")]
    sandbox = scope.sandbox_namespace()
    places = [scope.namespace, *([sandbox] if sandbox and may_i(scope, sandbox, "pods", "delete") else [])]
    removed = sum(scope.probes.remove_stale(place) for place in places)
    left = f"; removed {removed} leftovers of an earlier doctor" if removed else ""
    return [ok(f"with {probe_image(scope)}{left}")]


def check_images(scope: Scope) -> list[Finding]:
    """Every image of the lock can be pulled and started, where its tasks will run."""
    lock = read_lock(scope.options.lock)
    with ThreadPoolExecutor(len(lock)) as pool:
        return list(pool.map(lambda item: _check_image(scope, *item), sorted(lock.items())))


def _check_image(scope: Scope, name: str, reference: str) -> Finding:
    profile = scope.options.profile
    needs: Needs = profile.needs(name) if name in KINDS else profile.cpu
    pod = Pod(
        scope.namespace,
        "image-" + "".join(c if c.isalnum() else "-" for c in name.rpartition("/")[2]),
        reference,
        "image.py",
        node_selector=needs.node_selector,
        tolerations=[one.model_dump(exclude_none=True) for one in needs.tolerations],
        pull_secrets=profile.image_pull_secrets,
    )
    try:
        outcome = scope.probes.run(pod, scope.options.pod_seconds)
    except ApiProblem as problem:
        return refused(scope, problem, subject=name)
    if outcome.state != "succeeded":
        return judge_start(scope, outcome, reference, subject=name)
    told = json.loads(outcome.log)
    ours = installed_version("touchstone-audit")
    if name in KINDS and told["touchstone"] != ours:
        return warning(
            f"{reference} holds Touchstone {told['touchstone'] or '(none)'}, this command is {ours}",
            expected="the same version: steps of a pipeline call what is in the image",
            remedy="python -m images build, then compile and submit with the new images.lock",
            subject=name,
        )
    return ok(f"Python {told['python']} as user {told['user']} on {outcome.node}", subject=name)


def check_store_from_pod(scope: Scope) -> list[Finding]:
    """A task could write, read, list and delete in the object store."""
    profile = scope.options.profile
    env = [_from("configMapKeyRef", profile.config_map, key, optional=True) for key in STORE_KEYS]
    env += [_from("secretKeyRef", profile.secret, key, optional=False) for key in SECRET_KEYS]
    told = ask_pod(scope, "s3", "s3_roundtrip.py", env)
    return [told if isinstance(told, Finding) else judge_roundtrip(told, scope, scope.config_map(), "in the cluster")]


def check_pushgateway(scope: Scope) -> list[Finding]:
    """The Pushgateway that steps report to is ready, where one is configured."""
    address = scope.config_map().get("TOUCHSTONE_PUSHGATEWAY")
    if not address:
        remedy = scope.install_command("monitoring.pushgateway.enabled=true")
        return [skipped("the ConfigMap names no Pushgateway; steps report no metrics", remedy=remedy)]
    env = [_from("configMapKeyRef", scope.options.profile.config_map, "TOUCHSTONE_PUSHGATEWAY", optional=False)]
    told = ask_pod(scope, "pushgateway", "gateway.py", env)
    if isinstance(told, Finding):
        return [told]
    if told.get("status") == 200:
        return [ok(f"{address} is ready")]
    return [
        warning(
            f"{address}: {told.get('problem') or told.get('status')}",
            expected="a Pushgateway; steps go on without it, and their metrics are lost",
            remedy=f"kubectl -n {scope.namespace} get pods,svc | grep pushgateway",
        )
    ]


def check_volume(scope: Scope) -> list[Finding]:
    """A volume of the default class is made, bound, and can be written by our numeric user."""
    claims = scope.api.items(scope.in_namespace("persistentvolumeclaims"))
    mine = [c for c in claims if LABEL not in (c["metadata"].get("labels") or {})]
    if any((claim.get("status") or {}).get("phase") == "Bound" for claim in mine):
        return [ok("volumes of this namespace are bound already; no other was made")]
    try:
        claim = scope.probes.claim(scope.namespace)
    except ApiProblem as problem:
        return [refused(scope, problem)]
    told = ask_pod(scope, "volume-user", "volume.py", (), claim=claim)
    if isinstance(told, Finding):
        return [told]
    if "problem" in told:
        return [
            failed(
                f"user {told['user']} cannot write to a new volume: {told['problem']}",
                expected="a volume that pods with fsGroup 65532 may write",
                remedy="choose a StorageClass whose driver honours fsGroup (CSIDriver fsGroupPolicy: File)",
            )
        ]
    return [ok("a volume was made, written and removed")]


def _from(kind: str, name: str, key: str, *, optional: bool) -> Json:
    return {"name": key, "valueFrom": {kind: {"name": name, "key": key, "optional": optional}}}
