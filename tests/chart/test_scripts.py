"""The chart's two scripts, run as its Jobs run them, against an S3 server on loopback."""

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.chart.helm import CHART

SCRIPTS = CHART / "files" / "scripts"
TIMEOUT_SECONDS = 60


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def settings(endpoint: str, bucket: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "TOUCHSTONE_STORE": f"s3://{bucket}/artifacts",
        "TOUCHSTONE_S3_ENDPOINT": endpoint,
        "TOUCHSTONE_S3_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        **more,
    }


def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(SCRIPTS / script)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)


def test_the_bucket_is_made_once(endpoint: str) -> None:
    environment = settings(endpoint, "made-once")
    first, second = run("make_bucket.py", environment), run("make_bucket.py", environment)
    assert (first.returncode, first.stdout) == (0, "bucket made-once made\n")
    assert (second.returncode, second.stdout) == (0, "bucket made-once was there\n")


def test_a_store_that_is_away_is_waited_for_and_then_named(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name, value in settings(address, "away").items():
            monkeypatch.setenv(name, value)
        script = runpy.run_path(str(SCRIPTS / "make_bucket.py"))
        # Bound and not listening: every attempt is refused at once.
        script["main"].__globals__.update(WAIT_SECONDS=0.2, PAUSE_SECONDS=0.05)
        assert script["main"]() == 1
    said = capsys.readouterr().out
    assert f"waiting for {address}" in said
    assert f"{address} did not answer within 0.2 s" in said


def test_the_round_trip_leaves_nothing_behind(endpoint: str) -> None:
    environment = settings(endpoint, "round-trip")
    run("make_bucket.py", environment)
    done = run("round_trip.py", environment)
    assert done.returncode == 0, done.stdout
    assert "ok      store: 65536 bytes to s3://round-trip/artifacts and back" in done.stdout
    assert listed(environment) == []


def test_one_failure_does_not_hide_another(endpoint: str) -> None:
    environment = settings(endpoint, "never-made", CROWD_URL=f"{endpoint}/no-such-bucket/readyz")
    done = run("round_trip.py", environment)
    assert done.returncode == 1
    assert "FAILED  store: S3Error" in done.stdout
    assert "FAILED  crowd: HTTPError" in done.stdout


def test_the_scripts_need_nothing_but_the_cpu_image() -> None:
    """Our own packages are not imported: an image of another version must still do."""
    for script in sorted(SCRIPTS.glob("*.py")):
        assert "components" not in script.read_text()


def listed(environment: dict[str, str]) -> list[str]:
    from minio import Minio

    host = environment["TOUCHSTONE_S3_ENDPOINT"].removeprefix("http://")
    store = Minio(endpoint=host, access_key="key", secret_key="secret", region="us-east-1", secure=False)
    found = store.list_objects(bucket_name="round-trip", recursive=True)
    return [str(entry.object_name) for entry in found]
