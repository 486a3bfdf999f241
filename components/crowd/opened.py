"""The service's database for work of its own, outside of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from components.contracts.errors import TouchstoneError
from components.crowd.database import Store, database_url, open_database
from components.crowd.settings import Settings, read_settings


@contextmanager
def opened_store(url: URL | None = None) -> Iterator[tuple[Store, Settings]]:
    """A database and the service's secrets, let go of at the end.

    Args:
        url: Its address; null = what DATABASE_URL names.

    Raises:
        TouchstoneError: it cannot be reached or written.
    """
    url = url or database_url()
    engine = open_database(url)
    try:
        yield Store(engine), read_settings(url)
    except SQLAlchemyError as error:
        # Not the driver's words: they may quote the address, password included.
        raise TouchstoneError(
            f"the database does not answer as it should ({type(error).__name__})",
            expected="a database that can be reached and written",
            remedy="check DATABASE_URL, the server, and the room on its disk; run the same command again",
        ) from error
    finally:
        engine.dispose()
