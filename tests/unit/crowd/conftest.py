"""Studies to rate, on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from components.crowd.database import Store, open_database
from tests.unit.crowd.postgres import PostgreSQL, programs


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgresql_url(postgresql: PostgreSQL) -> URL:
    return postgresql.database("crowd")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """Address of an empty database of each kind."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path / 'crowd.db'}")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.emptied(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(url: URL) -> Iterator[Store]:
    engine = open_database(url)
    yield Store(engine)
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    """For what does not depend on the kind of database."""
    engine = open_database(make_url(f"sqlite:///{tmp_path / 'crowd.db'}"))
    yield Store(engine)
    engine.dispose()
