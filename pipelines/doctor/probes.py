"""Pods that try something and go: started under PodSecurity restricted, removed whatever happens."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.doctor.api import Api, ApiProblem, Json

LABEL = "touchstone/doctor"
USER = 65532
POD_LIFE_SECONDS = 180
STALE_SECONDS = 600
POLL_SECONDS = 0.3
UNSCHEDULABLE_SECONDS = 8.0
"""Longer than a volume takes to be bound to its claim; a pod that no node takes is told as such after it."""
STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons for waiting that do not pass while someone watches."""


@dataclass(frozen=True)
class Pod:
    """What a probe pod is made of."""

    namespace: str
    """Where it runs."""
    name: str
    """Short; the pod's name begins with it."""
    image: str
    """With a `python` on its path."""
    script: str
    """File below in_pod/, run by that python."""
    env: Sequence[Json] = ()
    """Environment, as in a container's specification."""
    service_account: str | None = None
    """Account whose own settings decide about a token; None = the default account, and no token."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels of the nodes to try."""
    tolerations: Sequence[Json] = ()
    """Taints to ignore."""
    pull_secrets: Sequence[str] = ()
    """For a private registry."""
    claim: str | None = None
    """PersistentVolumeClaim mounted at /data."""


@dataclass(frozen=True)
class Outcome:
    """How a probe pod ended, or why it did not start."""

    state: str
    """succeeded, failed, unschedulable, late, or the kubelet's reason for not starting it."""
    message: str
    """The scheduler's or the kubelet's words."""
    log: str = ""
    """What it wrote."""
    image_id: str = ""
    """What the node runs under the image's name."""
    node: str = ""
    """Where it was placed."""


