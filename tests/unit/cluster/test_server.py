"""Refusals and outages of the Kubeflow Pipelines server, as a person reads them."""

import kfp_server_api
import pytest
import urllib3

from components.contracts.errors import TouchstoneError, UsageError
from pipelines.cluster.server import connect, server_errors


def refusal(status: int, body: str) -> kfp_server_api.ApiException:
    error = kfp_server_api.ApiException(status=status, reason="Reason")
    error.body = body
    return error


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (refusal(404, '{"code": 5, "message": "Run x not found"}'), "answered 404: Run x not found", "newest run"),
        (refusal(403, "<html>Forbidden"), "answered 403: <html>Forbidden", "log in"),
        (refusal(500, ""), "answered 500: Reason", "touchstone doctor"),
        (urllib3.exceptions.ProtocolError("cut"), "no Kubeflow Pipelines server answers", "port-forward"),
    ],
)
def test_each_failure_says_what_to_do(error: Exception, found: str, remedy: str) -> None:
    with pytest.raises(TouchstoneError, match=found) as raised, server_errors("http://server"):
        raise error
    assert remedy in raised.value.remedy


def test_no_server_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOUCHSTONE_KFP_HOST", raising=False)
    with pytest.raises(UsageError, match="no Kubeflow Pipelines server was named"):
        connect(None)
