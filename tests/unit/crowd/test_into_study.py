"""Ratings from files as votes of the service: what a vote on the page may not, a row of a sheet may not either."""

import csv
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import write_rows
from components.crowd.database import Store, open_database
from components.crowd.exchange.into_study import TakenIn, store_ratings
from components.crowd.exchange.ratings import CONTRADICTS, Choice, Rating
from components.crowd.exchange.tickets import shown_pairs
from components.crowd.study.audit import entries
from components.crowd.study.closing import forget, set_closed
from components.crowd.study.results import judgments, progress
from components.crowd.tables import Rater, Study
from pipelines.cli.crowd_files import import_ratings, sheet
from tests.unit.crowd.postgres import PostgreSQL
from tests.unit.crowd.studies import (
    PLAIN,
    SETTINGS,
    answer,
    ask,
    button_for,
    counted,
    gold,
    headline,
    make,
    pairs_of,
    rate_all,
    rater,
    votes_of,
)

PAIRS = [headline(number) for number in range(6)]


def sheet_of(
    person: str, likes: str = "win", pairs: list[StudyPair] = PAIRS, seconds: float | None = 20.0
) -> list[Rating]:
    """What a person's sheet says who finds the model under test better, worse (loss) or equal (tie) throughout."""
    rows = []
    for number, shown in enumerate(shown_pairs(pairs), 2):
        choice: Choice = "equal" if likes == "tie" else "left" if (likes == "win") == shown.model_left else "right"
        rows.append(Rating(f"{person}.csv, line {number}", shown.ticket, person, choice, None, seconds))
    return rows


def taken(store: Store, ratings: list[Rating], pairs: list[StudyPair] = PAIRS, name: str | None = None) -> TakenIn:
    return store_ratings(store, name, ratings, pairs, secret=SETTINGS.secret, clock=lambda: 1000.0)


def test_sheets_become_votes_once_and_the_page_goes_on_from_them(store: Store) -> None:
    study = make(store, pairs=PAIRS)
    both = [*sheet_of("ann"), *sheet_of("bob", "loss")[:3]]
    assert taken(store, both)[:5] == ("plain", 9, 0, 0, 0)
    assert taken(store, both)[:5] == ("plain", 0, 0, 9, 0), "again, nothing new"
    votes = votes_of(store)
    assert len(votes) == 9
    assert {(vote.seconds, vote.uncounted) for vote in votes} == {(20.0, None)}
    (line,) = store.run(lambda session: progress(session, study))
    assert (line.counted, line.complete) == (9, 0)
    # Whoever comes by link next is shown what the two sheets are divided on.
    item = ask(store, study, rater(store, study, "cy"))
    assert item is not None
    divided = {pair.id for pair in pairs_of(store).values() if pair.losses}
    assert len(divided) == 3
    assert item.pair_id in divided
    assert {row.seconds for row in store.run(lambda session: judgments(session, study))} == {20.0}
    log = [entry.detail for entry in store.run(lambda session: entries(session, "plain")) if entry.action == "import"]
    assert sorted(words.split(": ")[1] for words in log) == ["3 votes from files", "6 votes from files"]
    assert not any("ann" in words for words in log)


def test_a_pair_never_counts_more_votes_than_it_needs(store: Store) -> None:
    make(store, pairs=PAIRS)
    done = taken(store, [row for who in ("ann", "bob", "cy", "di") for row in sheet_of(who)])
    assert (done.num_stored, done.num_surplus) == (24, 6)
    assert set(counted(store).values()) == {3}
    assert {(pair.reserved, pair.wins) for pair in pairs_of(store).values()} == {(3, 3)}
    assert {vote.uncounted for vote in votes_of(store)} == {
        None,
        "the pair already had its raters when this answer came",
    }


def test_a_sheet_gives_one_rater_no_more_pairs_than_the_page_does(store: Store) -> None:
    pairs = [*PAIRS, gold(0)]
    study = make(store, PLAIN.model_copy(update={"items_per_rater": 4}), pairs)
    ann = rater(store, study, "ann")
    first = ask(store, study, ann)
    assert first is not None
    answer(store, study, ann, first, button_for(first, "win"))
    rows = sheet_of("ann", pairs=pairs)
    done = taken(store, [*rows, *sheet_of("bob", pairs=pairs)[:4]], pairs)
    # Ann: one pair on the page, three of the sheet's other five, and its gold pair, which is a check.
    assert (done.num_stored, done.num_already, done.num_beyond) == (4 + 4, 1, 2)
    told = "beyond the 4 pairs that the study's design (items_per_rater) gives one rater"
    ids = {key: pair.id for key, pair in pairs_of(store).items()}
    others = [
        row.where
        for row, shown in zip(rows, shown_pairs(pairs), strict=True)
        if shown.pair.kind == "headline" and ids[shown.pair.pair_id] != first.pair_id
    ]
    assert done.refused == tuple((where, told) for where in others[3:])
    again = taken(store, rows, pairs)
    assert (again.num_stored, again.num_already, again.num_beyond) == (0, 5, 2)
    assert ask(store, study, ann) is None, "nor does the page go on"