class Probes:
    """Creates labelled objects and removes every one of them; may be used from many threads."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex[:8]
        self._api: Api | None = None
        self._lock = threading.Lock()
        self._made: list[str] = []
        self._closed = False

    def use(self, api: Api) -> None:
        """Where to create things."""
        self._api = api

    def start(self, pod: Pod) -> str:
        """Create a pod; gives its path in the API.

        Raises:
            ApiProblem: it was refused.
        """
        return self._create(f"/api/v1/namespaces/{pod.namespace}/pods", pod_body(pod, self.id))

    def claim(self, namespace: str) -> str:
        """Create a small PersistentVolumeClaim of the default class; gives its name.

        Raises:
            ApiProblem: it was refused.
        """
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": _metadata("volume", self.id),
            "spec": spec,
        }
        path = self._create(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", body)
        return path.rpartition("/")[2]

    def run(self, pod: Pod, seconds: float) -> Outcome:
        """Create a pod and watch it to its end, or until it cannot start, or for `seconds`.

        Raises:
            ApiProblem: the API server refused something.
        """
        path = self.start(pod)
        outcome = self.watch(path, seconds)
        self.remove(path)
        return outcome

    def watch(self, path: str, seconds: float, *, until_line: bool = False) -> Outcome:
        """Watch a pod that was started.

        Args:
            path: What `start` gave.
            seconds: How long.
            until_line: Return as soon as it has written a line, though it still runs.

        Raises:
            ApiProblem: the API server refused something.
        """
        assert self._api is not None
        began = time.monotonic()
        while True:
            pod = self._api.get(path)
            late = time.monotonic() - began
            state, message = judge(pod, late)
            log = ""
            if state in ("succeeded", "failed") or (until_line and state == "running"):
                log = self._api.text(f"{path}/log")
            if state not in ("running", "starting") or (until_line and "\n" in log):
                return _outcome(pod, state, message, log)
            if late >= seconds:
                return _outcome(pod, "late", f"{state} after {seconds:g} s" + (f": {message}" if message else ""), log)
            time.sleep(POLL_SECONDS)

    def remove(self, path: str) -> None:
        """Delete one object now. What cannot be deleted is tried again by `close`."""
        assert self._api is not None
        with contextlib.suppress(ApiProblem):
            self._api.delete(path)
            with self._lock, contextlib.suppress(ValueError):
                self._made.remove(path)

    def remove_stale(self, namespace: str, now: datetime | None = None) -> int:
        """Delete what a killed doctor left in a namespace more than ten minutes ago; gives how many objects.

        Raises:
            ApiProblem: the API server refused to list or delete.
        """
        assert self._api is not None
        removed = 0
        for kind in ("pods", "persistentvolumeclaims"):
            folder = f"/api/v1/namespaces/{namespace}/{kind}"
            for item in self._api.items(folder, labelSelector=LABEL):
                age = (now or datetime.now(UTC)) - datetime.fromisoformat(item["metadata"]["creationTimestamp"])
                if age.total_seconds() > STALE_SECONDS:
                    self._api.delete(f"{folder}/{item['metadata']['name']}")
                    removed += 1
        return removed

    def close(self) -> list[str]:
        """Delete everything that was created and refuse to create more; gives what could not be deleted."""
        # Taking the lock waits for a creation under way, so that its object is in the list.
        with self._lock:
            self._closed = True
            made = list(self._made)
        for path in made:
            self.remove(path)
        return list(self._made)

    def _create(self, folder: str, body: Json) -> str:
        assert self._api is not None
        with self._lock:
            if self._closed:
                raise ApiProblem(0, "stopped", f"POST {folder}")
            # Listed before it exists: an answer that is lost on the way leaves an object too.
            path = f"{folder}/{body['metadata']['name']}"
            self._made.append(path)
            self._api.create(folder, body)
        return path


def judge(pod: Json, late: float) -> tuple[str, str]:
    """State of a pod and why: succeeded, failed, running, starting, unschedulable, or a reason of `STUCK`.

    Args:
        pod: As the API gives it.
        late: Seconds since it was created.
    """
    status = pod.get("status") or {}
    phase = status.get("phase")
    containers = status.get("containerStatuses") or [{}]
    state: dict[str, Any] = containers[0].get("state") or {}
    if phase in ("Succeeded", "Failed"):
        ended = state.get("terminated") or {}
        return phase.lower(), status.get("message") or ended.get("message") or ended.get("reason") or ""
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in STUCK:
        return waiting["reason"], waiting.get("message", "")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            stuck = condition.get("reason") == "Unschedulable" and late >= UNSCHEDULABLE_SECONDS
            return ("unschedulable" if stuck else "starting"), condition.get("message", "")
    return ("running" if "running" in state else "starting"), waiting.get("reason", "")


def pod_body(pod: Pod, probe_id: str) -> Json:
    """The pod's specification: nothing that PodSecurity restricted or a quota would refuse."""
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    volumes: list[Json] = [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}]
    if pod.claim:
        mounts.append({"name": "data", "mountPath": "/data"})
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": pod.claim}})
    source = (Path(__file__).parent / "in_pod" / pod.script).read_text(encoding="utf-8")
    container = {
        "name": "probe",
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", source],
        "env": list(pod.env),
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    spec: Json = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": POD_LIFE_SECONDS,
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
        "nodeSelector": dict(pod.node_selector),
        "tolerations": list(pod.tolerations),
        "imagePullSecrets": [{"name": name} for name in pod.pull_secrets],
    }
    if pod.service_account:
        spec["serviceAccountName"] = pod.service_account
    else:
        spec["automountServiceAccountToken"] = False
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(pod.name, probe_id), "spec": spec}


def _metadata(name: str, probe_id: str) -> Json:
    return {"name": f"touchstone-doctor-{name}-{probe_id}", "labels": {LABEL: probe_id}}


def _outcome(pod: Json, state: str, message: str, log: str) -> Outcome:
    containers = (pod.get("status") or {}).get("containerStatuses") or [{}]
    node = (pod.get("spec") or {}).get("nodeName", "")
    return Outcome(state, message, log, containers[0].get("imageID", ""), node)
