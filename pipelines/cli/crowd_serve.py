"""`touchstone crowd serve`, `migrate`, `password`."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

LAPTOP_DAYS = 14.0


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for others to reach."
)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--url", help="Address under which raters reach the service; default: host and port.")
@click.option(
    "--study",
    type=click.Path(path_type=Path, exists=True),
    help="Pairs (an artifact or JSON lines) to make a study of; the same file again goes on with the same study.",
)
@click.option("--name", help="Name of that study; default: the file's.")
@click.option(
    "--design",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML of that study's quotas and rules (docs/crowd.md).",
)
@click.option("--raters", type=click.IntRange(0, 500), default=3, show_default=True, help="Links to print for it.")
def serve(
    host: str, port: int, url: str | None, study: Path | None, name: str | None, design: Path | None, raters: int
) -> None:
    """Serve the raters' page until Ctrl-C.

    With --study all of it happens at once: the study is made and the links to its raters' pages are printed.
    """
    from components.crowd.serving import serve as serve_until_stopped
    from pipelines.crowd.desk import open_desk

    desk = open_desk()
    url = (url or f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}").rstrip("/")
    if study is not None:
        made = desk.create(study, name or study.stem, design)
        click.echo(f"study    {made}")
        for number, token in enumerate(desk.invite(made, [f"rater-{n}" for n in range(1, raters + 1)], LAPTOP_DAYS), 1):
            click.echo(f"rater {number}  {url}/r/{token}")
    settings = desk.settings
    if settings.password is None:
        settings = settings._replace(password=secrets.token_urlsafe(12))
        click.echo(f"admin    {url}/admin   password {settings.password}   (for this run)")
    else:
        click.echo(f"admin    {url}/admin")
    serve_until_stopped(desk.store.engine, settings, host, port)


@click.command()
@click.option("--down", metavar="REVISION", help="Take the tables back to this revision; what came later is lost.")
def migrate(down: str | None) -> None:
    """Bring the database's tables to this version. Servers do this on their own when they start."""
    from components.crowd.database import downgrade, upgrade
    from pipelines.crowd.desk import open_desk

    desk = open_desk()
    if down is None:
        upgrade(desk.store.engine)
    else:
        downgrade(desk.store.engine, down)
    click.echo("done")


@click.command()
@click.password_option(help="Asked for when not given.")
def password(password: str) -> None:
    """Print what TOUCHSTONE_CROWD_PASSWORD may hold in place of the password itself."""
    from components.crowd.settings import hashed

    click.echo(hashed(password))