def test_the_answer_on_the_page_stands_and_an_open_item_uses_its_place(store: Store) -> None:
    study = make(store, pairs=PAIRS)
    ann = rater(store, study, "ann")
    first = ask(store, study, ann)
    assert first is not None
    answer(store, study, ann, first, button_for(first, "loss"))
    opened = ask(store, study, ann)
    assert opened is not None
    done = taken(store, sheet_of("ann"))
    assert done.num_stored == 5
    (refused,) = done.refused
    assert "is stored, and it is another" in refused.reason
    assert {pair.reserved for pair in pairs_of(store).values()} == {1}, "the open item's place is not taken twice"
    assert {vote.outcome for vote in votes_of(store) if vote.pair_id == first.pair_id} == {"loss"}
    # The page, still open in the browser, can be sent and changes nothing.
    assert answer(store, study, ann, opened, button_for(opened, "loss")) == "already"


def test_the_sides_are_those_of_the_sheet(store: Store) -> None:
    study = make(store, pairs=PAIRS)
    taken(store, sheet_of("ann"))
    expected = {shown.pair.prompt_id: shown.model_left for shown in shown_pairs(PAIRS)}
    rows = store.run(lambda session: judgments(session, study))
    assert {row.prompt_id: row.order == "model_first" for row in rows} == expected
    assert {row.outcome for row in rows} == {"win"}
    assert len(set(expected.values())) == 2


def test_whoever_fails_the_gold_items_of_a_sheet_is_excluded_and_the_places_are_free_again(store: Store) -> None:
    pairs = [*PAIRS, *(gold(number) for number in range(4))]
    make(store, PLAIN.model_copy(update={"rules": PLAIN.rules.model_copy(update={"min_gold_share": 0.5})}), pairs)
    done = taken(store, sheet_of("ann", "loss", pairs), pairs)
    assert list(done.excluded.values()) == ["0 of 4 gold items right, the rule asks for 50%"]
    assert {pair.reserved for pair in pairs_of(store).values()} == {0}
    again = taken(store, sheet_of("ann", "win", pairs), pairs)
    assert (again.num_stored, again.num_already) == (0, 0)
    assert {row.reason.partition(":")[0] for row in again.refused} == {"rater excluded"}


def test_rows_that_cannot_be_votes_are_told_in_their_order_and_the_others_kept(sqlite: Store) -> None:
    make(sqlite, pairs=PAIRS[:5])
    rows = sheet_of("ann")
    unknown = next(n for n, shown in enumerate(shown_pairs(PAIRS)) if shown.pair.pair_id == "pair-5")
    others = [n for n in range(6) if n != unknown]
    rows[others[0]] = replace(rows[others[0]], choice=None, unscored="left empty")
    rows[others[1]] = replace(rows[others[1]], ticket="t0")
    rows[others[2]] = replace(rows[others[2]], rater=" ")
    twice = replace(rows[others[3]], where="ann.csv, line 9", choice="equal")
    done = taken(sqlite, [*rows, twice])
    assert done.num_stored == 1
    reasons = {row.where: row.reason for row in done.refused}
    assert list(reasons) == [row.where for n, row in enumerate(rows) if n != others[4]] + ["ann.csv, line 9"]
    assert reasons[rows[unknown].where] == "the study plain has no such pair, or with other texts"
    assert reasons[rows[others[0]].where] == "left empty"
    assert reasons[rows[others[1]].where] == "the ticket 't0' is of no pair that was given"
    assert "who rated" in reasons[rows[others[2]].where]
    assert reasons[twice.where] == reasons[rows[others[3]].where] == CONTRADICTS


def test_pairs_whose_texts_are_others_in_the_study_are_refused(sqlite: Store) -> None:
    make(sqlite, pairs=PAIRS)
    changed = [pair.model_copy(update={"output": "since then rewritten"}) for pair in PAIRS]
    done = taken(sqlite, sheet_of("ann", pairs=changed), changed)
    assert (done.num_stored, len(done.refused)) == (0, 6)
    assert sqlite.run(lambda session: list(session.scalars(select(Rater)))) == [], "nobody is made a rater by that"


def test_control_characters_that_the_service_replaced_do_not_make_a_pair_another(sqlite: Store) -> None:
    pairs = [headline(0, output="bell \x07")]
    make(sqlite, pairs=pairs)
    assert taken(sqlite, sheet_of("ann", pairs=pairs), pairs).num_stored == 1


