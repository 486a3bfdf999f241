"""The service answers what Kubernetes and Prometheus ask, with its database there and with it gone."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine

from components.contracts.errors import UsageError
from components.crowd.app import REQUESTS, SECONDS, create_app
from components.crowd.database import database_url, open_database
from components.crowd.invitations import rater_token
from components.crowd.settings import read_settings
from tests.unit.crowd.studies import SETTINGS

DEADLINE_SECONDS = 60.0


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    engine = open_database(database_url({"DATABASE_URL": f"sqlite:///{tmp_path / 'crowd.db'}"}))
    with TestClient(create_app(engine, SETTINGS), raise_server_exceptions=False) as client:
        yield client
    engine.dispose()


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[TestClient]:
    """A service whose database cannot be opened."""
    engine = open_database(database_url({"DATABASE_URL": f"sqlite:///{tmp_path / 'missing' / 'crowd.db'}"}))
    with TestClient(create_app(engine, SETTINGS), raise_server_exceptions=False) as client:
        yield client
    engine.dispose()


def counted(client: TestClient) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.labels["path"], sample.labels["status"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == REQUESTS
    }


def test_the_start_page_tells_nothing_to_who_has_no_link(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "open the link that was sent to you" in page.text


def test_ready_while_the_database_answers(client: TestClient) -> None:
    assert client.get("/readyz").status_code == 200
    assert client.get("/healthz").status_code == 200


def test_alive_but_not_ready_without_its_database(orphan: TestClient) -> None:
    assert orphan.get("/healthz").status_code == 200
    answer = orphan.get("/readyz")
    assert answer.status_code == 503
    assert "missing" not in answer.text, "the database's address is not for visitors"


def test_requests_are_counted_by_route_and_status(client: TestClient, orphan: TestClient) -> None:
    for _ in range(3):
        client.get("/readyz")
    client.post("/readyz")
    orphan.get("/readyz")
    counts = counted(client)
    assert counts[("/readyz", "200")] == 3
    assert counts[("/readyz", "405")] == 1
    assert counted(orphan)[("/readyz", "503")] == 1


def test_unknown_addresses_share_one_series(client: TestClient) -> None:
    for number in range(20):
        assert client.get(f"/wp-admin/{number}").status_code == 404
    paths = {path: count for (path, _), count in counted(client).items()}
    assert paths == {"other": 20}


def test_raters_and_admins_requests_are_counted_by_their_own_routes(client: TestClient) -> None:
    for path in ("/r/abc", "/mturk/abc", "/admin", "/admin/studies/7"):
        client.get(path, follow_redirects=False)
    client.post("/r/abc/vote", data={"choice": "left"})
    counts = {path for path, _ in counted(client)}
    assert counts == {"/r/{token}", "/mturk/{token}", "/admin", "/admin/studies/{study_id}", "/r/{token}/vote"}


def test_latency_is_a_histogram_by_route(client: TestClient) -> None:
    client.get("/")
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    count = [s for s in families[SECONDS].samples if s.name.endswith("_count") and s.labels["path"] == "/"]
    assert families[SECONDS].type == "histogram"
    assert [sample.value for sample in count] == [1]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_address_gets_the_driver_that_is_installed(scheme: str) -> None:
    url = database_url({"DATABASE_URL": f"{scheme}://crowd:secret@db:5432/crowd"})
    assert url.drivername == "postgresql+psycopg"
    engine = open_database(url)
    assert (engine.url.host, engine.url.password) == ("db", "secret")
    engine.dispose()


@pytest.mark.parametrize("given", ["not an address", "mysql://u:hunter2@h/d"])
def test_another_address_is_refused_without_printing_it(given: str) -> None:
    with pytest.raises(UsageError) as refused:
        database_url({"DATABASE_URL": given})
    assert given not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(UsageError, match="nosuchdriver"):
        open_database(database_url({"DATABASE_URL": "postgresql+nosuchdriver://u:p@h/d"}))


def test_style_and_script_are_served_and_kept_by_their_content(client: TestClient) -> None:
    page = client.get("/").text
    address = re.search(r'href="(/static/\w+/style.css)"', page)
    assert address
    answer = client.get(address.group(1))
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/old/style.css").headers["cache-control"] == "no-store"
    for name in ("../app.py", "nothing.css", "..%2fapp.py"):
        assert client.get(f"/static/old/{name}").status_code == 404


def test_a_secret_is_made_once_beside_a_sqlite_file_and_is_its_owners_alone(tmp_path: Path) -> None:
    url = database_url({"DATABASE_URL": f"sqlite:///{tmp_path / 'crowd.db'}"})
    secret = read_settings(url, {}).secret
    assert read_settings(url, {}).secret == secret
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("")
    with pytest.raises(UsageError, match="damaged"):
        read_settings(url, {})


def test_servers_on_one_database_have_one_secret_without_being_told() -> None:
    def secret(address: str) -> bytes:
        return read_settings(database_url({"DATABASE_URL": address}), {}).secret

    assert secret("postgresql://u:one@a/d") == secret("postgresql://u:one@b/d")
    assert secret("postgresql://u:one@a/d") != secret("postgresql://u:two@a/d")
    assert b"one" not in secret("postgresql://u:one@a/d")
    with pytest.raises(UsageError, match="TOUCHSTONE_CROWD_SECRET"):
        secret("postgresql://u@a/d")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOUCHSTONE_CROWD_SECRET", "short"),
        ("TOUCHSTONE_CROWD_FRAMES", "https://a.example; script-src *"),
        ("TOUCHSTONE_CROWD_FRAMES", "*"),
        ("TOUCHSTONE_CROWD_FRAMES", "javascript:x"),
    ],
)
def test_settings_that_would_open_the_service_are_refused(tmp_path: Path, name: str, value: str) -> None:
    url = database_url({"DATABASE_URL": f"sqlite:///{tmp_path / 'crowd.db'}"})
    with pytest.raises(UsageError, match=name):
        read_settings(url, {name: value})


def test_frames_may_be_named_by_their_site_or_as_mechanical_turks(tmp_path: Path) -> None:
    url = database_url({"DATABASE_URL": f"sqlite:///{tmp_path / 'crowd.db'}"})
    frames = read_settings(url, {"TOUCHSTONE_CROWD_FRAMES": "https://a.example mturk"}).frames
    assert frames[0] == "https://a.example"
    assert {"https://worker.mturk.com", "https://workersandbox.mturk.com"} < set(frames)


def test_a_crowded_database_is_said_as_such(tmp_path: Path) -> None:
    url = database_url({"DATABASE_URL": f"sqlite:///{tmp_path / 'crowd.db'}"})
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with TestClient(create_app(engine, SETTINGS), raise_server_exceptions=False) as client:
        token = rater_token(SETTINGS.secret, "somebody", 9e9)
        assert client.get(f"/r/{token}").status_code == 410
        with engine.connect():
            answer = client.get(f"/r/{token}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    engine.dispose()


@pytest.mark.slow
def test_the_command_serves_and_stops_on_sigterm(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'crowd.db'}", "PATH": ""}
    command = [sys.executable, "-W", "error", "-m", "components.crowd", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert answered(f"http://127.0.0.1:{port}/readyz", process) == 200
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()
    # uvicorn raises the signal again once it has stopped, so that whoever sent it sees it honoured.
    assert process.returncode in {0, -signal.SIGTERM}


@pytest.mark.slow
def test_the_command_says_what_is_wrong_with_an_address() -> None:
    environment = {"DATABASE_URL": "mysql://u:hunter2@h/d", "PATH": ""}
    command = [sys.executable, "-m", "components.crowd"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert done.returncode == 2
    assert "postgresql" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def answered(address: str, process: "subprocess.Popen[str]") -> int:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return int(answer.status)
        except (urllib.error.URLError, ConnectionError):
            process_wait(process)
    raise AssertionError("no answer in time")


def process_wait(process: "subprocess.Popen[str]") -> None:
    """A pause that ends at once when the process does."""
    try:
        process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return
