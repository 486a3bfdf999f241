"""The database that will hold ratings: PostgreSQL by DATABASE_URL, a SQLite file without."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from components.contracts.errors import UsageError

VARIABLE = "DATABASE_URL"
DEFAULT = "sqlite:///touchstone-crowd.db"
CONNECT_SECONDS = 3
REMEDY = f"export {VARIABLE}=postgresql://USER:PASSWORD@HOST:5432/DATABASE, or unset it for a SQLite file"


def database_url(environment: Mapping[str, str] = os.environ) -> URL:
    """Address of the database, with the driver that is installed.

    Raises:
        UsageError: the address cannot be understood, or is of another kind of database. It is never printed: it
            holds a password.
    """
    given = environment.get(VARIABLE) or DEFAULT
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        raise UsageError(f"{VARIABLE} is no database address", expected="a URL", remedy=REMEDY) from error
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"postgresql", "sqlite"}:
        raise UsageError(
            f"{VARIABLE} names a database of the kind {url.get_backend_name()}",
            expected="postgresql or sqlite",
            remedy=REMEDY,
        )
    return url


def open_database(url: URL) -> Engine:
    """A pool of connections; nothing is connected yet, so that the service starts before its database.

    Raises:
        UsageError: the address names a driver that is not installed.
    """
    # A lost server must fail a readiness probe within its timeout rather than hang it.
    arguments = {"connect_timeout": CONNECT_SECONDS} if url.get_backend_name() == "postgresql" else {}
    try:
        return create_engine(url, pool_pre_ping=True, connect_args=arguments)
    except (NoSuchModuleError, ImportError) as error:
        raise UsageError(
            f"{VARIABLE} needs the driver {url.drivername}, which is not installed",
            expected="postgresql+psycopg or sqlite",
            remedy=REMEDY,
        ) from error
