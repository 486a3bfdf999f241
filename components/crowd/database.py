"""The database of ratings: PostgreSQL by DATABASE_URL, a SQLite file without. Opening, migrating, transactions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session

from components.contracts.errors import TouchstoneError, UsageError

VARIABLE = "DATABASE_URL"
DEFAULT = "sqlite:///touchstone-crowd.db"
CONNECT_SECONDS = 3
BUSY_SECONDS = 10
"""How long a SQLite write waits for another's to end."""
TRIES = 4
MIGRATION_LOCK = 7_263_811
"""Number of the PostgreSQL advisory lock under which one server at a time migrates."""
REMEDY = f"export {VARIABLE}=postgresql://USER:PASSWORD@HOST:5432/DATABASE, or unset it for a SQLite file"
RETRIED = {"40001", "40P01", "23505"}
"""SQLSTATEs after which a transaction is to be run again: serialisation failure, deadlock, and a row that another
transaction made at the same moment, which the second run finds."""

T = TypeVar("T")


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
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        # A lost server must fail a readiness probe within its timeout rather than hang it. As many connections as
        # threads that answer; two servers stay below PostgreSQL's 100. Whether one lives is found by using it (`run`).
        return create_engine(url, pool_size=20, max_overflow=20, connect_args={"connect_timeout": CONNECT_SECONDS})
    except (NoSuchModuleError, ImportError) as error:
        raise UsageError(
            f"{VARIABLE} needs the driver {url.drivername}, which is not installed",
            expected="postgresql+psycopg or sqlite",
            remedy=REMEDY,
        ) from error


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # The driver's own transactions would leave DDL outside of them.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A transaction that reads first and writes later cannot be made to wait for another writer: it fails.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class Store:
    """Transactions over one database, which is migrated before the first of them."""

    def __init__(self, engine: Engine) -> None:
        """Over a pool that the caller owns."""
        self.engine = engine
        self._migrated = False
        self._lock = threading.Lock()

    def run(self, work: Callable[[Session], T]) -> T:
        """What `work` returns, in one transaction; run again when the database gave way to another transaction, or when
        the connection turned out to be of a server that is gone. `work` must bear to be run after it was committed.

        Raises:
            DBAPIError: the database cannot be reached, or is full.
        """
        self.migrate()
        for attempt in range(TRIES):
            try:
                with Session(self.engine, expire_on_commit=False) as session, session.begin():
                    return work(session)
            except DBAPIError as error:
                again = error.connection_invalidated or getattr(error.orig, "sqlstate", None) in RETRIED
                if not again or attempt == TRIES - 1:
                    raise
        raise AssertionError("the last try returns or raises")

    def migrate(self) -> None:
        """Bring the tables to this version's, once; other servers wait meanwhile."""
        if self._migrated:
            return
        with self._lock:
            if not self._migrated:
                upgrade(self.engine)
                self._migrated = True


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to `revision`, in one transaction under a lock that other servers respect.

    Raises:
        TouchstoneError: the database was migrated by a newer version.
    """
    from alembic import command

    _migrate(engine, lambda configuration: command.upgrade(configuration, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Take the tables back to `revision`: what a newer version added is lost, the rest stays."""
    from alembic import command

    _migrate(engine, lambda configuration: command.downgrade(configuration, revision))


def _migrate(engine: Engine, work: Callable[[Any], None]) -> None:
    from alembic.config import Config
    from alembic.util import CommandError

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        configuration.attributes["connection"] = connection
        try:
            work(configuration)
        except CommandError as error:
            raise TouchstoneError(
                f"the database's tables are of a version that is not known here ({error})",
                expected="tables of this version or an older one",
                remedy="run the version that made them, or `touchstone crowd migrate --down` with it first",
            ) from error
