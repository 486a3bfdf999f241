"""The Kubeflow Pipelines server: finding it, and giving its failures as ours."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from typing import Any

from components.contracts import environment
from components.contracts.errors import TouchstoneError, UsageError

MAX_MESSAGE_CHARS = 400


def connect(host: str | None, namespace: str | None = None) -> Any:
    """A `kfp.Client` for the server at `host`, or at TOUCHSTONE_KFP_HOST.

    Raises:
        UsageError: no server was named.
        TouchstoneError: it cannot be reached.
    """
    address = host or environment.kfp_host()
    if not address:
        raise UsageError(
            "no Kubeflow Pipelines server was named",
            expected=f"--kfp-host, or {environment.KFP_HOST} in the environment",
            remedy="kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888, then --kfp-host http://127.0.0.1:8888",
        )
    import kfp

    with server_errors(address):
        # kfp prints links for notebooks; what a command prints is its own affair.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*only works with Kubeflow Pipeline v2.*")
            client = kfp.Client(host=address, namespace=namespace or environment.namespace())
        client.get_kfp_healthz()
    return client


@contextlib.contextmanager
def server_errors(address: str) -> Iterator[None]:
    """Give refusals and outages of the server as messages a person can act on.

    Raises:
        TouchstoneError: the server refused, failed or could not be reached.
    """
    import kfp_server_api
    import urllib3

    try:
        yield
    except kfp_server_api.ApiException as error:
        said = _message(error.body) or _first_line(error.reason)
        if error.status in {401, 403}:
            remedy = "log in to the cluster again, or ask for the role that may create runs in this namespace"
        elif error.status == 404:
            remedy = "touchstone status, without an id, shows the newest run; the Kubeflow UI shows all"
        else:
            remedy = "touchstone doctor checks the server; the same command may be given again"
        raise TouchstoneError(f"{address} answered {error.status}: {said}", remedy=remedy) from error
    except (urllib3.exceptions.HTTPError, TimeoutError, OSError) as error:
        raise TouchstoneError(
            f"no Kubeflow Pipelines server answers at {address}: {_first_line(error)}",
            expected="its API, such as http://127.0.0.1:8888 after a port-forward",
            remedy="kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888, then the same command again",
        ) from error


def _message(body: object) -> str:
    """What the server says in its JSON, or the beginning of whatever it sent."""
    try:
        return _first_line(json.loads(str(body))["message"])
    except (ValueError, KeyError, TypeError):
        return _first_line(body or "")


def _first_line(said: object) -> str:
    lines = str(said).strip().splitlines() or [""]
    return lines[0][:MAX_MESSAGE_CHARS]