def test_damaged_names_and_tickets_break_nothing(sqlite: Store) -> None:
    make(sqlite, pairs=PAIRS)
    rows = sheet_of("half a \ud800 name")
    done = taken(sqlite, [*rows[1:], replace(rows[0], ticket="\x00\ud800" + "a" * 100_000)])
    assert done.num_stored == 5
    (refused,) = done.refused
    assert len(refused.reason) < 120
    assert refused.reason.isascii()
    assert refused.reason.isprintable()


def test_times_that_nobody_measured_are_unknown(sqlite: Store) -> None:
    make(sqlite, pairs=PAIRS)
    taken(sqlite, sheet_of("ann", seconds=None))
    assert {vote.seconds for vote in votes_of(sqlite)} == {None}


def test_a_closed_study_takes_nothing_and_an_expert_is_no_crowd(sqlite: Store) -> None:
    study = make(sqlite, pairs=PAIRS)
    rater(sqlite, study, "prof", lane="expert")
    done = taken(sqlite, sheet_of("prof"))
    assert done.num_stored == 0
    assert "takes part as expert" in done.refused[0].reason
    sqlite.run(lambda session: set_closed(session, session.get_one(Study, study.id), True))
    with pytest.raises(TouchstoneError, match="takes no votes any more: plain"):
        taken(sqlite, sheet_of("ann"))
    with pytest.raises(UsageError, match="no study 'other'"):
        taken(sqlite, sheet_of("ann"), name="other")


def test_a_forgotten_importer_leaves_no_trace(sqlite: Store) -> None:
    study = make(sqlite, pairs=PAIRS)
    taken(sqlite, sheet_of("ann"))
    (key,) = {row.rater for row in sqlite.run(lambda session: judgments(session, study))}

    def work(session: Session) -> int:
        return forget(session, session.get_one(Study, study.id), key)

    assert sqlite.run(work) == 6
    assert {pair.reserved for pair in pairs_of(sqlite).values()} == {0}
    assert not any(key in entry.detail for entry in sqlite.run(lambda session: entries(session, "plain")))


@pytest.mark.slow
def test_imports_side_by_side_keep_every_pair_at_three(postgresql: PostgreSQL) -> None:
    url = postgresql.database("imports")
    pairs = [headline(number) for number in range(40)]
    main = Store(open_database(url))
    make(main, pairs=pairs)
    stores = [Store(open_database(url)) for _ in range(6)]
    done: list[TakenIn] = []

    def work(number: int, store: Store) -> None:
        rows = sheet_of(f"person {number}", pairs=pairs)
        # Half of them from the end, which would make pairs wait for one another in a ring.
        done.append(taken(store, rows[:: 1 if number % 2 else -1], pairs))

    threads = [threading.Thread(target=work, args=one) for one in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.num_stored for one in done] == [40] * 6
    assert sum(one.num_surplus for one in done) == 40 * 3
    assert set(counted(main).values()) == {3}
    for store in (main, *stores):
        store.engine.dispose()


def test_the_command_stores_lists_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite: Store
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOUCHSTONE_CROWD_SECRET", SETTINGS.secret.decode())
    write_rows(tmp_path / "study", StudyPair, PAIRS)
    study = make(sqlite, pairs=PAIRS)
    rate_all(sqlite, study, rater(sqlite, study, "bob"))

    def typed(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(import_ratings, ["study", *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    CliRunner().invoke(sheet, ["study", "--out", "blank.csv"])
    with Path("blank.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with Path("ann.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "rater": "ann", "preference": "left" if n else "?"} for n, row in enumerate(rows))
    code, out, err = typed("ann.csv", "--into", "crowd.db")
    assert (code, out) == (0, "plain: 5 new votes, 0 were there already\n")
    assert err == "refused ann.csv, line 2: the answer is '?', not left, right or equal\n"
    assert typed("ann.csv", "--into", f"sqlite:///{tmp_path / 'crowd.db'}")[1].startswith("plain: 0 new votes, 5 were")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'crowd.db'}")
    assert typed("ann.csv", "--into", "DATABASE_URL", "--study", "plain")[1].startswith("plain: 0 new votes, 5 were")
    with pytest.raises(TouchstoneError, match="no row became a vote"):
        typed("blank.csv", "--into", "crowd.db", "--rater", "cy")
    with pytest.raises(UsageError, match="no database elsewhere"):
        typed("ann.csv", "--into", "elsewhere.db")
    assert not (tmp_path / "elsewhere.db").exists()
    for wrong in (["--into", "crowd.db", "--source", "x"], ["--source", "x"], ["--out", "x"]):
        with pytest.raises(UsageError):
            typed("ann.csv", *wrong)
    assert make_url(f"sqlite:///{tmp_path / 'crowd.db'}") == sqlite.engine.url
