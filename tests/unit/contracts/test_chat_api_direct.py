"""Answers read without the library, beside the same bytes read by it."""

import contextlib
import itertools
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from components.contracts.chat_api.direct import KeptConnections, Unhurried

TIMEOUT = urllib3.Timeout(connect=10, read=10)


class RawServer:
    """Answers every request with the same pieces of bytes, and counts connections."""

    def __init__(self) -> None:
        self.pieces: Sequence[bytes] = ()
        self.ends = False
        """Close the connection after an answer."""
        self.num_connections = 0
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line = self._listener.accept()[0]
                self.num_connections += 1
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with line, line.makefile("rb") as asked, contextlib.suppress(OSError):
            while head := b"".join(itertools.takewhile(bytes.strip, asked)):
                self.heads.append(head)
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                asked.read(length)
                for piece in self.pieces:
                    line.sendall(piece)
                if self.ends:
                    return


@pytest.fixture
def raw() -> Iterator[RawServer]:
    made = RawServer()
    yield made
    made.close()


class Read(NamedTuple):
    status: int
    body: bytes
    kind: str


def ours(raw: RawServer, kept: KeptConnections | None = None) -> Read | type[HTTPError]:
    own = kept or KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", raw.port), TIMEOUT)
    try:
        response = own.post("/v1", b"asked", {})
        try:
            body = b"".join(iter(lambda: response.read1(1 << 16), b""))
        finally:
            response.close()
        return Read(response.status, body, response.headers.get("content-type", "").strip())
    except HTTPError as error:
        return type(error)
    finally:
        if kept is None:
            own.close()


