"""Why a TrainJob does not run or did not end well, read from Kubernetes objects. Pure functions of their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.contracts.errors import TouchstoneError
from components.train.trainjob.cluster import Object

Kind = Literal[
    "unschedulable",
    "suspended",
    "image",
    "configuration",
    "not-created",
    "oom",
    "disrupted",
    "crash",
    "deadline",
    "runtime",
    "failed",
]

STARTING: frozenset[Kind] = frozenset({"unschedulable", "suspended"})
"""What time may mend: an autoscaler brings nodes, a queue lets the job in."""
PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
)
HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
CONFIGURATION_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
NOT_CREATED = frozenset({"FailedCreate", "TrainJobResourcesCreationFailed"})
"""Events that tell why there are no pods: quota, PodSecurity, a template that the server refuses."""
SIGNALS = {137: "killed (SIGKILL)", 143: "told to stop (SIGTERM)", 139: "segmentation fault", 134: "aborted"}


@dataclass(frozen=True)
class Trouble:
    """One reason, as a person needs it."""

    kind: Kind
    """What sort of reason; how long it is tolerated depends on it."""
    found: str
    """What was met."""
    expected: str
    """What would have been fine."""
    remedy: str
    """What to type or change."""
    pod: str = ""
    """The pod it was seen on, if on one."""
    container: str = ""
    """The container that ended, if one did."""
    hopeless: bool = False
    """Whether waiting is certain not to help."""

    def error(self, last_lines: Sequence[str] = ()) -> TouchstoneError:
        """The reason as an error; `last_lines` are what the container wrote last."""
        said = "".join(f"\n    {line}" for line in last_lines)
        found = f"{self.found}; its last lines:{said}" if last_lines else self.found
        return TouchstoneError(found, expected=self.expected, remedy=self.remedy)


def condition(item: Object, kind: str) -> Object | None:
    """The condition of that type whose status is True."""
    for entry in item.get("status", {}).get("conditions") or []:
        if entry["type"] == kind and entry["status"] == "True":
            found: Object = entry
            return found
    return None


def waiting(job: Object, pods: Iterable[Object], events: Sequence[Object]) -> list[Trouble]:
    """What keeps a TrainJob from running, though it has not failed: most certain first."""
    name = job["metadata"]["name"]
    if condition(job, "Suspended"):
        return [_suspended(job)]
    pods = list(pods)
    troubles = [trouble for pod in pods for trouble in _pod_waits(name, pod, events)]
    if not pods and not troubles:
        troubles = _not_created(job, events)
    return sorted(troubles, key=lambda trouble: not trouble.hopeless)


def failure(job: Object, pods: Iterable[Object], events: Sequence[Object]) -> Trouble:
    """Why a TrainJob has the condition Failed.

    The pod that ended first is the cause: when one process of a training dies, the others die of its silence.

    Args:
        job: The TrainJob.
        pods: Its pods, those that are gone included where they were seen to end.
        events: Its events.
    """
    name = job["metadata"]["name"]
    told = condition(job, "Failed") or {}
    if told.get("reason") == "DeadlineExceeded":
        return _deadline(job)
    if told.get("reason") == "TrainingRuntimeNotSupported":
        return runtime_missing(job["spec"]["runtimeRef"]["name"], str(told.get("message", "")))
    ended = _endings(name, pods)
    if ended:
        return ended[0]
    stuck = [trouble for pod in pods for trouble in _pod_waits(name, pod, events)] or _not_created(job, events)
    reason = f"{told.get('reason', 'no reason given')}: {told.get('message', '')}".rstrip(": ")
    if stuck and stuck[0].kind != "failed":
        return stuck[0]
    return Trouble(
        "failed",
        f"TrainJob {name} failed ({reason})",
        "a training whose pods all end with exit code 0",
        f"kubectl -n {job['metadata']['namespace']} describe trainjob {name}",
    )


def runtime_missing(runtime: str, told: str = "") -> Trouble:
    """There is no such ClusterTrainingRuntime."""
    return Trouble(
        "runtime",
        f"the cluster has no ClusterTrainingRuntime {runtime}" + (f" ({told})" if told else ""),
        "one of the runtimes that the chart installs: touchstone-torch, touchstone-deepspeed, touchstone-tpu",
        "kubectl get clustertrainingruntimes; helm upgrade --install touchstone charts/touchstone",
        hopeless=True,
    )


def endings(name: str, pod: Object) -> list[Trouble]:
    """How a pod's containers ended, if not with 0."""
    return _endings(name, [pod])


def _endings(name: str, pods: Iterable[Object]) -> list[Trouble]:
    found: list[tuple[str, int, Trouble]] = []
    for pod in pods:
        disrupted = condition(pod, "DisruptionTarget")
        if pod.get("status", {}).get("reason") == "Evicted" or disrupted:
            found.append((_first_end(pod), 0, _disruption(name, pod, disrupted or {})))
            continue
        for status in _statuses(pod):
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
    ends = [str(ended.get("finishedAt") or "9") for status in _statuses(pod) if (ended := _ended(status))]
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


def _pod_waits(name: str, pod: Object, events: Sequence[Object]) -> list[Trouble]:
    for entry in pod.get("status", {}).get("conditions") or []:
        if entry["type"] == "PodScheduled" and entry["status"] == "False":
            return [_unschedulable(name, pod, entry)]
    found = []
    for status in _statuses(pod):
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


def _suspended(job: Object) -> Trouble:
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    return Trouble(
        "suspended",
        f"TrainJob {name} is suspended",
        "a queue (Kueue) that lets it in, or a person who resumes it",
        f"kubectl -n {namespace} get workloads; or resume it and run the same command again: "
        f"""kubectl -n {namespace} patch trainjob {name} --type merge -p '{{"spec": {{"suspend": false}}}}'""",
    )


def _not_created(job: Object, events: Sequence[Object]) -> list[Trouble]:
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    told = [event for event in events if event.get("reason") in NOT_CREATED and event.get("type") == "Warning"]
    if told:
        return [
            Trouble(
                "not-created",
                f"no pods are made for TrainJob {name}: {told[-1].get('message', '')}",
                "a namespace whose quota and PodSecurity level admit the runtime's pods",
                f"kubectl -n {namespace} get resourcequota; kubectl -n {namespace} describe trainjob {name}",
            )
        ]
    return [
        Trouble(
            "not-created",
            f"nothing makes pods for TrainJob {name}",
            "Kubeflow Trainer's controller and JobSet's, running",
            "kubectl get pods -A -l app.kubernetes.io/name=kubeflow-trainer; kubectl get pods -A | grep jobset",
        )
    ]


def _deadline(job: Object) -> Trouble:
    allowed = job["spec"].get("activeDeadlineSeconds")
    return Trouble(
        "deadline",
        f"TrainJob {job['metadata']['name']} was stopped at its deadline of {allowed} s",
        "a training that ends in time",
        "raise cluster.deadline_seconds, or train with more nodes",
    )


def _statuses(pod: Object) -> list[Any]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _container(pod: Object, name: str) -> Object:
    spec = pod["spec"]
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        if container["name"] == name:
            found: Object = container
            return found
    return {}
