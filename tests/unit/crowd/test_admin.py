"""The admin's pages: behind a password, deaf to other sites, and everything done there stands in the log."""

import json
import re
from functools import partial

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from components.contracts.evidence_rows import Judgment
from components.crowd.assignment.votes import record_vote
from components.crowd.database import Store
from components.crowd.invitations import rater_key
from components.crowd.settings import hashed, opens
from components.crowd.study.audit import entries
from components.crowd.study.closing import set_closed
from components.crowd.tables import Rater, Study
from tests.unit.crowd.studies import (
    PLAIN,
    SETTINGS,
    Clock,
    Person,
    ask,
    client_for,
    form_in,
    headline,
    links,
    make,
    rate_all,
    rater,
)


def logged_in(client: TestClient, password: str = "open sesame") -> int:
    return client.post("/admin/login", data={"password": password}, follow_redirects=False).status_code


def test_without_a_login_there_is_nothing(sqlite: Store) -> None:
    study = make(sqlite)
    with client_for(sqlite) as client:
        assert "Password" in client.get("/admin").text
        for address in (f"/admin/studies/{study.id}", f"/admin/studies/{study.id}/judgments.jsonl"):
            answer = client.get(address, follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
        for action, data in (("close", {}), ("invite", {"number": "3", "days": "3"})):
            assert client.post(f"/admin/studies/{study.id}/{action}", data=data).status_code == 403
        assert logged_in(client, "wrong") == 403
        client.cookies.set("touchstone_admin", "forged")
        assert "Password" in client.get("/admin").text


def test_without_a_password_set_there_are_no_admins_pages(sqlite: Store) -> None:
    make(sqlite)
    with client_for(sqlite, settings=SETTINGS._replace(password=None)) as client:
        assert client.get("/admin").status_code == 404
        assert logged_in(client, "") == 404


def test_the_password_may_be_set_hashed(sqlite: Store) -> None:
    kept = hashed("open sesame")
    assert "sesame" not in kept
    assert opens("open sesame", kept)
    assert not opens("open sesam", kept)
    assert not opens(kept, kept), "the hash itself opens nothing"
    with client_for(sqlite, settings=SETTINGS._replace(password=kept)) as client:
        assert logged_in(client) == 303


@pytest.mark.slow
def test_guessing_the_password_is_slow(sqlite: Store) -> None:
    with client_for(sqlite) as client:
        assert [logged_in(client, str(number)) for number in range(8)] == [403] * 5 + [429] * 3
        assert logged_in(client) == 429, "the right one too, or the limit would tell"


def test_a_login_is_kept_from_other_sites_and_ends(sqlite: Store) -> None:
    study, clock = make(sqlite), Clock()
    with client_for(sqlite, clock) as client:
        answer = client.post("/admin/login", data={"password": "open sesame"}, follow_redirects=False)
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        close = f"/admin/studies/{study.id}/close"
        assert client.post(close, data={"form": ""}).status_code == 403, "a form from elsewhere"
        form = form_in(client.get(f"/admin/studies/{study.id}").text)
        clock.now += 9 * 3600
        assert client.post(close, data={"form": form}).status_code == 403
        assert sqlite.run(lambda session: session.get_one(Study, study.id).closed) is False


@pytest.mark.slow
def test_another_password_ends_every_login(sqlite: Store) -> None:
    with client_for(sqlite) as client:
        logged_in(client)
        cookie = client.cookies["touchstone_admin"]
    found = []
    for password in ("open sesame", "another one"):
        with client_for(sqlite, settings=SETTINGS._replace(password=password)) as client:
            client.cookies["touchstone_admin"] = cookie
            found.append('type="password"' in client.get("/admin").text)
    assert found == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("odd", ["0", "-1", "99999999999999999999999", "2147483648", "x", "7"])
def test_a_study_that_cannot_be_gets_a_page(sqlite: Store, odd: str) -> None:
    with client_for(sqlite) as client:
        logged_in(client)
        assert client.get(f"/admin/studies/{odd}").status_code in {400, 404}
        assert client.get(f"/admin/studies/{odd}/judgments.jsonl").status_code in {400, 404}


def test_invite_close_export_and_the_log_of_it(sqlite: Store) -> None:
    study = make(sqlite)
    rate_all(sqlite, study, rater(sqlite, study, "one"))
    with client_for(sqlite) as client:
        logged_in(client)
        page = client.get(f"/admin/studies/{study.id}").text
        assert re.search(r'<td class="num">\d / 0 / \d</td>', page), "left, equal, right"
        data = {"form": form_in(page), "number": "2", "days": "36500", "lane": "crowd"}
        assert client.post(f"/admin/studies/{study.id}/invite", data=data).status_code == 400, "no link for a century"
        made = client.post(f"/admin/studies/{study.id}/invite", data={**data, "days": "30"}).text
        assert len(set(re.findall(r"http://testserver/r/[\w.-]+", made))) == 2
        rows = client.get(f"/admin/studies/{study.id}/judgments.jsonl").text.splitlines()
        assert len([Judgment.model_validate(json.loads(row)) for row in rows]) == 4
        client.post(f"/admin/studies/{study.id}/close", data={"form": form_in(made)})
        assert "closed" in client.get("/admin").text
        person = Person(client, *links(sqlite, study, "late"))
        assert client.get(person.link).status_code == 410
    log = sqlite.run(lambda session: [(entry.actor, entry.action) for entry in entries(session, study.name)])
    assert [entry for entry in log if entry[0] == "admin"] == [
        ("admin", "close"),
        ("admin", "export"),
        ("admin", "invite"),
    ]


def hurry(store: Store, study: Study, who: Rater) -> None:
    """Answer every pair in half a second, with nobody asking the rules meanwhile."""
    while (item := ask(store, study, who, now=0.0)) is not None:
        store.run(partial(_vote, who.id, item.assignment_id))


def _vote(rater_id: int, assignment_id: int, session: Session) -> str:
    return record_vote(session, session.get_one(Rater, rater_id), assignment_id, "left", 0.5)


def test_what_is_downloaded_has_passed_the_rules(sqlite: Store) -> None:
    pairs = [headline(number) for number in range(10)]
    rules = PLAIN.rules.model_copy(update={"min_median_seconds": 3.0, "seconds_from": 10})
    study = make(sqlite, PLAIN.model_copy(update={"rules": rules}), pairs)
    who = rater(sqlite, study, "hasty")
    with client_for(sqlite) as client:
        logged_in(client)
        hurry(sqlite, study, who)
        rows = client.get(f"/admin/studies/{study.id}/judgments.jsonl").text.splitlines()
    told = {json.loads(row)["unscored"] for row in rows}
    assert told == {"rater excluded: median of 0.5 s an answer, the rule asks for 3 s"}


def test_closing_asks_the_rules(sqlite: Store) -> None:
    rules = PLAIN.rules.model_copy(update={"min_median_seconds": 3.0, "seconds_from": 4})
    study = make(sqlite, PLAIN.model_copy(update={"rules": rules}))
    who = rater(sqlite, study, "hasty")
    hurry(sqlite, study, who)
    sqlite.run(lambda session: set_closed(session, session.get_one(Study, study.id), True))
    assert sqlite.run(lambda session: session.get_one(Rater, who.id).excluded) is not None


def test_a_pseudonym_hangs_on_the_services_key_and_on_no_capitals_of_an_address() -> None:
    key = rater_key(b"one secret", "s", "prof@example.org")
    assert rater_key(b"another secret", "s", "prof@example.org") != key
    assert rater_key(b"one secret", "other", "prof@example.org") != key
    assert rater_key(b"one secret", "s", " Prof@Example.ORG ") == key
    # Workers' ids and names are what they are.
    assert rater_key(b"one secret", "s", "mturk:A1b") != rater_key(b"one secret", "s", "mturk:A1B")


def test_what_raters_report_is_shown_as_text(sqlite: Store) -> None:
    study = make(sqlite)
    with client_for(sqlite) as client:
        person = Person(client, *links(sqlite, study, "one"))
        form = form_in(person.begin())
        client.post(person.link + "/problem", data={"form": form, "words": "<script>alert(1)</script>"})
        logged_in(client)
        page = client.get(f"/admin/studies/{study.id}").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in page
