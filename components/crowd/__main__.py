"""`python -m components.crowd`: the crowd service on a port. `touchstone crowd` does everything else."""

from __future__ import annotations

import sys

import click

from components.contracts.errors import TouchstoneError
from components.crowd.database import database_url, open_database
from components.crowd.serving import serve
from components.crowd.settings import read_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 in a container.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def main(host: str, port: int) -> None:
    """Serve until SIGTERM; requests under way are answered first. DATABASE_URL names the database."""
    try:
        url = database_url()
        serve(open_database(url), read_settings(url), host, port)
    except TouchstoneError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
