"""The Kubernetes API as the train step needs it: TrainJobs, their pods, events and logs, as plain objects.

Every refusal becomes an error that says what to type. Nothing here waits or decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from components.contracts.errors import TouchstoneError
from components.train.trainjob.refusals import GROUP, VERSION, answered, body_of, refusal
from components.train.trainjob.request import Owner

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Object = Mapping[str, Any]
"""A Kubernetes object, as its JSON."""

JOB_SET_LABEL = "jobset.sigs.k8s.io/jobset-name"
"""On every pod of a JobSet; a TrainJob's JobSet has the TrainJob's name."""
REQUEST_SECONDS = 30
"""Whole seconds: the client drops a timeout that is a float, without a word."""
RAW = {"_preload_content": False, "_request_timeout": REQUEST_SECONDS}
"""Answers as they were sent: the client's models refuse objects of servers newer than they are."""


class Cluster:
    """The seam to Kubernetes.

    Args:
        api: A configured client; `Cluster.connect` makes one.
    """

    def __init__(self, api: ApiClient) -> None:
        from kubernetes import client

        self._core = client.CoreV1Api(api)
        self._custom = client.CustomObjectsApi(api)

    @classmethod
    def connect(cls) -> Cluster:
        """A client with this pod's service account, or with the person's kubeconfig.

        Raises:
            TouchstoneError: there is neither.
        """
        from kubernetes import client, config

        try:
            config.load_config()
        except config.ConfigException as error:
            raise TouchstoneError(
                f"no cluster to train on: {error}",
                expected="a pod's service account, or a kubeconfig",
                remedy="export KUBECONFIG=/path/to/kubeconfig, or leave out the parameter cluster of the train step",
            ) from error
        return cls(client.ApiClient())

    def runtime(self, name: str) -> Object | None:
        """The ClusterTrainingRuntime called `name`; None when there is none.

        Raises:
            TouchstoneError: Kubeflow Trainer is not installed, or access is refused.
        """
        return self._find(
            lambda: self._custom.get_cluster_custom_object(
                GROUP, VERSION, "clustertrainingruntimes", name, _request_timeout=REQUEST_SECONDS
            )
        )

    def train_job(self, namespace: str, name: str) -> Object | None:
        """The TrainJob called `name`; None when there is none.

        Raises:
            TouchstoneError: Kubeflow Trainer is not installed, or access is refused.
        """
        return self._find(
            lambda: self._custom.get_namespaced_custom_object(
                GROUP, VERSION, namespace, "trainjobs", name, _request_timeout=REQUEST_SECONDS
            )
        )

    def create(self, namespace: str, body: Object) -> Object | None:
        """Create a TrainJob; None when another process made its namesake first.

        Raises:
            TouchstoneError: the API server or an admission webhook refuses it, and why.
        """
        from kubernetes.client.exceptions import ApiException

        def post() -> Object:
            made: Object = self._custom.create_namespaced_custom_object(
                GROUP, VERSION, namespace, "trainjobs", body, _request_timeout=REQUEST_SECONDS
            )
            return made

        try:
            return answered(post)
        except ApiException as error:
            if error.status == 409:
                return None
            raise refusal(error) from error

    def delete(self, job: Object, *, pods_first: bool = False) -> None:
        """Delete this very TrainJob and its pods; a namesake made since then, or none, is left alone.

        Args:
            job: As it was read.
            pods_first: Keep the TrainJob until its pods are gone, so that its name is free when it is.

        Raises:
            TouchstoneError: access is refused.
        """
        from kubernetes.client.exceptions import ApiException

        policy = "Foreground" if pods_first else "Background"
        options = {"propagationPolicy": policy, "preconditions": {"uid": job["metadata"]["uid"]}}
        place = job["metadata"]["namespace"], "trainjobs", job["metadata"]["name"]
        try:
            answered(
                lambda: self._custom.delete_namespaced_custom_object(
                    GROUP, VERSION, *place, body=options, _request_timeout=REQUEST_SECONDS
                )
            )
        except ApiException as error:
            if error.status not in {404, 409}:
                raise refusal(error) from error

    def set_owners(self, job: Object, owners: list[dict[str, str]]) -> bool:
        """Replace a TrainJob's owners, if it is as `job` still; False = it changed, look again.

        Raises:
            TouchstoneError: access is refused.
        """
        from kubernetes.client.exceptions import ApiException

        seen = job["metadata"]
        body = {"metadata": {"resourceVersion": seen["resourceVersion"], "ownerReferences": owners}}
        try:
            answered(
                lambda: self._custom.patch_namespaced_custom_object(
                    GROUP, VERSION, seen["namespace"], "trainjobs", seen["name"], body, _request_timeout=REQUEST_SECONDS
                )
            )
        except ApiException as error:
            if error.status in {404, 409}:
                return False
            raise refusal(error) from error
        return True

    def pods(self, namespace: str, name: str) -> list[Object]:
        """Pods of the TrainJob called `name`, oldest first."""
        found = self._listed(
            lambda: self._core.list_namespaced_pod(namespace, label_selector=f"{JOB_SET_LABEL}={name}", **RAW)
        )
        return sorted(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def events(self, namespace: str, name: str) -> list[Object]:
        """Events of the TrainJob called `name`, its JobSet, Jobs and pods, oldest first.

        All of these are called `name` or `name-...`; the uids of objects that are gone could not be asked for.
        """
        found = self._listed(lambda: self._core.list_namespaced_event(namespace, **RAW))
        ours = [
            event
            for event in found
            if event["involvedObject"].get("name") == name
            or str(event["involvedObject"].get("name", "")).startswith(f"{name}-")
        ]
        return sorted(ours, key=event_time)

    def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        since_seconds: int | None = None,
        tail: int | None = None,
        previous: bool = False,
    ) -> list[str]:
        """Lines of a container, each beginning with its time (RFC 3339) and a space; empty where there is no log yet.

        Args:
            namespace: Of the pod.
            pod: Its name.
            container: Its container.
            since_seconds: Leave out lines older than this.
            tail: At most this many lines, the last.
            previous: Of the container's run before its restart.
        """
        from kubernetes.client.exceptions import ApiException

        asked = {"since_seconds": since_seconds, "tail_lines": tail, "previous": previous or None}
        try:
            answer = answered(
                lambda: self._core.read_namespaced_pod_log(
                    pod,
                    namespace,
                    container=container,
                    timestamps=True,
                    **RAW,
                    **{name: value for name, value in asked.items() if value is not None},
                )
            )
        except ApiException as error:
            if error.status in {400, 404}:
                return []
            raise refusal(error) from error
        # A log may hold anything, and may be cut within a character.
        return list(answer.data.decode("utf-8", errors="replace").splitlines())

    def pod(self, namespace: str, name: str) -> Object | None:
        """The pod called `name`; None when there is none."""
        return self._find(lambda: _parsed(self._core.read_namespaced_pod(name, namespace, **RAW)))

    def workflow_of(self, namespace: str, pod: str) -> Owner | None:
        """The Workflow that a pod of a pipeline belongs to; None for any other pod."""
        found = self.pod(namespace, pod)
        for reference in found["metadata"].get("ownerReferences", []) if found else []:
            if reference["kind"] == "Workflow":
                return Owner(
                    api_version=reference["apiVersion"],
                    kind=reference["kind"],
                    name=reference["name"],
                    uid=reference["uid"],
                )
        return None

    def _find(self, ask: Callable[[], Object]) -> Object | None:
        from kubernetes.client.exceptions import ApiException

        try:
            return answered(ask)
        except ApiException as error:
            if error.status == 404 and body_of(error).get("reason") == "NotFound":
                return None
            raise refusal(error) from error

    def _listed(self, ask: Callable[[], Any]) -> list[Object]:
        from kubernetes.client.exceptions import ApiException

        try:
            return list(_parsed(answered(ask))["items"])
        except ApiException as error:
            raise refusal(error) from error


def event_time(event: Object) -> str:
    """When an event last happened, RFC 3339."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), event["metadata"].get("creationTimestamp", "")))


def _parsed(answer: Any) -> Object:
    parsed: Object = json.loads(answer.data)
    return parsed
