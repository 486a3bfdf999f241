"""Pods as the tests start them: restricted, read-only, numeric user; and waiting for what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client.exceptions import ApiException

USER = 65532
POLL_SECONDS = 0.3
T = TypeVar("T")


def restricted_pod(
    name: str,
    image: str,
    command: Sequence[str],
    *,
    env_from: Sequence[Mapping[str, Any]] = (),
    restart: str = "Never",
    **spec: Any,
) -> dict[str, Any]:
    """A pod that PodSecurity's `restricted` level accepts, with nothing writable but /tmp."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "envFrom": list(env_from),
        "resources": spec.pop("resources", {"requests": {"cpu": "100m", "memory": "256Mi"}}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "touchstone-tests"}},
        "spec": {
            "restartPolicy": restart,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            **spec,
        },
    }


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = 120.0) -> T:
    """The first thing `look` gives that is not None; fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"after {seconds:.0f} s: {what}")


def finished(core: client.CoreV1Api, namespace: str, name: str, *, seconds: float = 180.0) -> str:
    """Wait for a pod's end; gives its phase."""

    def look() -> str | None:
        phase = str(core.read_namespaced_pod(name, namespace).status.phase)
        return phase if phase in {"Succeeded", "Failed"} else None

    return eventually(look, f"pod {name} did not end", seconds=seconds)


def said(core: client.CoreV1Api, namespace: str, name: str) -> str:
    """A pod's log; empty when there is none yet."""
    try:
        return str(core.read_namespaced_pod_log(name, namespace))
    except ApiException:
        return ""


def run_to_end(core: client.CoreV1Api, namespace: str, pod: Mapping[str, Any], *, seconds: float = 180.0) -> str:
    """Create a pod, wait for its end, and give its log; fails with that log when the pod did."""
    name = pod["metadata"]["name"]
    core.create_namespaced_pod(namespace, pod)
    phase = finished(core, namespace, name, seconds=seconds)
    log = said(core, namespace, name)
    assert phase == "Succeeded", f"{name} {phase}: {log[-2000:]}"
    return log
