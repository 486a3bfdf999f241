"""What a pod's status says of it: why it waits, how it ended. Pure functions of its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from components.train.trainjob.cluster import Object
from components.train.trainjob.trouble import Trouble, condition

PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
)
HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
CONFIGURATION_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
SIGNALS = {137: "killed (SIGKILL)", 143: "told to stop (SIGTERM)", 139: "segmentation fault", 134: "aborted"}


def endings(name: str, pods: Iterable[Object]) -> list[Trouble]:
    """How containers of these pods ended, if not with 0: what happened first comes first.

    Args:
        name: Of the TrainJob.
        pods: Its pods.
    """
    found: list[tuple[str, int, Trouble]] = []
    for pod in pods:
        disrupted = condition(pod, "DisruptionTarget")
        if pod.get("status", {}).get("reason") == "Evicted" or disrupted:
            found.append((_first_end(pod), 0, _disruption(name, pod, disrupted or {})))
            continue
        for status in statuses(pod):
            ended = _ended(status)
            if ended and (ended.get("exitCode") or ended.get("reason") == "OOMKilled"):
                # Times are whole seconds: of two ends within one, the one that was suffered is the cause.
                order = 1 if ended.get("reason") == "OOMKilled" else 2
                found.append((str(ended.get("finishedAt") or "9"), order, _ending(name, pod, status, ended)))
    return [trouble for _, _, trouble in sorted(found, key=lambda entry: entry[:2])]


def _ended(status: Object) -> Object | None:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    ended: Object | None = state.get("terminated") or last.get("terminated")
    return ended


def _first_end(pod: Object) -> str:
    ends = [str(ended.get("finishedAt") or "9") for status in statuses(pod) if (ended := _ended(status))]
    return min(ends, default="9")


def _ending(name: str, pod: Object, status: Object, ended: Object) -> Trouble:
    place = {"pod": pod["metadata"]["name"], "container": status["name"]}
    where = f"container {status['name']} of pod {place['pod']}"
    if ended.get("reason") == "OOMKilled":
        limit = _container(pod, status["name"]).get("resources", {}).get("limits", {}).get("memory")
        said = f"its memory limit is {limit}" if limit else "it has no memory limit: the node itself ran out"
        return Trouble(
            "oom",
            f"{where} was killed for its memory (OOMKilled, exit code {ended['exitCode']}); {said}",
            "a training that fits its memory",
            "raise cluster.memory, or lower batch_size or block_tokens in the recipe of the train step",
            **place,
        )
    code = ended.get("exitCode")
    meaning = f", {SIGNALS[code]}" if code in SIGNALS else ""
    if ended.get("reason") not in {None, "Error", "Completed"}:
        meaning += f", {ended['reason']}: {ended.get('message', '')}".rstrip(": ")
    return Trouble(
        "crash",
        f"{where} ended with exit code {code}{meaning}",
        "exit code 0",
        f"kubectl -n {pod['metadata']['namespace']} logs {place['pod']} -c {status['name']}; "
        f"mend the cause, then run again with cluster.retry: true (TrainJob {name} is kept until then)",
        **place,
    )


def _disruption(name: str, pod: Object, disrupted: Object) -> Trouble:
    status = pod["status"]
    reason = disrupted.get("reason") or status.get("reason")
    message = disrupted.get("message") or status.get("message") or ""
    return Trouble(
        "disrupted",
        f"pod {pod['metadata']['name']} was taken from its node ({reason}): {message}".rstrip(": "),
        "a node that stays for the whole training",
        f"run again with cluster.retry: true (TrainJob {name} is kept until then); restarts after a preemption are "
        "the runtime's failurePolicy",
        pod=pod["metadata"]["name"],
    )


def waits(name: str, pod: Object, events: Sequence[Object]) -> list[Trouble]:
    """What keeps a pod from running.

    Args:
        name: Of the TrainJob.
        pod: One of its pods.
        events: Of the TrainJob and all that belongs to it.
    """
    for entry in pod.get("status", {}).get("conditions") or []:
        if entry["type"] == "PodScheduled" and entry["status"] == "False":
            return [_unschedulable(name, pod, entry)]
    found = []
    for status in statuses(pod):
        held = (status.get("state") or {}).get("waiting") or {}
        if held.get("reason") in PULL_REASONS:
            found.append(_image(pod, status, held, events))
        elif held.get("reason") in CONFIGURATION_REASONS:
            found.append(_configuration(pod, status, held))
    return found


def _unschedulable(name: str, pod: Object, entry: Object) -> Trouble:
    spec = pod["spec"]
    wanted: dict[str, str] = {}
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        wanted |= {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    labels = ",".join(f"{key}={value}" for key, value in sorted((spec.get("nodeSelector") or {}).items()))
    tolerated = sorted(
        f"{entry.get('key', '')}={entry.get('value', '')}:{entry.get('effect', '')}".replace("=:", ":")
        for entry in spec.get("tolerations") or []
        if not entry.get("key", "").startswith("node.kubernetes.io/")
    )
    free = ", ".join(f"{amount} of {resource}" for resource, amount in sorted(wanted.items())) or "room"
    expected = f"a node with {free} free" + (f", labelled {labels}" if labels else "")
    expected += f", with no taint but {', '.join(tolerated)}" if tolerated else ", without taints"
    return Trouble(
        "unschedulable",
        f"no node takes pod {pod['metadata']['name']} of TrainJob {name} "
        f"({entry.get('reason')}): {entry.get('message', '')}",
        expected,
        f"kubectl get nodes{f' -l {labels}' if labels else ''}; add nodes to the pool, or ask for less "
        "(cluster.gpus_per_node, cluster.memory, cluster.cpu, cluster.nodes)",
        pod=pod["metadata"]["name"],
    )


def _image(pod: Object, status: Object, held: Object, events: Sequence[Object]) -> Trouble:
    # The waiting reason soon becomes "Back-off"; what the registry said stays in the event.
    told = [
        str(event.get("message", ""))
        for event in events
        if event["involvedObject"].get("name") == pod["metadata"]["name"] and event.get("reason") == "Failed"
    ]
    image = _container(pod, status["name"]).get("image", status.get("image", ""))
    registry = next((line for line in reversed(told) if "Failed to pull image" in line), "")
    return Trouble(
        "image",
        f"image {image} of pod {pod['metadata']['name']} cannot be had ({held['reason']}): "
        f"{registry or held.get('message', '')}",
        "an image that the nodes hold or may pull",
        "check the image's name and digest (cluster.image, or the runtime's), and the namespace's pull secret",
        pod=pod["metadata"]["name"],
        hopeless=held["reason"] in HOPELESS,
    )


def _configuration(pod: Object, status: Object, held: Object) -> Trouble:
    return Trouble(
        "configuration",
        f"container {status['name']} of pod {pod['metadata']['name']} cannot be started "
        f"({held['reason']}): {held.get('message', '')}",
        "the ConfigMap touchstone and the Secret touchstone-s3 in the pipeline's namespace, as the chart makes them",
        f"kubectl -n {pod['metadata']['namespace']} get configmap touchstone secret/touchstone-s3",
        pod=pod["metadata"]["name"],
    )


def statuses(pod: Object) -> list[Any]:
    """The states of all its containers, those that prepare it first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _container(pod: Object, name: str) -> Object:
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        if container["name"] == name:
            found: Object = container
            return found
    return {}
