"""Migrations, up and down with data in, on both databases."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, inspect, text

from components.contracts.errors import TouchstoneError
from components.crowd.database import Store, downgrade, open_database, upgrade
from components.crowd.study.results import judgments
from components.crowd.tables import Base, Payment
from tests.unit.crowd.studies import make, rate_all, rater, votes_of


def test_migrated_tables_are_those_that_the_code_declares(store: Store) -> None:
    store.migrate()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_down_and_up_again_loses_what_the_newer_version_added_and_no_vote(store: Store) -> None:
    study = make(store)
    who = rater(store, study, "one")
    rate_all(store, study, who)
    before = store.run(lambda session: judgments(session, study))
    ledger = Payment(study_id=study.id, rater_id=who.id, kind="bonus", cents=50, token="t", created_at=0.0)
    store.run(lambda session: session.add(ledger))
    downgrade(store.engine, "0001")
    columns = {column["name"] for column in inspect(store.engine).get_columns("rater")}
    assert "mturk_hit" not in columns
    assert not inspect(store.engine).has_table("payment")
    with store.engine.connect() as connection:
        assert connection.execute(text("select count(*) from vote")).scalar() == 4
    upgrade(store.engine)
    assert store.run(lambda session: judgments(session, study)) == before
    downgrade(store.engine, "base")
    assert set(inspect(store.engine).get_table_names()) <= {"alembic_version"}
    upgrade(store.engine)
    assert votes_of(store) == []


def test_servers_that_start_together_migrate_once(url: URL) -> None:
    engines = [open_database(url) for _ in range(4)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            Store(engines[number]).migrate()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert make(Store(engines[0])).name == "plain"
    for engine in engines:
        engine.dispose()


def test_a_migration_that_fails_leaves_the_tables_as_they_were(url: URL) -> None:
    """A table of the second migration is there already: the first is undone with it, or nobody could go on."""
    store = Store(open_database(url))
    with store.engine.begin() as connection:
        connection.execute(text("create table payment (id integer)"))
    with pytest.raises(Exception, match="payment"):
        store.migrate()
    assert not inspect(store.engine).has_table("study")
    with store.engine.begin() as connection:
        connection.execute(text("drop table payment"))
    assert make(store).name == "plain"
    store.engine.dispose()


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    make(store)
    with store.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(TouchstoneError, match="not known here"):
        Store(store.engine).migrate()
