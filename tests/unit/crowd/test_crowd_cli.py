"""`touchstone crowd` as a person types it."""

import json
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input
from components.crowd.database import Store, open_database
from components.crowd.settings import opens
from pipelines.cli.crowd import crowd
from pipelines.crowd.desk import open_desk
from tests.unit.crowd.studies import gold, headline, rate_all


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with nothing set."""
    for name in ("DATABASE_URL", "TOUCHSTONE_CROWD_SECRET", "TOUCHSTONE_CROWD_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    rows = [headline(0), headline(1), *(gold(n) for n in range(2))]
    (tmp_path / "pairs.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    (tmp_path / "design.yaml").write_text("raters_per_pair: 1\nrepeat_share: 0\nrules: {min_median_seconds: null}\n")
    return tmp_path


def call(*arguments: str) -> str:
    done = CliRunner().invoke(crowd, list(arguments))
    if isinstance(done.exception, TouchstoneError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_from_pairs_to_judgments(place: Path) -> None:
    assert "headline  0 of 2 complete" in call("create", "pairs.jsonl", "--design", "design.yaml", "--days", "3")
    links = call(
        "invite", "--identity", "ann@example.org", "--identity", "bo@example.org", "--url", "https://r.example/"
    )
    assert re.findall(r"^(\S+)\thttps://r\.example/r/[\w.-]+$", links, re.M) == ["ann@example.org", "bo@example.org"]
    again = call("invite", "pairs", "--identity", "ann@example.org")
    desk = open_desk()
    state = json.loads(call("status", "--json"))
    assert len(state["raters"]) == 2, "invited again, the same person"
    assert again
    assert b"ann@example.org" not in (place / "touchstone-crowd.db").read_bytes()
    from components.crowd.study.closing import find_study
    from components.crowd.tables import Rater

    who = desk.store.run(lambda session: session.get_one(Rater, 1))
    study = desk.store.run(lambda session: find_study(session, None))
    assert rate_all(desk.store, study, who) == 2
    assert "2 answers" in call("close")
    assert "2 judgments, 0 of them unscored" in call("export", "--out", "judgments")
    artifact = Input(place / "judgments", Judgment)
    assert {row.outcome for row in artifact.rows()} == {"win"}
    assert artifact.manifest.notes["open"] is False
    assert "forgotten, with 2 votes" in call("forget", "ann@example.org", "--yes")
    assert "0 judgments" in call("export", "--out", "judgments")
    assert "open" in call("open")
    desk.store.engine.dispose()


def test_what_is_wrong_is_said_before_anything_is_made() -> None:
    with pytest.raises(TouchstoneError, match="0 studies"):
        call("close")
    with pytest.raises(TouchstoneError, match="nobody to invite"):
        call("invite")
    Path("bad.yaml").write_text("raters_per_pear: 3\n")
    with pytest.raises(TouchstoneError, match="raters_per_pear"):
        call("create", "pairs.jsonl", "--design", "bad.yaml")
    call("create", "pairs.jsonl")
    with pytest.raises(TouchstoneError, match="other pairs or rules"):
        call("create", "pairs.jsonl", "--design", "design.yaml")
    with pytest.raises(TouchstoneError, match="no study 'paris'"):
        call("status", "paris")
    with pytest.raises(TouchstoneError, match="no such rater"):
        call("forget", "nobody@example.org", "--yes")


def test_identities_come_from_a_file_as_editors_save_it_and_links_only_for_an_address(place: Path) -> None:
    call("create", "pairs.jsonl")
    (place / "people.txt").write_bytes("\ufeffann@example.org\r\n\r\n  bo \r\n".encode())
    links = call("invite", "--identities", "people.txt", "--identity", "ann@example.org", "--url", "https://r.example")
    assert [line.split("\t")[0] for line in links.splitlines()] == ["ann@example.org", "ann@example.org", "bo"]
    assert len(open_desk().states("pairs")[0].raters) == 2
    (place / "people.txt").write_bytes(b"ann\xff\n")
    with pytest.raises(UsageError, match="no UTF-8 text"):
        call("invite", "--identities", "people.txt")
    for url in ("r.example", "ftp://r.example", "https://"):
        with pytest.raises(UsageError, match="--url"):
            call("invite", "--identity", "ann", "--url", url)


def test_a_port_that_is_taken_and_an_address_that_is_not_ours_are_said(place: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(UsageError, match=r"nothing can listen on 127\.0\.0\.1"):
        call("serve", "--port", str(taken.getsockname()[1]))
    # An address of nobody's (RFC 5737).
    with pytest.raises(UsageError, match=r"nothing can listen on 192\.0\.2\.1"):
        call("serve", "--host", "192.0.2.1")


def test_a_study_of_no_pairs_is_not_priced(place: Path) -> None:
    (place / "empty.jsonl").write_text("")
    with pytest.raises(TouchstoneError, match="no pair to rate"):
        call("estimate", "empty.jsonl")


def test_a_database_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")
    with pytest.raises(TouchstoneError) as refused:
        call("status")
    assert "does not answer" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_tables_go_back_and_forth() -> None:
    call("create", "pairs.jsonl")
    assert call("migrate", "--down", "0001") == "done\n"
    assert call("migrate") == "done\n"
    store = Store(open_database(open_desk().store.engine.url))
    assert store.run(lambda session: True)
    store.engine.dispose()


def test_a_password_is_printed_hashed() -> None:
    assert opens("open sesame", call("password", "--password", "open sesame").strip())
