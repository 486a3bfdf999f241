"""From two models' answers to judgments and pay: the steps, the service's own page, Mechanical Turk's stand-in."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url, update

from components.contracts import bind
from components.contracts.crowd_rows import Hit, PayLine, StudyPair
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, write_rows
from components.contracts.preference_rows import GoldLabel
from components.contracts.rows import Completion
from components.crowd import step
from components.crowd.app import create_app
from components.crowd.database import Store, database_url, open_database
from components.crowd.invitations import invite
from components.crowd.publishing import seats
from components.crowd.study.closing import find_study
from components.crowd.study.design import StudyDesign
from components.crowd.study.rules import ExclusionRules
from components.crowd.tables import Assignment, Rater, Study
from tests.unit.crowd.mturk_stand_in import Account, stand_in
from tests.unit.crowd.postgres import PostgreSQL

DESIGN = {
    "name": "helpful",
    "raters_per_pair": 2,
    "gold_share": 0.0,
    "repeat_share": 0.0,
    "rules": ExclusionRules(min_median_seconds=None, max_same_choice=None).model_dump(),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'crowd.db'}")
    monkeypatch.setenv("TOUCHSTONE_CROWD_SECRET", "a secret of the tests")
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    return tmp_path


def answers(path: Path, model: str, texts: dict[str, str], **changes: Any) -> Path:
    rows = [
        Completion(prompt_id=prompt_id, model=model, prompt=f"ask {prompt_id}", text=text, **changes.get(prompt_id, {}))
        for prompt_id, text in texts.items()
    ]
    write_rows(path, Completion, rows)
    return path


def texts(words: str, number: int = 6) -> dict[str, str]:
    return {f"q{n}": f"{words} {n}" for n in range(number)}


def built(place: Path, params: dict[str, Any] | None = None, **ports: Path) -> list[StudyPair]:
    ports.setdefault("candidate", answers(place / "candidate", "imitator", texts("nice words")))
    ports.setdefault("reference", answers(place / "reference", "target", texts("true words")))
    bind.call(step.build_study, params=params or {}, study=place / "study", **ports)
    return Input(place / "study", StudyPair).rows()


def publish(place: Path, **params: Any) -> tuple[bind.Outcome, list[Hit]]:
    given = {"design": DESIGN, **params}
    outcome = bind.call(step.publish, params=given, study=place / "study", hits=place / "hits")
    return outcome, Input(place / "hits", Hit).rows()


def collect(place: Path, **params: Any) -> tuple[bind.Outcome, list[Judgment], list[PayLine]]:
    ports = {"study": place / "study", "judgments": place / "judgments", "pay": place / "pay"}
    if (place / "hits").exists() and Input(place / "hits", Hit).rows():
        ports["hits"] = place / "hits"
    outcome = bind.call(step.collect, params={"name": "helpful", **params}, **ports)
    return outcome, Input(place / "judgments", Judgment).rows(), Input(place / "pay", PayLine).rows()


# -- building ---------------------------------------------------------------------------------------------------------


def test_answers_are_paired_by_prompt_and_what_is_missing_is_counted(place: Path) -> None:
    reference = answers(place / "r", "target", texts("true words") | {"q2": ""}, q2={"unanswered": "refused"})
    candidate = answers(place / "c", "imitator", {f"q{n}": f"nice words {n}" for n in (5, 4, 2, 1)})
    pairs = built(place, candidate=candidate, reference=reference)
    assert {(p.prompt_id, p.output, p.opponent_output) for p in pairs} == {
        (f"q{n}", f"nice words {n}", f"true words {n}") for n in (1, 4, 5)
    }
    assert Input(place / "study", StudyPair).manifest.notes["unanswered"] == 3


def test_ids_of_pairs_say_nothing_and_do_not_depend_on_the_order(place: Path) -> None:
    first = built(place)
    turned = answers(place / "turned", "imitator", dict(reversed(texts("nice words").items())))
    assert built(place, candidate=turned) == first
    assert not any(word in pair.pair_id for pair in first for word in ("imitator", "target", "headline", "q"))


def test_placebos_are_mixed_in_and_gold_stands_apart(place: Path) -> None:
    placebo = answers(place / "corrupted", "placebo:corrupted_target", texts("false words"))
    labels = [
        GoldLabel(prompt_id="q0", model="target", opponent="imitator", outcome="win", num_raters=5),
        GoldLabel(prompt_id="q1", model="target", opponent="imitator", outcome="tie", num_raters=5),
        GoldLabel(prompt_id="q2", model="target", opponent="stranger", outcome="win", num_raters=5),
    ]
    write_rows(place / "gold", GoldLabel, labels)
    pairs = built(place, {"placebos_per_arm": 4, "seed": 3}, corrupted_target=placebo, gold=place / "gold")
    assert Counter(pair.kind for pair in pairs) == {"headline": 5, "placebo": 4, "gold": 1}
    (gold,) = (pair for pair in pairs if pair.kind == "gold")
    assert (gold.model, gold.output, gold.expected) == ("target", "true words 0", "win")
    # Nobody sees the gold prompt a second time as a headline pair.
    assert "q0" not in {pair.prompt_id for pair in pairs if pair.kind == "headline"}
    assert {pair.opponent for pair in pairs if pair.kind == "placebo"} == {"target"}
    assert Input(place / "study", StudyPair).manifest.notes["gold_unused"] == 2


def test_a_seed_draws_the_prompts(place: Path) -> None:
    drawn = {seed: {p.prompt_id for p in built(place, {"num_prompts": 3, "seed": seed})} for seed in range(5)}
    assert {len(prompts) for prompts in drawn.values()} == {3}
    assert len({frozenset(prompts) for prompts in drawn.values()}) > 1


@pytest.mark.parametrize(
    ("candidate", "found"),
    [
        (("target", texts("other words")), "both called target"),
        (("imitator", {"elsewhere": "x"}), "no prompt is answered by both"),
        (("imitator", {}), "answers of 0 models"),
    ],
)
def test_what_cannot_be_compared_is_said(place: Path, candidate: Any, found: str) -> None:
    with pytest.raises(TouchstoneError, match=found):
        built(place, candidate=answers(place / "c", *candidate))


def test_a_placebo_made_of_answers_to_other_prompts_is_refused_rather_than_left_out(place: Path) -> None:
    strange = answers(place / "strange", "placebo:constant", {"elsewhere": "Yes."})
    with pytest.raises(TouchstoneError, match="placebo:constant holds answers to 1 prompts, none of which"):
        built(place, constant=strange)
    unmade = answers(place / "unmade", "placebo:constant", {"q1": ""}, q1={"unanswered": "nothing to change"})
    assert {pair.kind for pair in built(place, constant=unmade)} == {"headline"}


# -- people -----------------------------------------------------------------------------------------------------------


def person(client: TestClient, link: str, prefers: str, limit: int = 99) -> str:
    """Somebody who opens a link and likes texts with certain words; gives the last page."""
    page = client.get(link)
    start = str(page.url).replace("http://testserver", "")
    client.post(f"{start}/start")
    for _ in range(limit):
        shown = client.get(start).text
        if "Which answer is better" not in shown:
            return shown
        _, *sides = re.findall(r'<div class="text" dir="auto">(.*?)</div>', shown, re.DOTALL)
        choice = "left" if prefers in sides[0] else "right" if prefers in sides[1] else "equal"
        found = re.search(r'name="form" value="([^"]+)"', shown)
        assert found is not None
        client.post(f"{start}/vote", data={"form": found[1], "choice": choice})
    return client.get(start).text


@pytest.fixture
def client(place: Path) -> Iterator[TestClient]:
    engine = open_database(make_url(os.environ["DATABASE_URL"]))
    with TestClient(create_app(engine)) as client:
        yield client
    engine.dispose()


@pytest.fixture
def turk() -> Iterator[tuple[str, Account]]:
    with stand_in() as (url, account):
        yield url, account
    assert account.strays == []


def work_on(client: TestClient, account: Account, hit_id: str, worker: str, prefers: str, limit: int = 99) -> str:
    """A worker accepts a HIT in its frame, rates, and hands in; gives the last page."""
    page = urlsplit(str(ElementTree.fromstring(account.hits[hit_id]["Question"])[0].text))
    told = f"assignmentId=ASG{worker}&hitId={hit_id}&workerId={worker}&turkSubmitTo=https://workersandbox.mturk.com"
    last = person(client, f"{page.path}?{told}", prefers, limit)
    account.submit(hit_id, worker)
    return last


def offer(turk: tuple[str, Account], **terms: Any) -> dict[str, Any]:
    return {
        "mturk": {"reward_usd": 0.5, **terms},
        "service_url": "https://rate.example",
        "endpoint": turk[0],
    }


@pytest.mark.slow
def test_a_study_goes_out_to_mechanical_turk_and_comes_back_as_judgments_and_pay(
    place: Path, client: TestClient, turk: tuple[str, Account]
) -> None:
    url, account = turk
    built(place)
    outcome, hits = publish(place, **offer(turk))
    assert [hit.num_assignments for hit in hits] == [2]
    assert outcome.metrics["max_cost_usd"] == 1.2
    # Nobody yet: collected early, it says so and is not kept as finished.
    early, rows, _ = collect(place, endpoint=url)
    assert (rows, early.metrics["closed"], early.metrics["missing_votes"]) == ([], 0.0, 12.0)
    last = work_on(client, account, hits[0].hit_id, "AW1", "nice")
    assert "Hand in the task" in last
    assert "https://workersandbox.mturk.com/mturk/externalSubmit" in last
    half, rows, pay = collect(place, endpoint=url)
    assert not half.reused
    assert (len(rows), half.metrics["complete_pairs"], half.metrics["missing_votes"]) == (6, 0.0, 6.0)
    assert half.metrics["approved"] == 1.0
    assert [line.reward_usd for line in pay] == [0.5]
    work_on(client, account, hits[0].hit_id, "AW2", "true")
    whole, rows, pay = collect(place, endpoint=url, pay={"reading_seconds": 480.0}, max_bonuses_usd=10.0)
    assert (whole.metrics["closed"], whole.metrics["deadline_passed"], whole.metrics["missing_votes"]) == (1, 0, 0)
    by_rater: dict[str, set[str | None]] = {}
    for row in rows:
        by_rater.setdefault(row.rater, set()).add(row.outcome)
    assert sorted(by_rater.values(), key=str) == [{"loss"}, {"win"}]
    assert {row.source for row in rows} == {"helpful"}
    # Eight minutes at 15 an hour are 2.00 or little more; the reward was 0.50.
    assert [round(line.bonus_usd, 1) for line in pay] == [1.5, 1.5]
    assert sorted(bonus["WorkerId"] for bonus in account.bonuses) == ["AW1", "AW2"]
    assert account.hits[hits[0].hit_id]["Expiration"] == 0
    again, rows_again, _ = collect(place, endpoint=url, pay={"reading_seconds": 480.0}, max_bonuses_usd=10.0)
    assert again.reused
    assert rows_again == rows
    assert len(account.bonuses) == 2
    for port in ("judgments", "pay", "hits", "study"):
        words = "".join(path.read_text() for path in (place / port).iterdir())
        assert "AW1" not in words


@pytest.mark.slow
def test_a_study_past_its_deadline_is_closed_with_what_there_is_and_says_so(
    place: Path, client: TestClient, turk: tuple[str, Account]
) -> None:
    url, account = turk
    built(place)
    _, hits = publish(place, days_open=1.0, **offer(turk))
    work_on(client, account, hits[0].hit_id, "AW1", "nice", limit=4)
    store = Store(open_database(make_url(os.environ["DATABASE_URL"])))
    store.run(lambda session: session.execute(update(Study).values(closes_at=time.time() - 1.0)))
    store.engine.dispose()
    outcome, rows, _ = collect(place, endpoint=url)
    assert (outcome.metrics["closed"], outcome.metrics["deadline_passed"]) == (1.0, 1.0)
    assert len(rows) == 4
    notes = Input(place / "judgments", Judgment).manifest.notes
    assert notes["standing"] == "closed by its deadline, 0 of 6 pairs complete, 8 votes missing"
    # Who rated is paid, complete or not.
    assert outcome.metrics["approved"] == 1.0


@pytest.mark.slow
def test_bonuses_that_are_owed_keep_the_study_open_for_the_next_call(
    place: Path, client: TestClient, turk: tuple[str, Account]
) -> None:
    url, account = turk
    built(place)
    _, hits = publish(place, **offer(turk))
    for worker in ("AW1", "AW2"):
        work_on(client, account, hits[0].hit_id, worker, "true")
    pay = {"reading_seconds": 480.0}
    with pytest.raises(TouchstoneError, match="bonuses of 2 raters with fees") as refused:
        collect(place, endpoint=url, pay=pay, max_bonuses_usd=1.0)
    assert refused.value.expected == "at most max_bonuses_usd = 1.00 USD"
    first, _, _ = collect(place, endpoint=url, pay=pay)
    assert (first.metrics["closed"], len(account.bonuses)) == (1.0, 0)
    account.hits[hits[0].hit_id]["NumberOfAssignmentsPending"] = 1
    second, _, _ = collect(place, endpoint=url, pay=pay, max_bonuses_usd=10.0)
    assert not second.reused
    assert len(account.bonuses) == 2
    # Somebody has accepted the task and not handed in: the next call looks again, and the one after that need not.
    account.hits[hits[0].hit_id]["NumberOfAssignmentsPending"] = 0
    third, _, _ = collect(place, endpoint=url, pay=pay, max_bonuses_usd=10.0)
    fourth, _, _ = collect(place, endpoint=url, pay=pay, max_bonuses_usd=10.0)
    assert (third.reused, fourth.reused, len(account.bonuses)) == (False, True, 2)


def test_whoever_opens_the_door_without_a_hit_never_counts(
    place: Path, client: TestClient, turk: tuple[str, Account]
) -> None:
    url, account = turk
    built(place)
    _, hits = publish(place, **offer(turk, minutes_allowed=30))
    page = urlsplit(str(ElementTree.fromstring(account.hits[hits[0].hit_id]["Question"])[0].text))
    for worker in ("AFAKE1", "AFAKE2"):
        person(client, f"{page.path}?assignmentId=NEVER{worker}&hitId={hits[0].hit_id}&workerId={worker}", "nice")
    first, rows, _ = collect(place, endpoint=url)
    # They may hold a HIT, for all that Mechanical Turk tells: all pairs have their votes, and the study waits.
    assert (first.metrics["closed"], first.metrics["missing_votes"], len(rows)) == (0.0, 0.0, 12)
    assert {(row.outcome, row.unscored) for row in rows} == {(None, "the HIT of this rater is not handed in yet")}
    store = Store(open_database(make_url(os.environ["DATABASE_URL"])))
    past = {"created_at": Rater.created_at - 1801.0}
    store.run(lambda session: session.execute(update(Rater).values(past)))
    store.run(lambda session: session.execute(update(Assignment).values(shown_at=Assignment.shown_at - 1801.0)))
    store.engine.dispose()
    second, rows, pay = collect(place, endpoint=url)
    assert (second.metrics["closed"], second.metrics["missing_votes"], pay) == (0.0, 12.0, [])
    why = "rater excluded: no HIT of the study was handed in under this worker's id"
    assert {(row.outcome, row.unscored) for row in rows} == {(None, why)}
    for worker in ("AW1", "AW2"):
        work_on(client, account, hits[0].hit_id, worker, "nice")
    whole, rows, _ = collect(place, endpoint=url)
    assert (whole.metrics["closed"], whole.metrics["missing_votes"]) == (1.0, 0.0)
    assert sum(row.outcome == "win" for row in rows) == 12


@pytest.mark.slow
def test_only_the_stated_reason_rejects_who_rated_nothing(
    place: Path, client: TestClient, turk: tuple[str, Account]
) -> None:
    url, account = turk
    built(place)
    _, hits = publish(place, **offer(turk))
    work_on(client, account, hits[0].hit_id, "AW9", "nice", limit=0)
    # Nobody knows this one: perhaps somebody who worked and was forgotten on request.
    account.submit(hits[0].hit_id, "AW7")
    stated, _, _ = collect(place, endpoint=url, reject_reason="No pair was rated.")
    assert (stated.metrics["approved"], stated.metrics["rejected"]) == (1.0, 1.0)
    work_on(client, account, hits[0].hit_id, "AW8", "nice", limit=0)
    plain, _, _ = collect(place, endpoint=url)
    assert (plain.metrics["approved"], plain.metrics["rejected"]) == (2.0, 1.0)


@pytest.mark.slow
def test_publishing_again_changes_nothing_and_another_study_needs_another_name(
    place: Path, turk: tuple[str, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    built(place)
    _, hits = publish(place, **offer(turk))
    monkeypatch.setenv("TOUCHSTONE_STORE", str(place / "another store"))
    outcome, again = publish(place, **offer(turk))
    assert not outcome.reused
    assert again == hits
    assert turk[1].calls["CreateHIT"] == 1
    built(place, {"num_prompts": 2})
    with pytest.raises(TouchstoneError, match="'helpful' exists with other pairs"):
        publish(place)
    with pytest.raises(TouchstoneError, match="has 6 pairs, 2 of them among the 2"):
        collect(place)
    with pytest.raises(TouchstoneError, match="no study 'unheard'"):
        collect(place, name="unheard")


def test_an_offer_that_cannot_be_made_leaves_no_study_behind(place: Path, turk: tuple[str, Account]) -> None:
    built(place)
    with pytest.raises(TouchstoneError, match=r"at most max_usd = 1\.19"):
        publish(place, **offer(turk, max_usd=1.19))
    with pytest.raises(TouchstoneError, match="cannot be shown"):
        publish(place, **{**offer(turk), "service_url": "http://rate.example"})
    with pytest.raises(UsageError, match="service_url is not"):
        publish(place, mturk={})
    with pytest.raises(UsageError, match="no AWS profile called nobody"):
        publish(place, **offer(turk), profile="nobody")
    with pytest.raises(TouchstoneError, match="no study 'helpful'"):
        collect(place)


def test_places_are_enough_for_all_votes_with_checks_counted() -> None:
    def pairs(kind: Any, number: int, **fields: str) -> list[StudyPair]:
        empty = {"prompt": "", "output": "one", "opponent_output": "other"}
        return [
            StudyPair(pair_id=f"{kind}{n}", prompt_id=f"{n}", model="a", opponent="b", kind=kind, **empty, **fields)
            for n in range(number)
        ]

    study = pairs("headline", 255) + pairs("placebo", 45) + pairs("gold", 20, expected="win")
    # 300 pairs x 3 raters; of 40 items 4 are gold and 2 repeats.
    assert seats(study, StudyDesign(name="s")) == 27
    assert seats(study, StudyDesign(name="s", gold_share=0.0, repeat_share=0.0)) == 23
    # A small study still needs three different people.
    assert seats(pairs("headline", 4), StudyDesign(name="s")) == 3


def test_a_database_that_is_away_is_told_without_its_password(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(place)
    monkeypatch.setenv("DATABASE_URL", "postgresql://crowd:hush@127.0.0.1:1/crowd")
    for call in (publish, collect):
        with pytest.raises(TouchstoneError, match="does not answer as it should") as refused:
            call(place)
        assert "hush" not in str(refused.value)


def invited(*people: str, lane: str = "crowd") -> list[str]:
    """Links' tokens to the study."""
    store, secret = Store(open_database(database_url())), os.environ["TOUCHSTONE_CROWD_SECRET"].encode()
    try:
        return store.run(
            lambda session: invite(session, secret, find_study(session, "helpful"), people, days=1, lane=lane)
        )
    finally:
        store.engine.dispose()


