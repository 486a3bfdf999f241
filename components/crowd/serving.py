"""The service on a port, until it is told to stop."""

from __future__ import annotations

import socket

import uvicorn
from sqlalchemy import Engine

from components.contracts.errors import UsageError
from components.crowd.app import create_app
from components.crowd.settings import Settings

GRACE_SECONDS = 20
KEEP_ALIVE_SECONDS = 75
"""Longer than a rater thinks and than a proxy keeps a connection: a connection that the server shuts while a vote is on
its way looks to a rater like a vote that failed."""


def serve(engine: Engine, settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM; requests under way are answered first.

    Raises:
        UsageError: nothing can listen there.
    """
    _refuse_taken(host, port)
    # The pods' addresses change and probes come every few seconds: an access log would hold little else, and the
    # addresses of raters' pages, which are their keys.
    uvicorn.run(
        create_app(engine, settings),
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _refuse_taken(host: str, port: int) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise UsageError(
            f"nothing can listen on {host}, port {port}: {error.strerror}",
            expected="an address of this machine (0.0.0.0 = all), and a port that no other program has",
            remedy="give another --port",
        ) from error
