"""What the steps of a run said, read from their pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.contracts.errors import TouchstoneError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

RUN_LABEL = "pipeline/runid"
NODE_NAME = "workflows.argoproj.io/node-name"
STEP_CONTAINER = "main"
EXECUTOR = re.compile(r"^[^.]+\.root\.(?P<task>.+)\.executor(\(\d+\))?$")
"""Argo's name for the node that ran a step: WORKFLOW.root.TASK.executor(ATTEMPT)."""
MACHINERY = re.compile(r"^([IWEF]\d{4} \d\d:\d\d:\d\d|time=\S+ level=\w+ msg=.* argo=true)")
"""Lines of Kubeflow's launcher and of Argo's, which share the step's container."""


@dataclass(frozen=True)
class StepPod:
    """A pod in which a step of a run was executed."""

    pod: str
    """Name of the pod."""
    task: str
    """Name of the task in the pipeline."""
    phase: str
    """Pending, Running, Succeeded, Failed."""


def step_pods(namespace: str, run_id: str) -> list[StepPod]:
    """The pods of a run that executed steps (drivers are left out), oldest first.

    Raises:
        TouchstoneError: the cluster cannot be reached or refuses, or has no pod of the run.
    """
    core = _core()
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        found = core.list_namespaced_pod(namespace, label_selector=f"{RUN_LABEL}={run_id}").items
    except (ApiException, HTTPError) as error:
        raise TouchstoneError(
            f"cannot list the pods of namespace {namespace}: {str(error).splitlines()[0]}",
            remedy=f"kubectl auth can-i list pods -n {namespace}",
        ) from error
    if not found:
        raise TouchstoneError(
            f"namespace {namespace} has no pods of run {run_id}",
            expected="pods are kept until the run's time to live ends",
            remedy="give the run's namespace with --namespace, or read the logs in the Kubeflow UI",
        )
    found.sort(key=lambda pod: pod.metadata.creation_timestamp)
    nodes = [(pod, EXECUTOR.match((pod.metadata.annotations or {}).get(NODE_NAME, ""))) for pod in found]
    return [StepPod(pod.metadata.name, node["task"], pod.status.phase) for pod, node in nodes if node]


def phases(namespace: str, run_id: str) -> dict[str, str]:
    """Task -> phase of its newest pod; empty where the pods cannot be seen, or are gone."""
    try:
        return {step.task: step.phase for step in step_pods(namespace, run_id)}
    except TouchstoneError:
        return {}


def read(namespace: str, pod: str, *, whole: bool = False) -> Iterator[str]:
    """Lines a step wrote; with `whole`, also those of the machinery around it.

    Raises:
        TouchstoneError: the pod is gone or its log may not be read.
    """
    from kubernetes.client.exceptions import ApiException

    try:
        text = str(_core().read_namespaced_pod_log(pod, namespace, container=STEP_CONTAINER))
    except ApiException as error:
        raise TouchstoneError(
            f"no log of pod {pod}: {error.reason}", remedy=f"kubectl -n {namespace} describe pod {pod}"
        ) from error
    yield from (line for line in text.splitlines() if whole or not MACHINERY.match(line))


def _core() -> CoreV1Api:
    from kubernetes import client, config

    try:
        config.load_config()
    except config.ConfigException as error:
        raise TouchstoneError(
            f"no cluster to ask: {error}", expected="a kubeconfig", remedy="export KUBECONFIG=/path/to/kubeconfig"
        ) from error
    return client.CoreV1Api()
