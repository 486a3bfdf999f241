"""An API server of one namespace, whose pods are really run: each container as a process of this machine.

The processes share the network, as containers of a pod do, and have no other wall between them: what is tested here
is pods as requests and logs, and that the boxes' scripts find each other. Only sound programs may be run this way.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from components.benchmark.sandbox.isolation import interpreter

Answer = tuple[int, bytes]


class PlayedPod:
    """A pod: its spec, and the processes of its containers."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.logs: dict[str, IO[bytes]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for container in body["spec"]["containers"]:
            log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the cluster
            self.logs[container["name"]] = log
            self.processes[container["name"]] = subprocess.Popen(
                [str(interpreter()), *container["command"][1:]],
                env={each["name"]: each["value"] for each in container["env"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/tmp",
            )

    def status(self) -> dict[str, Any]:
        codes = [process.poll() for process in self.processes.values()]
        if None in codes:
            return {"phase": "Running"}
        return {"phase": "Failed" if any(codes) else "Succeeded"}

    def log(self, container: str) -> bytes:
        descriptor = self.logs[container].fileno()
        return os.pread(descriptor, 1 << 24, 0)

    def kill(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


class PlayedCluster:
    """The server; `address` leads to it."""

    def __init__(self) -> None:
        self.pods: dict[str, PlayedPod] = {}
        self.bodies: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.refusals: list[tuple[int, str]] = []
        """Answers to the next creations."""
        self.status: dict[str, Any] | None = None
        """What every pod's status is, where it is not what became of its processes."""
        self.on_log: Callable[[PlayedPod, bytes], None] = lambda pod, log: None
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for pod in self.pods.values():
            pod.kill()
            for log in pod.logs.values():
                log.close()

    def answer(self, method: str, address: str, body: bytes) -> Answer:
        parts = urlsplit(address)
        name, _, part = parts.path.partition("/pods")[2].strip("/").partition("/")
        if method == "POST":
            return self._create(json.loads(body))
        pod = self.pods.get(name)
        if pod is None or name in self.deleted:
            return _status(404, f"pods {name} not found")
        if method == "DELETE":
            self.deleted.append(name)
            pod.kill()
            return 200, b"{}"
        if part == "log":
            text = pod.log(parse_qs(parts.query)["container"][0])
            self.on_log(pod, text)
            return 200, text
        return 200, json.dumps({"metadata": {"name": name}, "status": self.status or pod.status()}).encode()

    def _create(self, body: dict[str, Any]) -> Answer:
        with self._lock:
            if self.refusals:
                return _status(*self.refusals.pop(0))
            self.bodies.append(body)
            self.pods[body["metadata"]["name"]] = PlayedPod(body)
        return 201, json.dumps(body).encode()


def _status(code: int, message: str) -> Answer:
    return code, json.dumps({"kind": "Status", "code": code, "message": message}).encode()


def _handler(cluster: PlayedCluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, data = cluster.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if "/log" in self.path else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _reply  # noqa: N815 - the names the server looks for

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
