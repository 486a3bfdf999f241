"""What the Kubernetes API server answers when it does not do what was asked, in words that help."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from components.contracts.errors import TouchstoneError

if TYPE_CHECKING:
    from kubernetes.client.exceptions import ApiException

GROUP, VERSION = "trainer.kubeflow.org", "v1alpha1"
PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers of an API server that restarts or is overloaded."""
T = TypeVar("T")


class ClusterUnreachable(TouchstoneError):
    """The API server does not answer, or says that it cannot now; asking again may help."""


class Forbidden(TouchstoneError):
    """The account may not do what is needed."""


def answered(ask: Callable[[], T]) -> T:
    """The answer to a request.

    Raises:
        ClusterUnreachable: there is none now.
        ApiException: a refusal; `refusal` puts it into words.
    """
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        return ask()
    except ApiException as error:
        if error.status in PASSING:
            raise ClusterUnreachable(
                f"the Kubernetes API server answers {error.status} {error.reason}", remedy="kubectl get --raw /readyz"
            ) from error
        raise
    except HTTPError as error:
        raise ClusterUnreachable(
            f"the Kubernetes API server cannot be reached: {str(error).splitlines()[0]}",
            expected="the address in the kubeconfig, or the one that Kubernetes tells its pods",
            remedy="kubectl cluster-info",
        ) from error


def body_of(error: ApiException) -> Mapping[str, Any]:
    """The Status object of a refusal; empty where the server sent none."""
    # A path that the server does not know is answered with the words "404 page not found".
    try:
        parsed = json.loads(error.body or "")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}


def refusal(error: ApiException) -> TouchstoneError:
    """A refusal as an error that says what to type."""
    status = body_of(error)
    message = str(status.get("message") or error.body or error.reason).strip()
    if error.status == 404 and not status:
        return TouchstoneError(
            f"this cluster does not know TrainJobs ({GROUP}/{VERSION})",
            expected="Kubeflow Trainer v2, with its custom resource definitions",
            remedy="kubectl get crd trainjobs.trainer.kubeflow.org; install Kubeflow Trainer, "
            "or leave out the parameter cluster of the train step",
        )
    if error.status == 401:
        return TouchstoneError(
            "the Kubernetes API server does not accept these credentials",
            expected="a valid kubeconfig, or the pod's own token",
            remedy="kubectl auth whoami",
        )
    denied = re.search(r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<what>[^"]+)"', message)
    if error.status == 403 and denied:
        return _forbidden(message, denied)
    if error.status in {400, 403, 422}:
        return TouchstoneError(
            f"the cluster refuses the TrainJob: {message}",
            expected="what the Trainer's definitions, its webhook and the namespace's quota allow",
            remedy="correct the parameter cluster of the train step; a runtime is installed with the chart: "
            "kubectl get clustertrainingruntimes",
        )
    return TouchstoneError(f"the Kubernetes API server answers {error.status} {error.reason}: {message}")


def _forbidden(message: str, denied: re.Match[str]) -> TouchstoneError:
    namespace = re.search(r'in the namespace "(?P<name>[^"]+)"', message)
    group = re.search(r'in API group "(?P<name>[^"]+)"', message)
    what = denied["what"] + (f".{group['name']}" if group else "")
    where = f" -n {namespace['name']}" if namespace else ""
    return Forbidden(
        f"{denied['user']} may not {denied['verb']} {what}" + (f" in {namespace['name']}" if namespace else ""),
        expected="the role that the chart gives the service account touchstone-runner",
        remedy=f"kubectl auth can-i {denied['verb']} {what}{where} --as {denied['user']}; "
        "run the pipeline as touchstone-runner, or install the chart into this namespace",
    )
