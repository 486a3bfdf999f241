import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipelines.doctor.finding import Status
from pipelines.doctor.in_pod.s3_roundtrip import Refused, Store, from_settings
from pipelines.doctor.s3_checks import check_store_from_here, judge_roundtrip
from tests.unit.doctor.api_server import served

SETTINGS = {"TOUCHSTONE_STORE": "s3://results/lab", "TOUCHSTONE_S3_ENDPOINT": "http://touchstone-minio.lab.svc:9000"}
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
LAB = "GET /api/v1/namespaces/lab"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real S3 server on loopback with the bucket `results`."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    Store(address, "us-east-1", "results", "key", "secret").request("PUT")
    yield address
    server.stop()


@contextmanager
def refusing(status: int, body: str, *, method: str = "PUT") -> Iterator[str]:
    """An S3 server that refuses one method with a recorded answer, and accepts the others."""

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = body.encode() if self.command == method else b""
            self.send_response(status if self.command == method else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = handle_request  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with served(server):
        yield f"http://127.0.0.1:{server.server_port}"


def told_by(address: str, **settings: str) -> dict[str, object]:
    return from_settings({**SETTINGS, **KEYS, "TOUCHSTONE_S3_ENDPOINT": address, **settings})


def listed(address: str) -> bytes:
    return Store(address, "us-east-1", "results", "key", "secret").request("GET", query="list-type=2")


@pytest.mark.parametrize("place", ["s3://results", "s3://results/lab", "s3://results/a folder/ümlaut/"])
def test_an_object_goes_round_and_leaves_nothing(s3: str, place: str) -> None:
    told = told_by(s3, TOUCHSTONE_STORE=place)
    assert told["ok"] is True
    assert abs(float(str(told["skew"]))) < 5
    assert b"<Contents>" not in listed(s3)


def test_a_missing_bucket_is_what_the_store_says(s3: str) -> None:
    told = told_by(s3, TOUCHSTONE_STORE="s3://no-such-bucket")
    assert (told["ok"], told["stage"], told["code"]) == (False, "write", "NoSuchBucket")


def test_what_was_written_is_removed_when_a_later_request_fails() -> None:
    with refusing(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", method="GET") as address:
        told = told_by(address)
    assert (told["stage"], told["code"], told.get("left")) == ("read", "AccessDenied", None)


def test_the_signature_is_the_one_of_amazons_own_example(monkeypatch: pytest.MonkeyPatch) -> None:
    # AWS, "Signature Calculations for the Authorization Header", example GET Bucket (List Objects).
    from pipelines.doctor.in_pod import s3_roundtrip

    moment = 1369353600.0  # 2013-05-24T00:00:00Z
    monkeypatch.setattr(s3_roundtrip.time, "time", lambda: moment)
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    store = Store("https://examplebucket.s3.amazonaws.com", "us-east-1", "", "AKIAIOSFODNN7EXAMPLE", secret)
    headers = store._signed("GET", "/", "max-keys=2&prefix=J", b"")
    signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    assert headers["authorization"].endswith(f"Signature={signature}")


def test_a_store_that_is_away_is_told_without_waiting() -> None:
    with refusing(200, "") as address:
        pass
    told = told_by(address)
    assert (told["code"], told["stage"]) == ("NoAnswer", "write")


def test_a_store_that_never_answers_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.doctor.in_pod.s3_roundtrip.SECONDS", 0.2)
    hold = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            hold.wait(30)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with served(server):
        store = Store(f"http://127.0.0.1:{server.server_port}", "us-east-1", "results", "key", "secret")
        with pytest.raises(Refused) as raised:
            store.request("PUT", "x")
        hold.set()
    assert (raised.value.code, "timed out" in raised.value.detail) == ("NoAnswer", True)


def refusal(code: str, **more: Any) -> dict[str, Any]:
    return {
        "ok": False,
        "stage": "write",
        "code": code,
        "status": 403,
        "detail": "x",
        "region": "",
        "skew": 0.0,
        **more,
    }


@pytest.mark.parametrize(
    ("told", "found", "remedy"),
    [
        (refusal("InvalidAccessKeyId"), "does not accept the access key", "create secret generic touchstone-s3"),
        (refusal("SignatureDoesNotMatch"), "does not accept the secret key", "create secret generic touchstone-s3"),
        (refusal("NoSuchBucket", status=404), "has no bucket results", "s3 mb s3://results"),
        (refusal("RequestTimeTooSkewed", skew=-3600.0), "clocks differ by -3600 s", "set-ntp"),
        (refusal("AccessDenied", stage="list"), "may not list in results", "s3:ListBucket"),
        (refusal("AuthorizationHeaderMalformed", region="eu-central-1"), "another region", '"eu-central-1"'),
        (refusal("", status=301, region="eu-west-1"), "another region", '"TOUCHSTONE_S3_REGION":"eu-west-1"'),
        (refusal("Certificate", status=0), "no TLS connection", "TOUCHSTONE_S3_ENDPOINT"),
        (refusal("Name", status=0), "has no address", "get pods,svc"),
        (refusal("NoAnswer", status=0), "no S3 server answers", "get pods,svc"),
        (refusal("", status=404), "no S3 server", "TOUCHSTONE_S3_ENDPOINT"),
        (refusal("XMinioStorageFull", status=507), "fails to write", "free space"),
    ],
)
def test_each_way_of_failing_has_its_own_words_and_remedy(cluster: Any, told: Any, found: str, remedy: str) -> None:
    scope, _ = cluster()
    finding = judge_roundtrip(told, scope, SETTINGS, "here")
    assert finding.status is Status.FAILED
    assert found in finding.found
    assert remedy in finding.remedy
    assert finding.expected


def test_a_clock_that_drifts_is_a_warning_before_it_is_a_failure(cluster: Any) -> None:
    scope, _ = cluster()
    drifting = judge_roundtrip({"ok": True, "seconds": 0.1, "skew": 300.0}, scope, SETTINGS, "here")
    assert (drifting.status, "+300 s" in drifting.found) == (Status.WARNING, True)
    assert judge_roundtrip({"ok": True, "seconds": 0.1, "skew": 2.0}, scope, SETTINGS, "here").status is Status.OK


def objects(endpoint: str) -> dict[str, Any]:
    secret = {key: base64.b64encode(value.encode()).decode() for key, value in KEYS.items()}
    settings = {**SETTINGS, "TOUCHSTONE_S3_ENDPOINT": endpoint}
    return {
        f"{LAB}/configmaps/touchstone": {"metadata": {}, "data": settings},
        f"{LAB}/secrets/touchstone-s3": {"data": secret},
    }


def test_a_store_that_this_machine_reaches_is_used_from_here(cluster: Any, s3: str) -> None:
    scope, _ = cluster(objects(s3))
    [finding] = check_store_from_here(scope)
    assert (finding.status, "from here" in finding.found) == (Status.OK, True)


def test_an_address_of_the_cluster_is_not_tried_from_here(cluster: Any) -> None:
    scope, _ = cluster(objects(SETTINGS["TOUCHSTONE_S3_ENDPOINT"]))
    [finding] = check_store_from_here(scope)
    assert finding.status is Status.SKIPPED
    assert finding.remedy == "kubectl -n lab port-forward svc/touchstone-minio 9000"
