"""Puts a profile on the tasks of a pipeline: image, resources, accelerator, nodes, secrets, retries.

kfp writes these into the second document of the compiled YAML (the platform settings), beside the pipeline itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.cluster.profiles import Needs, Profile

STORE_KEYS = ("TOUCHSTONE_STORE", "TOUCHSTONE_S3_ENDPOINT", "TOUCHSTONE_S3_REGION", "TOUCHSTONE_PUSHGATEWAY")
SANDBOX_KEYS = ("TOUCHSTONE_SANDBOX_NAMESPACE", "TOUCHSTONE_SANDBOX_IMAGE", "TOUCHSTONE_SANDBOX_RUNTIME_CLASS")
RUNS_PROGRAMS = "run-programs"
"""The only task that may know where programs written by models run."""
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
RUN_LABEL = "metadata.labels['pipeline/runid']"
NO_RETRY = frozenset({"validate", "register", "report", "compare"})
"""Their failures are answers about data and settings, a policy's among them: the same attempt again gives the same."""


@dataclass(frozen=True)
class Placement:
    """Where the tasks of a pipeline run on a cluster."""

    profile: Profile
    images: Mapping[str, str] = field(default_factory=dict)
    """Logical name -> reference; a name that is missing stays as it is."""

    def apply_to_current_pipeline(self) -> None:
        """Place every task defined so far in the pipeline function that calls this."""
        for task in _current_tasks():
            self._place(task)

    def _place(self, task: Any) -> None:
        logical = task.container_spec.image
        needs = self.profile.needs(logical)
        task.container_spec.image = self.images.get(logical, logical)
        _set_resources(task, needs)
        self._set_pod(task, needs)
        if task.component_spec.name not in NO_RETRY and needs.retries:
            task.set_retry(needs.retries, backoff_duration="10s", backoff_factor=2.0, backoff_max_duration="600s")

    def _set_pod(self, task: Any, needs: Needs) -> None:
        from kfp import kubernetes

        for key, value in needs.node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        for taint in needs.tolerations:
            kubernetes.add_toleration(task, taint.key, taint.operator, taint.value, taint.effect)
        if needs.shared_memory:
            kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=needs.shared_memory)
        if needs.timeout_seconds:
            kubernetes.set_timeout(task, needs.timeout_seconds)
        if self.profile.image_pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(self.profile.image_pull_secrets))
        kubernetes.set_security_context(task, run_as_user=self.profile.run_as_user, run_as_non_root=True)
        # Optional, so that a cluster without the chart runs the pipelines too, on Kubeflow's own store alone.
        sandbox = SANDBOX_KEYS if task.component_spec.name == RUNS_PROGRAMS else ()
        names = {key: key for key in (*STORE_KEYS, *sandbox)}
        kubernetes.use_config_map_as_env(task, self.profile.config_map, names, optional=True)
        secrets = {key: key for key in SECRET_KEYS}
        kubernetes.use_secret_as_env(task, self.profile.secret, secrets, optional=True)
        kubernetes.use_field_path_as_env(task, "TOUCHSTONE_RUN", RUN_LABEL)
        kubernetes.use_field_path_as_env(task, "TOUCHSTONE_NAMESPACE", "metadata.namespace")


def label_tasks() -> None:
    """Call every task of the current pipeline by its step and the `name` in its parameters, as progress does.

    A task without one has the name of those whose outputs it reads, where that is one.
    """
    names: dict[str, str] = {}
    for task in _current_tasks():
        params = task.inputs.get("params")
        given = params.get("name") if isinstance(params, dict) else ""
        read = {names.get(channel.task_name, "") for channel in task.channel_inputs if channel.task_name}
        names[task.name] = given or (read.pop() if len(read) == 1 else "")
        task.set_display_name(f"{task.component_spec.name.replace('-', '_')} {names[task.name]}".strip())


def _current_tasks() -> list[Any]:
    from kfp.dsl import pipeline_context

    tasks = pipeline_context.Pipeline.get_default_pipeline().tasks.values()
    # A nested pipeline has no container; its own function places its tasks.
    return [task for task in tasks if task.container_spec is not None]


def _set_resources(task: Any, needs: Needs) -> None:
    from kfp.dsl import structures

    # Set at once: each of kfp's setters (`set_cpu_request`, ...) inspects the whole call stack, which for the tasks of
    # one study took longer than compiling it.
    task.container_spec.resources = structures.ResourceSpec(
        cpu_request=needs.cpu,
        memory_request=needs.memory,
        memory_limit=needs.memory,
        accelerator_type=needs.accelerator.resource if needs.accelerator else None,
        accelerator_count=str(needs.accelerator.count) if needs.accelerator else None,
    )
