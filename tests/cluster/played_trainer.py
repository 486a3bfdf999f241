"""The Trainer's controller, played: on a real API server, for TrainJobs of one namespace.

It does what the tests need and what the controller is known to do: makes the runtime's pods (an Indexed Job stands for
the JobSet), and writes the conditions Suspended, Complete, Failed and the jobs' counts into the TrainJob's status.
Not played: several replicated jobs, patches, restarts by a failure policy, gang scheduling.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import threading
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

GROUP, VERSION = "trainer.kubeflow.org", "v1alpha1"
Object = dict[str, Any]


def now() -> str:
    """This moment as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str, status: str, reason: str, message: str) -> Object:
    """An entry of status.conditions."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}


class PlayedTrainer:
    """Runs in a thread until `stop`."""

    def __init__(self, kube: client.ApiClient, namespace: str) -> None:
        self._custom, self._batch = client.CustomObjectsApi(kube), client.BatchV1Api(kube)
        self._core, self._kube = client.CoreV1Api(kube), kube
        self._namespace = namespace
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.problems: list[Exception] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and raise what went wrong."""
        self._stopped.set()
        self._thread.join()
        if self.problems:
            raise self.problems[0]

    def _work(self) -> None:
        while not self._stopped.wait(0.2):
            try:
                listed = self._custom.list_namespaced_custom_object(GROUP, VERSION, self._namespace, "trainjobs")
                for job in listed["items"]:
                    if not job["metadata"].get("deletionTimestamp") and not _finished(job):
                        self._reconcile(job)
            except ApiException as error:
                # Deleted or changed under our hands, as happens to every controller.
                if error.status not in {404, 409}:
                    self.problems.append(error)
                    return

    def _reconcile(self, job: Object) -> None:
        spec, name = job["spec"], job["metadata"]["name"]
        if spec.get("suspend"):
            self._set(job, condition("Suspended", "True", "Suspended", "TrainJob is suspended"))
            return
        try:
            runtime = self._custom.get_cluster_custom_object(
                GROUP, VERSION, "clustertrainingruntimes", spec["runtimeRef"]["name"]
            )
        except ApiException:
            message = f"unsupported runtime: {spec['runtimeRef']['name']}"
            self._set(job, condition("Failed", "True", "TrainingRuntimeNotSupported", message))
            return
        with contextlib.suppress(ApiException):  # It exists from the second look on.
            self._batch.create_namespaced_job(self._namespace, job_of(job, runtime))
        self._report(job, self._batch.read_namespaced_job(f"{name}-node-0", self._namespace))

    def _report(self, job: Object, child: client.V1Job) -> None:
        ended = {entry.type for entry in child.status.conditions or [] if entry.status == "True"}
        limit = job["spec"].get("activeDeadlineSeconds")
        age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(
            job["metadata"]["creationTimestamp"]
        )
        if "Complete" in ended:
            self._set(job, condition("Complete", "True", "AllJobsCompleted", "jobset completed successfully"))
        elif "Failed" in ended:
            message = "jobset failed due to one or more job failures"
            self._set(job, condition("Failed", "True", "FailedJobs", message))
        elif limit and age.total_seconds() > limit:
            self._set(job, condition("Failed", "True", "DeadlineExceeded", "TrainJob exceeded its active deadline"))
            self._batch.delete_namespaced_job(child.metadata.name, self._namespace, propagation_policy="Background")

    def _set(self, job: Object, entry: Object) -> None:
        ended = entry["type"] in {"Complete", "Failed"}
        succeeded, failed = int(entry["type"] == "Complete"), int(entry["type"] == "Failed")
        counts = {"active": int(not ended), "ready": 0, "suspended": 0, "succeeded": succeeded, "failed": failed}
        others = [old for old in job.get("status", {}).get("conditions", []) if old["type"] != entry["type"]]
        body = {"status": {"conditions": [*others, entry], "jobsStatus": [{"name": "node", **counts}]}}
        place = GROUP, VERSION, self._namespace, "trainjobs", job["metadata"]["name"]
        self._custom.patch_namespaced_custom_object_status(*place, body)


def job_of(job: Object, runtime: Object) -> Object:
    """The Job that the runtime's replicated job `node` becomes for a TrainJob."""
    trainer, name = job["spec"].get("trainer", {}), job["metadata"]["name"]
    template = copy.deepcopy(runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"])
    pod = template["template"]
    container = next(entry for entry in pod["spec"]["containers"] if entry["name"] == "node")
    container |= {key: trainer[key] for key in ("image", "command", "args") if trainer.get(key)}
    container["env"] = [*container.get("env", []), *trainer.get("env", [])]
    container["resources"] = trainer.get("resourcesPerNode", container.get("resources", {}))
    labels = {"jobset.sigs.k8s.io/jobset-name": name, "jobset.sigs.k8s.io/replicatedjob-name": "node"}
    pod["metadata"] = {"labels": labels}
    nodes = trainer.get("numNodes", 1)
    owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": name, "uid": job["metadata"]["uid"]}
    return {
        "metadata": {
            "name": f"{name}-node-0",
            "labels": labels,
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "backoffLimit": 0,
            **template,
            "completions": nodes,
            "parallelism": nodes,
            "completionMode": "Indexed",
        },
    }


def _finished(job: Object) -> bool:
    ended = {entry["type"] for entry in job.get("status", {}).get("conditions", []) if entry["status"] == "True"}
    return bool(ended & {"Complete", "Failed"})