def test_divided_pairs_wait_for_the_experts_who_were_invited(place: Path, client: TestClient) -> None:
    built(place, {"num_prompts": 2})
    publish(place)
    (expert,) = invited("eve", lane="expert")
    for token, likes in zip(invited("ann", "bob"), ("nice", "true"), strict=True):
        person(client, f"/r/{token}", likes)
    waiting, _, _ = collect(place)
    assert (waiting.metrics["closed"], waiting.metrics["missing_votes"]) == (0.0, 0.0)
    notes = Input(place / "judgments", Judgment).manifest.notes
    assert notes["standing"] == "open, complete: 2 pairs, 2 of them wait for an expert"
    person(client, f"/r/{expert}", "true")
    settled, rows, _ = collect(place)
    assert settled.metrics["closed"] == 1.0
    assert Counter((row.source, row.outcome) for row in rows)[("helpful/experts", "loss")] == 2


@pytest.mark.slow
def test_who_breaks_a_rule_is_out_before_the_study_counts_as_complete(place: Path, client: TestClient) -> None:
    built(place)
    # Nobody here reads a pair in less than a second, and the rule asks for a minute.
    strict = {**DESIGN, "rules": {"min_median_seconds": 60.0, "seconds_from": 6, "max_same_choice": None}}
    publish(place, design=strict)
    for token in invited("ann", "bob"):
        person(client, f"/r/{token}", "nice")
    outcome, rows, pay = collect(place)
    assert (outcome.metrics["closed"], outcome.metrics["missing_votes"]) == (0.0, 12.0)
    assert {str(row.unscored)[:14] for row in rows} == {"rater excluded"}
    # Their work is paid all the same.
    assert [line.num_items for line in pay] == [6, 6]
    assert min(line.due_usd for line in pay) >= 0.25


@pytest.mark.slow
def test_postgresql_does_the_same(place: Path, monkeypatch: pytest.MonkeyPatch, postgresql: PostgreSQL) -> None:
    address = postgresql.database("crowd_steps").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", address)
    built(place)
    publish(place)
    engine = open_database(database_url())
    with TestClient(create_app(engine)) as client:
        for token, likes in zip(invited("ann", "bob"), ("nice", "true"), strict=True):
            person(client, f"/r/{token}", likes)
    engine.dispose()
    outcome, rows, pay = collect(place)
    assert (outcome.metrics["closed"], outcome.metrics["missing_votes"], len(rows), len(pay)) == (1.0, 0.0, 12, 2)