def theirs(raw: RawServer) -> Read | type[HTTPError]:
    with urllib3.HTTPConnectionPool("127.0.0.1", raw.port, timeout=TIMEOUT, retries=False) as pool:
        try:
            response = pool.urlopen("POST", "/v1", body=b"asked", headers={}, redirect=False, preload_content=False)
            body = b"".join(iter(lambda: response.read1(1 << 16), b""))
            return Read(response.status, body, response.headers.get("content-type", "").strip())
        except HTTPError as error:
            return type(error)


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, tuple[bytes, ...]] = {
    "plain": (OK + b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\nsaid",),
    "in pieces": (OK[:9], OK[9:] + b"content-length: 4\r", b"\n\r", b"\nsa", b"id"),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 4\r\n\r\nsaid",),
    "no body": (OK + b"content-length: 0\r\n\r\n",),
    "no length": (OK + b"content-type: text/plain\r\n\r\nsaid",),
    "to its end": (OK + b"connection: close\r\n\r\nsaid",),
    "closing": (OK + b"connection: close\r\ncontent-length: 4\r\n\r\nsaid",),
    "older": (b"HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nsaid",),
    "chunks": (OK + b"transfer-encoding: chunked\r\n\r\n4\r\nsaid\r\n0\r\n\r\n",),
    "chunks and a length": (OK + b"content-length: 9\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsaid\r\n0\r\n\r\n",),
    "a hidden header": (OK + b"a: b\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n4\r\nsaid\r\n0\r\n\r\n",),
    "bare newlines": (b"HTTP/1.1 200 OK\ncontent-length: 4\n\nsaid",),
    "told to go on": (b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"content-length: 4\r\n\r\nsaid"),
    "two lengths": (OK + b"content-length: 4\r\ncontent-length: 4\r\n\r\nsaid",),
    "two other lengths": (OK + b"content-length: 4\r\ncontent-length: 2\r\n\r\nsaid",),
    "a length below zero": (OK + b"content-length: -4\r\n\r\nsaid",),
    "a length of letters": (OK + b"content-length: four\r\n\r\nsaid",),
    "a length in other digits": (OK + "content-length: \u0664\r\n\r\nsaid".encode(),),
    "a length with a sign": (OK + b"content-length: +4\r\n\r\nsaid",),
    "a folded header": (OK + b"a: b\r\n c\r\ncontent-length: 4\r\n\r\nsaid",),
    "a header without colon": (OK + b"content-length: 4\r\nabc\r\n\r\nsaid",),
    "a blank before the colon": (OK + b"content-length : 4\r\n\r\nsaid",),
    "too much": (OK + b"content-length: 4\r\n\r\nsaid and more",),
    "too little": (OK + b"content-length: 9\r\n\r\nsaid",),
    "none": (b"",),
    "half a head": (OK + b"content-le",),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n",),
    "another status": (b"HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy",),
    "nothing to say": (b"HTTP/1.1 204 No Content\r\n\r\n",),
    "a long head": (
        OK + b"".join(b"x-%d: %b\r\n" % (i, b"y" * 900) for i in range(90)) + b"content-length: 4\r\n\r\nsaid",
    ),
    "a head without end": (OK + b"x: " + b"y" * 200_000,),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_as_the_library_reads_it(raw: RawServer, name: str) -> None:
    raw.pieces, raw.ends = ANSWERS[name], True
    assert ours(raw) == theirs(raw)


PARTS = (
    (
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 503 Busy\r\n",
        b"HTTP/1.1 200 OK\n",
    ),
    (
        b"",
        b"content-type: a/b\r\n",
        b"Content-Type:a/b \r\n",
        b"content-type: a\nb: c\r\n",
        b"x\r\n",
        b"\xff: \xff\r\n",
    ),
    (b"content-length: 4\r\n", b"CONTENT-LENGTH:  4  \r\n", b"content-length: 04\r\n", b"content-length: 3\r\n", b""),
    (
        b"",
        b"",
        b"connection: keep-alive\r\n",
        b"connection: close\r\n",
        b"content-encoding: gzip\r\n",
        b"content-length: 5\r\n",
    ),
    (b"\r\n", b"\n", b" \r\n\r\n"),
    (b"said", b"sai", b"said, and more", b"\x1f\x8b\x08\x00"),
)


def test_answers_put_together_at_random_are_read_as_the_library_reads_them(raw: RawServer) -> None:
    draw, plain = random.Random(7), 0
    raw.ends = True
    for _ in range(250):
        whole = b"".join(draw.choice(part) for part in PARTS)
        cut = draw.randrange(len(whole))
        raw.pieces = (whole[:cut], whole[cut:])
        found = ours(raw)
        assert found == theirs(raw), whole
        plain += isinstance(found, Read) and found.body == b"said"
    assert plain > 20


@pytest.mark.parametrize(
    ("name", "again"),
    [("plain", True), ("chunks", True), ("no body", True), ("bare newlines", True), ("closing", False)],
)
def test_a_connection_is_kept_after_an_answer_that_was_read_to_its_end(raw: RawServer, name: str, again: bool) -> None:
    raw.pieces = ANSWERS[name]
    kept = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", raw.port), TIMEOUT)
    for _ in range(3):
        assert isinstance(ours(raw, kept), Read)
    kept.close()
    assert raw.num_connections == (1 if again else 3)


def test_what_follows_an_answer_is_not_taken_for_the_next(raw: RawServer) -> None:
    kept = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", raw.port), TIMEOUT)
    raw.pieces = (ANSWERS["plain"][0] + ANSWERS["another status"][0],)
    assert ours(raw, kept) == Read(200, b"said", "application/json")
    raw.pieces = (OK + b"content-length: 3\r\n\r\nnew",)
    assert ours(raw, kept) == Read(200, b"new", "")
    kept.close()
    assert raw.num_connections == 2, "more of it may still be on its way"


def test_a_body_that_was_not_read_spoils_its_connection(raw: RawServer) -> None:
    kept = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", raw.port), TIMEOUT)
    raw.pieces = ANSWERS["plain"]
    for _ in range(2):
        kept.post("/v1", b"", {}).close()
    kept.close()
    assert raw.num_connections == 2


def test_a_server_that_stops_talking_is_given_up(raw: RawServer) -> None:
    for pieces in ((), (OK,), (OK + b"content-length: 9\r\n\r\nsaid",)):
        raw.pieces = pieces
        kept = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", raw.port), urllib3.Timeout(connect=10, read=0.1))
        assert ours(raw, kept) is ReadTimeoutError


def test_common_answers_are_read_without_the_library(raw: RawServer) -> None:
    kept = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", raw.port), TIMEOUT)
    told = b"date: Thu, 26 Nov 2026 12:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: application/json\r\n"
    for pieces, is_plain in (((OK + told + b"content-length: 4\r\n\r\n", b"said"), True), (ANSWERS["chunks"], False)):
        raw.pieces = pieces
        response = kept.post("/v1", b"", {})
        assert isinstance(response, Unhurried) != is_plain
        response.close()
    kept.close()


@pytest.mark.parametrize(
    ("host", "port", "told"),
    [("127.0.0.1", 8000, "127.0.0.1:8000"), ("::1", 8000, "[::1]:8000"), ("h.example", 80, "h.example")],
)
def test_the_server_is_named_as_the_standard_has_it(raw: RawServer, host: str, port: int, told: str) -> None:
    pool = urllib3.HTTPConnectionPool(host, port)
    kept = KeptConnections(pool, TIMEOUT)
    # By way of a connection that is there already, so that nothing outside is asked.
    line = pool.ConnectionCls("127.0.0.1", raw.port, timeout=5)
    line.connect()
    kept.take_back(line, fit=True)
    raw.pieces = ANSWERS["plain"]
    kept.post("/v1", b"", {"X-Key": "k"}).close()
    kept.close()
    assert raw.heads[0].decode().split("\r\n")[:3] == ["POST /v1 HTTP/1.1", f"Host: {told}", "X-Key: k"]


def test_no_server_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NewConnectionError):
        KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", port), TIMEOUT).post("/v1", b"", {})
