"""Tries to open connections. Runs in a probe pod, on whatever Python its image has.

DOCTOR_TARGETS  HOST:PORT, separated by commas; the cluster's API server is always tried too
DOCTOR_LISTEN   port to listen on afterwards, as a target for another pod
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path

CONNECT_SECONDS = 2.0
TRIES = 4
PAUSE_SECONDS = 1.0
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def reached(target: str, results: dict[str, bool]) -> None:
    """Whether a connection opens, now and after some seconds: some networks enforce a policy a moment late."""
    host, _, port = target.rpartition(":")
    results[target] = True
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except OSError:
            results[target] = False
            return


def main() -> None:
    """Print one line of JSON: which targets were reached, and whether there is a service-account token."""
    listen = os.environ.get("DOCTOR_LISTEN")
    server = socket.create_server(("", int(listen))) if listen else None
    targets = [t for t in os.environ.get("DOCTOR_TARGETS", "").split(",") if t]
    targets.append(f"{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}")
    results: dict[str, bool] = {}
    tries = [threading.Thread(target=reached, args=(target, results)) for target in targets]
    for one in tries:
        one.start()
    for one in tries:
        one.join()
    print(json.dumps({"reached": results, "token": TOKEN.exists()}), flush=True)  # noqa: T201
    while server:
        server.accept()[0].close()


if __name__ == "__main__":
    main()
