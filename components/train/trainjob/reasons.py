"""Why a TrainJob does not run or did not end well, read from Kubernetes objects. Pure functions of their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.train.trainjob.cluster import Object
from components.train.trainjob.pod_reasons import endings, waits
from components.train.trainjob.trouble import Trouble, condition

NOT_CREATED = frozenset({"FailedCreate", "TrainJobResourcesCreationFailed"})
"""Events that tell why there are no pods: quota, PodSecurity, a template that the server refuses."""


def waiting(job: Object, pods: Iterable[Object], events: Sequence[Object]) -> list[Trouble]:
    """What keeps a TrainJob from running, though it has not failed: most certain first."""
    name = job["metadata"]["name"]
    if condition(job, "Suspended"):
        return [_suspended(job)]
    pods = list(pods)
    troubles = [trouble for pod in pods for trouble in waits(name, pod, events)]
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
    pods = list(pods)
    ended = endings(name, pods)
    if ended:
        return ended[0]
    stuck = [trouble for pod in pods for trouble in waits(name, pod, events)] or _refused_pods(job, events)
    if stuck:
        return stuck[0]
    reason = f"{told.get('reason', 'no reason given')}: {told.get('message', '')}".rstrip(": ")
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
    return _refused_pods(job, events) or [
        Trouble(
            "not-created",
            f"nothing makes pods for TrainJob {job['metadata']['name']}",
            "Kubeflow Trainer's controller and JobSet's, running",
            "kubectl get pods -A -l app.kubernetes.io/name=kubeflow-trainer; kubectl get pods -A | grep jobset",
        )
    ]


def _refused_pods(job: Object, events: Sequence[Object]) -> list[Trouble]:
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    told = [event for event in events if event.get("reason") in NOT_CREATED and event.get("type") == "Warning"]
    if not told:
        return []
    return [
        Trouble(
            "not-created",
            f"no pods are made for TrainJob {name}: {told[-1].get('message', '')}",
            "a namespace whose quota and PodSecurity level admit the runtime's pods",
            f"kubectl -n {namespace} get resourcequota; kubectl -n {namespace} describe trainjob {name}",
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
