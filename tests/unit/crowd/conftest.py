"""Studies to rate, on SQLite and on a real PostgreSQL."""

import shutil
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


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with this version's tables and nothing in them; to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "crowd.db"
    engine = open_database(make_url(f"sqlite:///{path}"))
    Store(engine).migrate()
    engine.dispose()
    return path


@pytest.fixture
def store(url: URL, migrated: Path) -> Iterator[Store]:
    if url.get_backend_name() == "sqlite":
        shutil.copyfile(migrated, str(url.database))
    engine = open_database(url)
    yield Store(engine)
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path, migrated: Path) -> Iterator[Store]:
    """For what does not depend on the kind of database."""
    shutil.copyfile(migrated, tmp_path / "crowd.db")
    engine = open_database(make_url(f"sqlite:///{tmp_path / 'crowd.db'}"))
    yield Store(engine)
    engine.dispose()
