"""What goes wrong in the middle of a study loses no vote, doubles none, and puts no pair over its three."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import URL, func, make_url, select

from components.crowd.database import Store, open_database
from components.crowd.tables import Assignment, Pair, Rater, Study, Vote
from tests.unit.crowd.postgres import PostgreSQL, programs
from tests.unit.crowd.studies import (
    PLAIN,
    SETTINGS,
    Person,
    client_for,
    form_in,
    headline,
    links,
    make,
    rate_all,
    rater,
)

pytestmark = pytest.mark.slow
PAIRS, PEOPLE = 24, 6
PATIENCE_SECONDS = 60.0


@pytest.fixture
def durable() -> Iterator[PostgreSQL]:
    """A server that keeps what it has promised when it is killed."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL(durable=True)
    yield server
    server.remove()


@dataclass
class Crowd:
    """People who rate over HTTP, and press again when something failed."""

    ports: list[int]
    tokens: list[str]
    stored: int = 0
    """Votes that a rater was told are stored."""
    failed: int = 0
    """Requests that were not answered, or with an error."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    halfway: threading.Event = field(default_factory=threading.Event)

    def wait_for_servers(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        for number in range(len(self.ports)):
            while self._ask("GET", "/readyz", number)[0] != 200:
                assert time.monotonic() < deadline, "no server"
                threading.Event().wait(0.05)
        self.failed = 0

    def rate(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._person, args=(n,)) for n in range(len(self.tokens))]
        for thread in threads:
            thread.start()
        return threads

    def _person(self, number: int) -> None:
        address, asked = f"/r/{self.tokens[number]}", number
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            asked += 1
            status, page = self._ask("GET", address, asked)
            if status == 200 and "Begin" in page:
                self._ask("POST", address + "/start", asked, {})
            elif status == 200 and "Which answer is better?</h2>" in page:
                form = {"form": form_in(page), "choice": ("left", "equal", "right")[asked % 3]}
                if self._ask("POST", address + "/vote", asked, form)[0] == 303:
                    with self.lock:
                        self.stored += 1
                        if self.stored >= PAIRS:
                            self.halfway.set()
            elif status == 200:
                return
            else:
                # As a person does who is told to try again in a moment.
                threading.Event().wait(0.1)
        raise AssertionError("a rater could not finish")

    def _ask(self, method: str, address: str, asked: int, form: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[asked % len(self.ports)], timeout=20)
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request(method, address, urlencode(form) if form is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            answer = None
            return 0, ""
        finally:
            connection.close()
            if answer is None or answer.status >= 500:
                with self.lock:
                    self.failed += 1


@contextmanager
def server(url: URL, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "TOUCHSTONE_CROWD_SECRET": SETTINGS.secret.decode(),
    }
    command = [sys.executable, "-m", "components.crowd", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def study_on(url: URL) -> tuple[Store, Study, list[str]]:
    store = Store(open_database(url))
    # Nobody sees all pairs, so that whoever is quick leaves some to the others.
    study = make(store, PLAIN.model_copy(update={"items_per_rater": 400}), [headline(n) for n in range(PAIRS)])
    return store, study, links(store, study, *(f"person {n}" for n in range(PEOPLE)))


def assert_whole(store: Store, crowd: Crowd) -> None:
    """Everything that was acknowledged is there once, and the counters are what the votes say."""
    rows = store.run(lambda session: session.execute(select(Vote.rater_id, Vote.pair_id, Vote.outcome)).all())
    assert len(rows) == len({(who, pair) for who, pair, _ in rows}) == PAIRS * 3
    # A vote that was stored while its answer got lost is acknowledged when it is pressed again, or not asked for again.
    assert crowd.stored <= len(rows) <= crowd.stored + crowd.failed
    pairs = store.run(lambda session: list(session.scalars(select(Pair))))
    opened = dict(
        store.run(
            lambda session: session.execute(
                select(Assignment.pair_id, func.count()).where(Assignment.state == "open").group_by(Assignment.pair_id)
            ).all()
        )
    )
    for pair in pairs:
        outcomes = [outcome for _, of, outcome in rows if of == pair.id]
        assert (pair.wins, pair.ties, pair.losses) == tuple(outcomes.count(word) for word in ("win", "tie", "loss"))
        assert pair.reserved == len(outcomes) + opened.get(pair.id, 0) == 3
    store.engine.dispose()


def test_servers_killed_in_the_middle(url: URL) -> None:
    store, _, tokens = study_on(url)
    port = free_port()
    crowd = Crowd([port], tokens)
    with server(url, port) as first:
        threads = crowd.rate()
        assert crowd.halfway.wait(PATIENCE_SECONDS)
        first.send_signal(signal.SIGKILL)
        first.wait()
        with server(url, port):
            for thread in threads:
                thread.join()
    assert crowd.failed > 0, "the kill was felt"
    assert_whole(store, crowd)


def test_two_servers_on_one_database(url: URL) -> None:
    store, _, tokens = study_on(url)
    crowd = Crowd([free_port(), free_port()], tokens)
    with server(url, crowd.ports[0]), server(url, crowd.ports[1]):
        crowd.wait_for_servers()
        for thread in crowd.rate():
            thread.join()
    assert crowd.failed == 0, "what one server takes, the other does not even try to give out"
    assert_whole(store, crowd)


def test_a_database_killed_and_started_again_in_the_middle(durable: PostgreSQL) -> None:
    url = durable.database("crowd")
    store, _, tokens = study_on(url)
    port = free_port()
    crowd = Crowd([port], tokens)
    with server(url, port) as process:
        threads = crowd.rate()
        assert crowd.halfway.wait(PATIENCE_SECONDS)
        durable.stop("immediate")
        status, page = crowd._ask("GET", f"/r/{tokens[0]}", 0)
        assert status == 503
        assert "no answer is counted twice" in page
        assert crowd._ask("GET", "/healthz", 0)[0] == 200, "no reason to restart the service"
        assert crowd._ask("GET", "/readyz", 0)[0] == 503
        durable.start()
        for thread in threads:
            thread.join()
        assert process.poll() is None, "the service lived through it"
    assert_whole(store, crowd)


@pytest.fixture
def little_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a little disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)


def test_a_full_disk_is_said_and_what_was_stored_stays(little_disk: Path) -> None:
    store = Store(open_database(make_url(f"sqlite:///{little_disk / 'crowd.db'}")))
    study = make(store, pairs=[headline(n) for n in range(30)])
    with client_for(store) as client:
        person = Person(client, *links(store, study, "one"))
        person.begin()
        assert person.vote("left") == 303
        person.look()
        filler = little_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        refused = [person.vote("left") for _ in range(3)]
        assert refused == [503] * 3
        assert client.get("/healthz").status_code == 200
        filler.unlink()
        assert person.vote("left") == 303
        assert "Item 3" in person.look()
    assert store.run(lambda session: session.scalar(select(func.count(Vote.id)))) == 2
    store.engine.dispose()


def test_a_dump_restored_elsewhere_goes_on(postgresql: PostgreSQL, tmp_path: Path) -> None:
    old = Store(open_database(postgresql.database("dumped")))
    study = make(old)
    who = rater(old, study, "one")
    rate_all(old, study, who)
    postgresql.run("pg_dump", "-d", "dumped", "-f", str(tmp_path / "dump.sql"))
    new = Store(open_database(postgresql.database("restored")))
    postgresql.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", "restored", "-f", str(tmp_path / "dump.sql"))
    assert rate_all(new, study, who) == 0, "the rater's work is there"
    assert [rate_all(new, study, rater(new, study, f"person {n}")) for n in range(3)] == [4, 4, 0]
    assert new.run(lambda session: session.scalar(select(func.count(Rater.id)))) == 4
    for store in (old, new):
        store.engine.dispose()
