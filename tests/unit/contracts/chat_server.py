"""An OpenAI-compatible server on loopback that misbehaves as a test tells it, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "target-2024-05-13"
CREATED = 1_715_600_000
FINGERPRINT = "fp_1"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    number: int
    """From 0, over all requests."""
    path: str
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def text(self) -> str:
        said = self.body.get("prompt")
        return said if isinstance(said, str) else self.body["messages"][-1]["content"]


@dataclass
class Answer:
    """What to do with a request."""

    status: int = 200
    body: bytes | str | dict[str, Any] | None = None
    """None = the server's own reply."""
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    """Of the server's own reply."""
    usage: object = "right"
    """Of the server's own reply: anything but `right` is sent as it is; None = the field is left out."""
    reset: bool = False
    """Tear the connection down instead of answering."""
    missing_bytes: int = 0
    """Announce this many bytes more than are sent."""
    after: threading.Event | None = None
    """Answer only when this is set."""
    pieces: list[bytes] | None = None
    """Send these as a stream, chunk by chunk."""
    between_seconds: float = 0.0
    """Wait so long before each piece."""
    chunked: bool = False
    """Send the pieces in chunks, with an end that can be told; of an empty piece the connection breaks off."""
    hang_up: bool = False
    """Close the connection after the answer, without having said so."""


Script = Callable[[Asked], Answer]


class ChatServer:
    """Answers every request with `reply_text`, except where the script says otherwise."""

    def __init__(self, script: Script = lambda asked: Answer(), tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self._tls = tls
        self.reply_text: Callable[[Asked], str] = lambda asked: f"said {asked.text}"
        self.asked: list[Asked] = []
        self.answered: Counter[str] = Counter()
        """Idempotency key -> whole replies sent."""
        self.billed_tokens = 0
        """Prompt and reply, over all whole replies."""
        self.most_at_once = 0
        self.num_connections = 0
        self.hung_up = threading.Event()
        """A connection was closed as `hang_up` says."""
        self._at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def connected(self) -> None:
        with self._lock:
            self.num_connections += 1

    @contextmanager
    def request(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Iterator[Asked]:
        with self._lock:
            asked = Asked(len(self.asked), path, body, headers)
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield asked
        finally:
            with self._lock:
                self._at_once -= 1

    def bill(self, asked: Asked, usage: dict[str, int]) -> None:
        with self._lock:
            self.answered[asked.key] += 1
            self.billed_tokens += usage["prompt_tokens"] + usage["completion_tokens"]

    def reply(self, asked: Asked, answer: Answer) -> dict[str, Any]:
        text = answer.text if answer.text is not None else self.reply_text(asked)
        usage = usage_of(asked, text)
        self.bill(asked, usage)
        is_chat = asked.path.endswith("/chat/completions")
        choices = [
            {
                "index": i,
                "finish_reason": "stop",
                **({"message": {"role": "assistant", "content": text}} if is_chat else {"text": text}),
            }
            for i in range(asked.body.get("n", 1))
        ]
        made: dict[str, Any] = {"id": f"c-{asked.number}", "created": CREATED, "model": MODEL, "choices": choices}
        made |= {"system_fingerprint": FINGERPRINT, "usage": usage if answer.usage == "right" else answer.usage}
        if answer.usage is None:
            del made["usage"]
        return made


def usage_of(asked: Asked, text: str) -> dict[str, int]:
    """Tokens by words: fewer than the bytes, as with any tokenizer."""
    prompt = len(asked.text.split()) + 8
    return {"prompt_tokens": prompt, "completion_tokens": max(1, len(text.split())) * asked.body.get("n", 1)}


def events(*chunks: object, done: bool = True) -> list[bytes]:
    """Server-sent events."""
    said = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return [*said, b"data: [DONE]\n\n"] if done else said


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are part of the tests."""


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connected()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with server.request(self.path, body, headers) as asked, contextlib.suppress(OSError):
                answer = server.script(asked)
                if answer.after is not None:
                    answer.after.wait()
                self._send(asked, answer)

        def _send(self, asked: Asked, answer: Answer) -> None:
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            if answer.pieces is not None:
                self._stream(answer)
                return
            sent = answer.body if answer.body is not None else server.reply(asked, answer)
            data = (
                json.dumps(sent).encode()
                if isinstance(sent, dict)
                else sent.encode()
                if isinstance(sent, str)
                else sent
            )
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data) + answer.missing_bytes))
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = answer.missing_bytes > 0
            if answer.hang_up:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                server.hung_up.set()

        def _stream(self, answer: Answer) -> None:
            assert answer.pieces is not None
            self.send_response(answer.status)
            for name, value in {"content-type": "text/event-stream", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header(*(("transfer-encoding", "chunked") if answer.chunked else ("connection", "close")))
            self.end_headers()
            self.close_connection = not answer.chunked
            for piece in answer.pieces:
                time.sleep(answer.between_seconds)
                if answer.chunked and not piece:
                    self.close_connection = True
                    return
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if answer.chunked else piece)
                self.wfile.flush()
            if answer.chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class Tunnel:
    """A proxy that connects through to whatever it is asked for, one connection at a time, and remembers the asking."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; whoever went through has to have closed before."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as said:
            lines = [line.decode() for line in iter(said.readline, b"\r\n")]
            self.asked.append("".join(lines))
            host, _, port = lines[0].split()[1].rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
                back.start()
                _pass_on(client, server)
                back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class HandClock:
    """Time that passes only when somebody waits, and then at once."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


class HeldClock(HandClock):
    """Time that passes only when the test says so; sleepers sleep until then."""

    def __init__(self) -> None:
        super().__init__()
        self._change = threading.Condition()
        self.num_asleep = 0

    def sleep(self, seconds: float) -> None:
        with self._change:
            until = self.now + seconds
            self.num_asleep += 1
            self._change.notify_all()
            self._change.wait_for(lambda: self.now >= until)
            self.num_asleep -= 1

    def wait_for_sleepers(self, number: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: self.num_asleep == number, timeout=10)

    def advance(self, seconds: float) -> None:
        with self._change:
            self.now += seconds
            self._change.notify_all()
