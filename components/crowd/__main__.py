"""`python -m components.crowd`: the crowd service on a port."""

from __future__ import annotations

import sys

import click
import uvicorn

from components.contracts.errors import TouchstoneError
from components.crowd.app import create_app
from components.crowd.database import database_url, open_database


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 in a container.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def serve(host: str, port: int) -> None:
    """Serve until SIGTERM; requests under way are answered first. DATABASE_URL names the database."""
    try:
        engine = open_database(database_url())
    except TouchstoneError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    # The pods' addresses change and probes come every few seconds: an access log would hold little else.
    uvicorn.run(create_app(engine), host=host, port=port, access_log=False, timeout_graceful_shutdown=20)


if __name__ == "__main__":
    serve()
