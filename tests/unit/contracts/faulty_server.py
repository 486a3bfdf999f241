"""A proxy before an S3 server that misbehaves on demand, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HOP_HEADERS = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Request:
    """What was asked, and what came of it."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    target: str = ""
    """Path and query as they were sent."""
    status: int = 0
    """Of the answer that was passed on; 0 = none was."""
    num_bytes: int = 0
    """Of the answer's body that were passed on."""

    @property
    def part(self) -> int | None:
        return int(self.query["partNumber"]) if "partNumber" in self.query and self.method == "PUT" else None


When = Callable[[Request], bool]


@dataclass
class Fault:
    """A misbehaviour, for the next `times` requests that `when` accepts."""

    kind: str
    times: int
    when: When
    status: int = 503
    code: str = "SlowDown"
    after_bytes: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class FaultyServer:
    """Passes requests on to `upstream` (HOST:PORT), except where a fault is due; listens with TLS when given."""

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream
        self._tls = tls
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        # One request at a time asks whether a fault is due; what `when` does may take the server down.
        self._turn = threading.RLock()
        self._connections: set[socket.socket] = set()
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    @property
    def endpoint(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
            if self._tls:
                self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections and break those that exist."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.socket.close()
            with self._lock:
                for connection in self._connections:
                    _reset(connection)

    def close(self) -> None:
        """End it all, what is held back included."""
        self._released.set()
        server = self._server
        self.down()
        if server is not None:
            server.server_close()

    def fail(self, status: int, code: str, *, times: int = 1, when: When = lambda _: True) -> None:
        """Answer with an S3 error; an empty code makes it a page of a gateway, without XML."""
        self._faults.append(Fault("fail", times, when, status=status, code=code))

    def cut(self, after_bytes: int, *, times: int = 1, when: When = lambda _: True) -> None:
        """Break off the answer's body."""
        self._faults.append(Fault("cut", times, when, after_bytes=after_bytes))

    def damage(self, *, times: int = 1, when: When = lambda _: True) -> None:
        """Change a byte of the answer's body."""
        self._faults.append(Fault("damage", times, when))

    def damage_upload(self, *, times: int = 1, when: When = lambda _: True) -> None:
        """Change a byte of the request's body before it is passed on."""
        self._faults.append(Fault("damage_upload", times, when))

    def reset(self, after_bytes: int, *, times: int = 1, when: When = lambda _: True) -> None:
        """Reset the connection in the middle of the request's body."""
        self._faults.append(Fault("reset", times, when, after_bytes=after_bytes))

    def lose_answer(self, *, times: int = 1, when: When = lambda _: True) -> None:
        """Do what is asked and never say so."""
        self._faults.append(Fault("lose_answer", times, when))

    def silence(self, *, times: int = 1, when: When = lambda _: True) -> None:
        """Take the request and say nothing, nor pass it on, until `close`."""
        self._faults.append(Fault("silence", times, when))

    def calm(self) -> None:
        """Misbehave no more."""
        self._faults.clear()

    def wait_for(self, condition: Callable[[list[Request]], bool], *, seconds: float = 60) -> None:
        """Wait until what was asked so far satisfies `condition`."""
        deadline = time.monotonic() + seconds
        while not condition(list(self.requests)):
            assert time.monotonic() < deadline, [(r.method, r.key, r.query, r.status) for r in self.requests]
            time.sleep(0.01)

    def done(self, method: str, *, part: bool | None = None) -> list[Request]:
        """Successful requests of a method; for PUT with `part`, those of parts or those of whole objects."""
        return [
            request
            for request in list(self.requests)
            if request.method == method
            and 200 <= request.status < 300
            and (part is None or (request.part is not None) is part)
        ]

    def due(self, request: Request) -> Fault | None:
        """The fault that this request meets."""
        with self._turn:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times and fault.when(request):
                    fault.times -= 1
                    return fault
        return None

    def hold(self) -> None:
        """Wait for the end."""
        self._released.wait(120)

    def track(self, connection: socket.socket) -> None:
        """Know an open connection."""
        with self._lock:
            self._connections.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """Know no more about a connection."""
        with self._lock:
            self._connections.discard(connection)


def _reset(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _handler(faulty: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Small answers must not wait for one another.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            faulty.track(self.connection)

        def finish(self) -> None:
            faulty.forget(self.connection)
            with contextlib.suppress(OSError):
                super().finish()

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

        def answer(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, unquote(url.path), query, headers, self.path)
            fault = faulty.due(request)
            kind = fault.kind if fault else ""
            length = int(headers.get("content-length", 0))
            if fault and kind == "reset":
                self.rfile.read(min(length, fault.after_bytes))
                _reset(self.connection)
                self.close_connection = True
                return
            body = self.rfile.read(length)
            if kind == "silence":
                faulty.hold()
                self.close_connection = True
                return
            if fault and kind == "fail":
                self.reply_error(fault)
                return
            if kind == "damage_upload":
                body = bytes([body[0] ^ 1]) + body[1:]
            self.pass_on(request, body, fault)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def reply_error(self, fault: Fault) -> None:
            page = f"<Error><Code>{fault.code}</Code><Message>on purpose</Message></Error>" if fault.code else "Bad"
            self.send_response(fault.status)
            self.send_header("Content-Type", "application/xml" if fault.code else "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.encode())

        def pass_on(self, request: Request, body: bytes, fault: Fault | None) -> None:
            upstream = http.client.HTTPConnection(faulty.upstream, timeout=60)
            try:
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in HOP_HEADERS:
                        upstream.putheader(name, value)
                upstream.endheaders(body or None)
                response = upstream.getresponse()
                data = response.read()
            finally:
                upstream.close()
            if fault and fault.kind == "lose_answer":
                _reset(self.connection)
                self.close_connection = True
                return
            if fault and fault.kind == "damage":
                data = data[:-1] + bytes([data[-1] ^ 1])
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP_HEADERS | {"content-length"}:
                    self.send_header(name, value)
            length = response.getheader("Content-Length") or "0" if self.command == "HEAD" else str(len(data))
            if response.status != 204:
                self.send_header("Content-Length", length)
            self.end_headers()
            request.status = response.status
            if fault and fault.kind == "cut":
                data = data[: fault.after_bytes]
                self.close_connection = True
            request.num_bytes = len(data)
            self.wfile.write(data)

    return Handler
