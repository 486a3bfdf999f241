"""The cluster's API as plain JSON, through the official client's configuration, credentials and connections.

Plain JSON, because a check must also be able to look at objects that a newer server describes differently.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Json = dict[str, Any]
REQUEST_SECONDS = 8.0


class ApiProblem(Exception):
    """The API server refused or did not answer.

    Args:
        status: HTTP status; 0 when there was no answer.
        message: What it said, in one line.
        request: Method and path.
    """

    def __init__(self, status: int, message: str, request: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.request = request


class NoKubeconfig(Exception):
    """No configuration names a cluster."""


class Api:
    """Requests to one API server. May be used from many threads."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.server: str = client.configuration.host

    @classmethod
    def connect(cls, kubeconfig: Path | None, context: str | None) -> Api:
        """Read the kubeconfig (or a pod's own account); nothing is asked of the server yet.

        Raises:
            NoKubeconfig: there is none, it cannot be read, or it lacks the context.
        """
        from kubernetes import client, config
        from yaml import YAMLError

        settings = client.Configuration()
        # One failed attempt is an answer; the client's three would outlast the deadline.
        settings.retries = False
        try:
            config.load_kube_config(str(kubeconfig) if kubeconfig else None, context, settings)
        except (config.ConfigException, YAMLError, OSError) as error:
            if kubeconfig or context:
                raise NoKubeconfig(_line(error)) from error
            try:
                config.load_incluster_config(settings)
            except config.ConfigException:
                raise NoKubeconfig(_line(error)) from error
        return cls(client.ApiClient(settings))

    def get(self, path: str, **query: str) -> Json:
        """Read one object or list.

        Raises:
            ApiProblem: any answer but success.
        """
        return self._json("GET", path, query)

    def find(self, path: str) -> Json | None:
        """Read one object; None when there is none.

        Raises:
            ApiProblem: any other answer but success.
        """
        try:
            return self.get(path)
        except ApiProblem as problem:
            if problem.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[Json]:
        """The members of a list; see `get`."""
        found: list[Json] = self.get(path, **query).get("items") or []
        return found

    def create(self, path: str, body: Json) -> Json:
        """Create an object, or ask an access review; see `get`."""
        return self._json("POST", path, {}, body)

    def delete(self, path: str) -> None:
        """Delete an object now; fine when it is gone already.

        Raises:
            ApiProblem: any other answer but success.
        """
        try:
            self._json("DELETE", path, {"gracePeriodSeconds": "0", "propagationPolicy": "Background"})
        except ApiProblem as problem:
            if problem.status != 404:
                raise

    def text(self, path: str) -> str:
        """Read something that is no JSON: a pod's log; see `get`."""
        return self._send("GET", path, {}, None).decode("utf-8", "replace")

    def _json(self, method: str, path: str, query: dict[str, str], body: Json | None = None) -> Json:
        answer = self._send(method, path, query, body)
        try:
            parsed: Json = json.loads(answer)
        except ValueError:
            said = answer[:80].decode("utf-8", "replace")
            raise ApiProblem(0, f"an answer that is no JSON: {said!r}", f"{method} {path}") from None
        return parsed

    def _send(self, method: str, path: str, query: dict[str, str], body: Json | None) -> bytes:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json, */*", "Content-Type": "application/json"}
        try:
            response = self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=False,
                # A pair, because the client silently takes a single float for no limit at all.
                _request_timeout=(REQUEST_SECONDS, REQUEST_SECONDS),
            )
            data: bytes = response.data
        except ApiException as error:
            raise ApiProblem(int(error.status or 0), _said(error), f"{method} {path}") from error
        except (HTTPError, OSError) as error:
            raise ApiProblem(0, _line(error), f"{method} {path}") from error
        return data


def _said(error: Any) -> str:
    try:
        message = json.loads(error.body)["message"]
    except (ValueError, TypeError, KeyError):
        message = error.reason or error.body
    return _line(message)


def _line(said: object) -> str:
    return " ".join(str(said).split())[:400]
