"""What Prometheus is told of ratings: answers by what became of them, and the state of open studies."""

import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from components.crowd import counts
from components.crowd.database import Store, open_database
from components.crowd.study.closing import set_closed
from components.crowd.study.results import rater_lines
from components.crowd.tables import Rater, Study
from tests.unit.crowd.studies import (
    PLAIN,
    Clock,
    Person,
    client_for,
    form_in,
    headline,
    links,
    make,
    rate_all,
    rater,
    votes_of,
)
from tests.unit.crowd.test_into_study import sheet_of, taken

Told = dict[tuple[str, ...], float]


def told(client: TestClient, name: str) -> Told:
    """Values of one metric, by its labels' values in the order of the labels' names."""
    page = client.get("/metrics")
    assert page.status_code == 200
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if sample.name == name
    }


def test_every_answer_is_counted_by_what_became_of_it(sqlite: Store) -> None:
    study, clock = make(sqlite, pairs=[headline(number) for number in range(4)]), Clock()
    with client_for(sqlite, clock) as client:
        one, other = (Person(client, token) for token in links(sqlite, study, "one", "other"))
        first = form_in(one.begin())
        one.vote("left")
        one.vote("left", first)
        one.vote("up")
        form_of_other = form_in(other.begin())
        one.vote("left", form_of_other)
        client.post(f"/r/{'x' * 30}/vote", data={"form": first, "choice": "left"})
        client.post(one.link + "/problem", data={"form": form_in(one.look()), "words": "empty"})
        clock.now += 40_000 * 86_400
        one.vote("left", first)
        clock.now -= 40_000 * 86_400
        sqlite.run(lambda session: set_closed(session, session.get_one(Study, study.id), True))
        one.vote("left", first)
        assert told(client, counts.VOTES) == {("answer", "1"): 1, ("problem", "1"): 1}
        assert told(client, counts.REFUSED) == {
            (reason,): 1 for reason in ("repeated", "no_choice", "form", "link", "expired", "closed")
        }
    assert len(votes_of(sqlite)) == 2


def test_the_excluded_the_forgotten_and_the_hasty_are_told_apart(sqlite: Store) -> None:
    study = make(sqlite)
    with client_for(sqlite) as client:
        one, two, three = (Person(client, token) for token in links(sqlite, study, "one", "two", "three"))
        for person in (one, two, three):
            person.begin()
        keys = [line.key for line in sqlite.run(lambda session: rater_lines(session, study))]

        def work(session: Session) -> None:
            raters = {who.key: who for who in session.query(Rater)}
            raters[keys[0]].excluded = "a rule"
            session.delete(raters[keys[1]])

        sqlite.run(work)
        one.vote("left")
        two.vote("left")
        for _ in range(40):
            three.vote("left", "no form")
        refused = told(client, counts.REFUSED)
        assert (refused["excluded",], refused["withdrawn",]) == (1, 1)
        assert refused["form",] + refused["too_fast",] == 40
        assert refused["too_fast",] >= 5


def test_open_studies_are_told_by_number_and_closed_ones_not(store: Store) -> None:
    clock = Clock()
    study = make(store, PLAIN.model_copy(update={"name": "vicuna against gpt-4"}), [headline(n) for n in range(4)])
    done = make(store, PLAIN.model_copy(update={"name": "done"}))
    store.run(lambda session: set_closed(session, session.get_one(Study, done.id), True))
    for person in ("ann", "bob", "cy"):
        rate_all(store, study, rater(store, study, person))
    number = (str(study.id),)
    with client_for(store, clock) as client:
        assert told(client, "touchstone_crowd_open_pairs") == {number: 0}
        assert told(client, "touchstone_crowd_vote_seconds") == {number: 20}
        assert told(client, "touchstone_crowd_raters_active") == {number: 0}, "they were there long before"
        assert told(client, "touchstone_crowd_last_vote_timestamp_seconds") == {number: 320}
        assert "vicuna" not in client.get("/metrics").text


def test_a_study_that_nobody_rates_was_last_heard_of_when_it_was_made(sqlite: Store) -> None:
    before = time.time()
    study = make(sqlite)
    with client_for(sqlite, Clock(time.time())) as client:
        Person(client, *links(sqlite, study, "ann")).begin()
        made = told(client, "touchstone_crowd_last_vote_timestamp_seconds")["1",]
        assert before <= made <= time.time()
        assert told(client, "touchstone_crowd_open_pairs") == {("1",): 4}
        assert told(client, "touchstone_crowd_raters_active") == {("1",): 1}
        assert told(client, "touchstone_crowd_vote_seconds") == {}, "nothing measured is no number"


def test_sheets_bring_votes_and_no_rater_who_is_here_now(sqlite: Store) -> None:
    pairs = [headline(number) for number in range(3)]
    study = make(sqlite, pairs=pairs)
    taken(sqlite, [replace(row, rater="ann") for row in sheet_of("ann", pairs=pairs)], pairs)
    with client_for(sqlite, Clock(1010.0)) as client:
        assert told(client, "touchstone_crowd_raters_active") == {(str(study.id),): 0}
        assert told(client, "touchstone_crowd_last_vote_timestamp_seconds") == {(str(study.id),): 1000}


def test_a_database_that_hangs_keeps_no_other_metric_back(sqlite: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(sqlite)
    monkeypatch.setattr(counts, "PATIENCE_SECONDS", 0.05)
    with client_for(sqlite) as client, closing(sqlite3.connect(str(sqlite.engine.url.database))) as other:
        other.execute("begin immediate")
        client.get("/")
        for _ in range(3):
            assert told(client, "touchstone_crowd_requests_total")["/", "200"] == 1
            assert told(client, "touchstone_crowd_open_pairs") == {}
        other.rollback()
        monkeypatch.setattr(counts, "PATIENCE_SECONDS", 10.0)
        assert told(client, "touchstone_crowd_open_pairs") == {(str(study.id),): 4}


def test_without_a_database_the_gauges_are_silent_and_the_rest_is_told() -> None:
    engine = open_database(make_url("postgresql+psycopg://nobody:secret@127.0.0.1:1/none"))
    with client_for(Store(engine)) as client:
        assert told(client, "touchstone_crowd_open_pairs") == {}
        assert client.get("/readyz").status_code == 503
        assert told(client, "touchstone_crowd_requests_total")["/readyz", "503"] == 1
    engine.dispose()
