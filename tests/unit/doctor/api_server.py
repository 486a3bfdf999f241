"""A small HTTP server on loopback that gives recorded answers of a Kubernetes API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Json = dict[str, Any]
Answer = Json | str | tuple[int, str] | Callable[[Json], Any]
"""A body; a text; a status and the message of a refusal; or a function from the request's body to one of these."""

VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.10"}


class ApiServer:
    """Answers by method and path; what is not listed is not found."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers: dict[str, Answer] = {"GET /api/v1": {"resources": []}, "GET /version": VERSION, **answers}
        self.requests: list[tuple[str, Json]] = []
        self.tokens: set[str | None] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_request(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                outer.tokens.add(self.headers.get("Authorization"))
                status, content = outer.answer(f"{self.command} {urlsplit(self.path).path}", body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = handle_request  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: str, body: Json) -> tuple[int, bytes]:
        """Status and content for a request, which is put on record."""
        self.requests.append((request, body))
        given = self.answers.get(request, (404, f"{request} not found"))
        if callable(given):
            given = given(body)
        if isinstance(given, str):
            return 200, given.encode()
        if isinstance(given, tuple):
            return given[0], json.dumps({"kind": "Status", "message": given[1], "code": given[0]}).encode()
        return 200, json.dumps(given).encode()

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that names this server."""
        return kubeconfig(folder, self.address)


def kubeconfig(folder: Path, address: str) -> Path:
    """A kubeconfig that names a server."""
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "c", "cluster": {"server": address}}],
                "users": [{"name": "u", "user": {"token": "a-token"}}],
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    return path


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
