"""For every kind of task: is there a node that could take it when idle?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from pipelines.cluster.profiles import Needs, Toleration
from pipelines.doctor.api import Json
from pipelines.doctor.finding import Finding, failed, ok, warning
from pipelines.doctor.scope import Scope

KINDS = ("cpu", "train", "generate")
PRESENT = "present"
"""Value of the taint on accelerator nodes."""
DEVICE_PLUGINS = {
    "nvidia.com/gpu": "install NVIDIA's device plugin or GPU operator on the pool",
    "google.com/tpu": "make the pool with a TPU machine type; GKE brings the device plugin",
}


def check_nodes(scope: Scope) -> list[Finding]:
    """One finding for every different set of needs of the profile."""
    nodes = scope.api.items("/api/v1/nodes")
    kinds: list[tuple[Needs, list[str]]] = []
    for kind in KINDS:
        needs: Needs = getattr(scope.options.profile, kind)
        known = next((names for other, names in kinds if other == needs), None)
        if known is None:
            kinds.append((needs, [kind]))
        else:
            known.append(kind)
    return [judge_nodes(nodes, needs, f"{', '.join(names)} tasks") for needs, names in kinds]


def judge_nodes(nodes: Sequence[Json], needs: Needs, subject: str) -> Finding:
    """Whether some node is ready, labelled, tolerated and large enough for a task.

    Args:
        nodes: As the API lists them.
        needs: What the task asks for.
        subject: For the finding.
    """
    expected = describe(needs)
    ready = [node for node in nodes if _ready(node)]
    if not ready:
        found = f"none of {len(nodes)} nodes is ready and open for pods"
        return failed(found, expected=expected, remedy="kubectl get nodes; kubectl uncordon NODE", subject=subject)
    labelled = [node for node in ready if _has(node, needs.node_selector)]
    if not labelled:
        wanted = " ".join(f"{key}={value}" for key, value in needs.node_selector.items())
        found = f"no ready node carries {wanted.replace(' ', ' and ')}"
        remedy = f"kubectl label node NODE {wanted} (a pool that scales from zero: start one node, then ask again)"
        return failed(found, expected=expected, remedy=remedy, subject=subject)
    open_to = [node for node in labelled if not _refusing(node, needs.tolerations)]
    if not open_to:
        taints = "; ".join(f"{_name(n)}: {', '.join(_refusing(n, needs.tolerations))}" for n in labelled)
        key = _refusing(labelled[0], needs.tolerations)[0].partition("=")[0].partition(":")[0]
        remedy = f"kubectl taint node {_name(labelled[0])} {key}- (or tolerate it: --profile FILE)"
        return failed(f"taints keep tasks away: {taints}", expected=expected, remedy=remedy, subject=subject)
    return _judge_size(open_to, needs, expected, subject)


def describe(needs: Needs) -> str:
    """What a task asks for, in a line."""
    parts = [f"{needs.cpu} CPU", f"{needs.memory} memory"]
    if needs.accelerator:
        parts.append(f"{needs.accelerator.count} {needs.accelerator.resource}")
    where = " ".join(f"{key}={value}" for key, value in needs.node_selector.items())
    return f"one ready node with {', '.join(parts)}" + (f" and the label {where}" if where else "")


def quantity(text: object) -> Decimal:
    """A Kubernetes quantity as a number; 0 where there is none."""
    from kubernetes.utils.quantity import parse_quantity

    try:
        return Decimal(parse_quantity(str(text or 0)))
    except (ValueError, InvalidOperation):
        return Decimal(0)


def _judge_size(nodes: Sequence[Json], needs: Needs, expected: str, subject: str) -> Finding:
    accelerator = needs.accelerator
    if accelerator:
        best = max(nodes, key=lambda node: quantity(_allocatable(node, accelerator.resource)))
        count = quantity(_allocatable(best, accelerator.resource))
        if count < accelerator.count:
            found = f"{_name(best)} offers {count} {accelerator.resource}, no node more"
            plugin = DEVICE_PLUGINS.get(accelerator.resource, "install the device plugin on the pool")
            return failed(
                found, expected=expected, remedy=f"{plugin}; then: kubectl describe node {_name(best)}", subject=subject
            )
        nodes = [node for node in nodes if quantity(_allocatable(node, accelerator.resource)) >= accelerator.count]
    fitting = [
        node
        for node in nodes
        if quantity(_allocatable(node, "cpu")) >= quantity(needs.cpu)
        and quantity(_allocatable(node, "memory")) >= quantity(needs.memory)
    ]
    if not fitting:
        best = max(nodes, key=lambda node: quantity(_allocatable(node, "memory")))
        found = f"the largest, {_name(best)}, has {_size(best)}"
        remedy = "add a larger node, or ask for less: touchstone doctor --profile FILE, then submit with the same"
        return failed(found, expected=expected, remedy=remedy, subject=subject)
    more = f" and {len(fitting) - 1} more" if len(fitting) > 1 else ""
    found = f"{_name(fitting[0])} with {_size(fitting[0])}{more}"
    open_pool = [node for node in fitting if accelerator and not _tainted(node, accelerator.resource)]
    if accelerator and open_pool:
        command = f"kubectl taint node {_name(open_pool[0])} {accelerator.resource}={PRESENT}:NoSchedule"
        return warning(
            f"{_name(open_pool[0])} has no taint {accelerator.resource}",
            expected="the taint; without it other pods fill the accelerator's node and tasks wait",
            remedy=command,
            subject=subject,
        )
    return ok(found, subject=subject)


def _ready(node: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    is_ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return is_ready and not (node.get("spec") or {}).get("unschedulable")


def _has(node: Json, labels: Mapping[str, str]) -> bool:
    there = node["metadata"].get("labels") or {}
    return all(there.get(key) == value for key, value in labels.items())


def _refusing(node: Json, tolerations: Sequence[Toleration]) -> list[str]:
    taints = (node.get("spec") or {}).get("taints") or ()
    hard = [taint for taint in taints if taint.get("effect") in ("NoSchedule", "NoExecute")]
    return [_taint(taint) for taint in hard if not any(_tolerates(one, taint) for one in tolerations)]


def _tolerates(toleration: Toleration, taint: Json) -> bool:
    same_effect = toleration.effect in (None, taint.get("effect"))
    same_value = toleration.operator == "Exists" or (toleration.value or "") == (taint.get("value") or "")
    return toleration.key == taint.get("key") and same_effect and same_value


def _taint(taint: Json) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key')}{value}:{taint.get('effect')}"


def _tainted(node: Json, key: str) -> bool:
    return any(taint.get("key") == key for taint in (node.get("spec") or {}).get("taints") or ())


def _allocatable(node: Json, resource: str) -> str:
    return str(((node.get("status") or {}).get("allocatable") or {}).get(resource, "0"))


def _size(node: Json) -> str:
    gib = quantity(_allocatable(node, "memory")) / 2**30
    return f"{_allocatable(node, 'cpu')} CPU and {gib:.1f} GiB"


def _name(node: Json) -> str:
    return str(node["metadata"]["name"])
