"""Boxes on a cluster: one locked pod for a batch of programs, its two containers the two boxes.

Containers of a pod share its network namespace and nothing else here: no process namespace, no volume. The verifier's
container is given the batch and the token in its environment, which the program's container cannot see; the pod's
spec can be read by nobody in it, for it holds no token of the API.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from components.benchmark.sandbox.isolation import FLAGS
from components.benchmark.sandbox.scripts import script
from components.benchmark.sandbox.work import Limits, Program
from components.contracts.environment import SandboxPlace

PYTHON = "/bin/python"
ACCOUNT = "sandbox"
"""The chart's account of this namespace, whose token is given to nobody."""
MAX_PROGRAMS = 500
MAX_BATCH_CHARS = 600_000
"""Of the environment: a pod is one object of the API, which takes 1.5 MB."""
PART_CHARS = 100_000
"""Of one variable; the kernel takes 128 KiB."""
SECONDS_EACH = 1.5
"""What a program may take beyond its own time."""
SECONDS_MORE = 180
FIRST_USER, USERS = 100_000, 1 << 30
"""Process limits are counted by user on the whole node: every box is a user of its own."""
VERIFIER_MEMORY = "1Gi"
LABELS = {
    "app.kubernetes.io/name": "touchstone",
    "app.kubernetes.io/component": "sandbox",
    "app.kubernetes.io/part-of": "touchstone",
}


def packed(programs: Sequence[Program], limits: Limits) -> str:
    """A batch as text: every item once, every program with its item's number."""
    items: dict[tuple[str, str, str], int] = {}
    for program in programs:
        items.setdefault((program.head, program.tests, program.entry_point), len(items))
    batch = {
        "limits": limits.job(),
        "items": [{"head": head, "tests": tests, "entry_point": name} for head, tests, name in items],
        "programs": [
            {"key": p.key, "item": items[p.head, p.tests, p.entry_point], "source": p.source} for p in programs
        ],
    }
    return base64.b64encode(zlib.compress(json.dumps(batch).encode("ascii"), 9)).decode("ascii")


def batches(programs: Sequence[Program], limits: Limits, workers: int) -> Iterator[Sequence[Program]]:
    """Programs in batches that fit a pod, about as many as there are workers. A batch of one may be too large."""
    size = max(1, min(MAX_PROGRAMS, math.ceil(len(programs) / max(1, workers))))
    for first in range(0, len(programs), size):
        yield from _fitting(programs[first : first + size], limits)


def _fitting(programs: Sequence[Program], limits: Limits) -> Iterator[Sequence[Program]]:
    if len(programs) == 1 or fits(programs, limits):
        yield programs
        return
    middle = len(programs) // 2
    yield from _fitting(programs[:middle], limits)
    yield from _fitting(programs[middle:], limits)


def fits(programs: Sequence[Program], limits: Limits) -> bool:
    """Whether a batch can be given to one pod."""
    return len(packed(programs, limits)) <= MAX_BATCH_CHARS


def pod(programs: Sequence[Program], place: SandboxPlace, limits: Limits, token: str) -> dict[str, Any]:
    """The pod that runs a batch, under PodSecurity's restricted level.

    Args:
        programs: The batch.
        place: Namespace, image and runtime class.
        limits: Of each program.
        token: Begins every line that counts.
    """
    name = f"programs-{secrets.token_hex(8)}"
    text = packed(programs, limits)
    parts = [text[at : at + PART_CHARS] for at in range(0, len(text), PART_CHARS)]
    batch = {"TOUCHSTONE_TOKEN": token, "TOUCHSTONE_BATCH_PARTS": str(len(parts))}
    batch |= {f"TOUCHSTONE_BATCH_{number}": part for number, part in enumerate(parts)}
    scratch = limits.scratch_bytes >> 20
    memory = f"{limits.memory_mib + scratch + 256}Mi"
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "hostname": "box",
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": math.ceil(len(programs) * (limits.timeout_seconds + SECONDS_EACH)) + SECONDS_MORE,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            _container("run", "program", name, place.image, {"PYTHONHASHSEED": "0"}, memory),
            _container("verify", "verifier", name, place.image, {"PYTHONHASHSEED": "0", **batch}, VERIFIER_MEMORY),
        ],
        "volumes": [
            {"name": f"{box}-tmp", "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Mi"}}
            for box, size in (("run", scratch), ("verify", 16))
        ],
    }
    if place.runtime_class:
        spec["runtimeClassName"] = place.runtime_class
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": LABELS}, "spec": spec}


def _container(
    name: str, box: Any, socket_name: str, image: str, variables: dict[str, str], memory: str
) -> dict[str, Any]:
    user = FIRST_USER + secrets.randbelow(USERS)
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [PYTHON, *FLAGS, "-c", script(box), f"socket:{socket_name}"],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "workingDir": "/tmp",
        "resources": {
            "requests": {"cpu": "500m", "memory": memory, "ephemeral-storage": "16Mi"},
            "limits": {"cpu": "1", "memory": memory, "ephemeral-storage": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsUser": user,
            "runAsGroup": user,
        },
        "volumeMounts": [{"name": f"{name}-tmp", "mountPath": "/tmp"}],
    }
