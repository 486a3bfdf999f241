"""The Mechanical Turk bridge against a stand-in that speaks the service's protocol and loses, repeats and shuffles."""

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import delete, make_url

from components.contracts.crowd_rows import PayLine
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.crowd import tables
from components.crowd.database import Store, open_database
from components.crowd.mturk.pay_book import PayBook
from components.crowd.mturk.publishing import Plan, create_hits, external_question
from components.crowd.mturk.requester import Requester
from components.crowd.mturk.settling import close_hits, pay_bonuses, review_submissions
from components.crowd.mturk.terms import Terms, estimate, fee_cents
from tests.unit.crowd.mturk_stand_in import Account, stand_in

PAGE = "https://rate.example/mturk/study?token=abc.def&lane=crowd"


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.delenv("AWS_PROFILE", raising=False)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Account]]:
    with stand_in() as (url, account):
        yield url, account


@pytest.fixture(scope="module")
def requester(server: tuple[str, Account], credentials: None) -> Requester:
    return Requester("sandbox", endpoint=server[0], pause=lambda seconds: None)


@pytest.fixture
def turk(server: tuple[str, Account], requester: Requester) -> Iterator[tuple[Requester, Account]]:
    server[1].__init__()  # type: ignore[misc]
    yield requester, server[1]
    assert server[1].strays == []


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def plan(num_assignments: int = 30, **terms: Any) -> Plan:
    return Plan("study-1", PAGE, num_assignments, Terms(**{"reward_usd": 2.5, **terms}))


def test_hits_carry_offer_page_and_qualifications(turk: tuple[Requester, Account], journal: Journal) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(30), journal)
    # Nine people to a HIT keep the lower fee.
    assert [hit.num_assignments for hit in hits] == [9, 9, 9, 3]
    asked = next(body for operation, body in account.requests if operation == "CreateHIT")
    assert (asked["Reward"], asked["MaxAssignments"]) == ("2.50", 9)
    question = ElementTree.fromstring(asked["Question"])
    assert question[0].text == PAGE
    needed = {q["QualificationTypeId"]: q for q in asked["QualificationRequirements"]}
    assert needed["000000000000000000L0"]["IntegerValues"] == [95]
    assert needed["00000000000000000040"]["IntegerValues"] == [100]
    assert [p["Country"] for p in needed["00000000000000000071"]["LocaleValues"]] == [
        "US",
        "GB",
        "CA",
        "AU",
        "NZ",
        "IE",
    ]
    assert {q["ActionsGuarded"] for q in needed.values()} == {"DiscoverPreviewAndAccept"}


@pytest.mark.parametrize("mood", ["throttle", "turk_throttle", "fail", "fail_after", "drop", "drop_after"])
@pytest.mark.parametrize("tells", [True, False])
def test_a_hit_is_created_once_whatever_the_service_does(
    turk: tuple[Requester, Account], journal: Journal, mood: Any, tells: bool
) -> None:
    requester, account = turk
    account.tells_hit_id = tells
    account.in_mood("CreateHIT", mood, mood)
    account.in_mood("ListHITs", "fail", "throttle")
    hits = create_hits(requester, plan(12), journal)
    assert Counter(hit["RequesterAnnotation"] for hit in account.hits.values()) == Counter(hit.token for hit in hits)
    assert {hit.hit_id for hit in hits} == set(account.hits)


def test_publishing_again_creates_nothing(turk: tuple[Requester, Account], journal: Journal, tmp_path: Path) -> None:
    requester, account = turk
    first = create_hits(requester, plan(), journal)
    assert create_hits(requester, plan(), journal) == first
    account.a_day_passes()
    # Another machine, tokens forgotten: the account's own list tells.
    assert create_hits(requester, plan(), Journal(tmp_path / "empty")) == first
    assert account.calls["CreateHIT"] == len(first)


def test_a_list_that_moves_while_it_is_read_hides_no_hit(
    turk: tuple[Requester, Account], journal: Journal, tmp_path: Path
) -> None:
    requester, account = turk
    for number in range(3):
        account.hits[f"3OTHER{number:025d}"] = {
            "HITId": f"3OTHER{number:025d}",
            "MaxAssignments": 1,
            "Reward": "0.05",
            "Expiration": 0,
        }
    first = create_hits(requester, plan(), journal)
    account.a_day_passes()
    account.lists_move = True
    assert create_hits(requester, plan(), Journal(tmp_path / "empty")) == first


def test_another_offer_for_a_published_study_is_refused(
    turk: tuple[Requester, Account], journal: Journal, tmp_path: Path
) -> None:
    requester, account = turk
    create_hits(requester, plan(), journal)
    with pytest.raises(TouchstoneError, match=r"2\.50 USD, now 9 at 3\.00"):
        create_hits(requester, plan(reward_usd=3.0), Journal(tmp_path / "empty"))
    assert account.calls["CreateHIT"] == 4


def test_nothing_is_created_above_the_limit_or_without_money(turk: tuple[Requester, Account], journal: Journal) -> None:
    requester, account = turk
    with pytest.raises(TouchstoneError, match=r"30 assignments in 4 HITs: rewards 75\.00 \+ fees 15\.00 = 90\.00"):
        create_hits(requester, plan(max_usd=89.99), journal)
    account.balance = "89.99"
    with pytest.raises(TouchstoneError, match=r"holds 89\.99"):
        create_hits(requester, plan(max_usd=90.0), journal)
    assert not account.hits


def test_production_must_be_named_and_limited() -> None:
    assert Terms().place == "sandbox"
    with pytest.raises(ValueError, match="max_usd is not given"):
        Terms(place="production")
    with pytest.raises(ValueError, match="whole number of cents"):
        Terms(reward_usd=0.125)


def test_fees_are_those_of_the_price_list() -> None:
    assert fee_cents(250) == 50
    assert fee_cents(1) == 1
    assert fee_cents(100, num_assignments=10) == 40
    priced = estimate(11, Terms(reward_usd=0.01))
    assert (priced.num_assignments, priced.hit_sizes, priced.usd) == (11, (9, 2), 0.22)


def test_a_page_that_frames_cannot_show_is_refused() -> None:
    with pytest.raises(TouchstoneError, match="cannot be shown"):
        external_question("http://rate.example/")


def test_an_account_that_is_not_let_in_is_told_so(turk: tuple[Requester, Account]) -> None:
    requester, account = turk
    account.in_mood("GetAccountBalance", *["drop"] * 7)
    with pytest.raises(TouchstoneError, match="cannot be reached"):
        requester.balance_cents()
    account.in_mood("GetAccountBalance", *["fail"] * 7)
    with pytest.raises(TouchstoneError, match="fails to answer"):
        requester.balance_cents()


def test_missing_credentials_are_a_user_s_failure(server: tuple[str, Account], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(TouchstoneError, match="credentials"):
        Requester("sandbox", endpoint=server[0]).balance_cents()
    with pytest.raises(TouchstoneError, match="no AWS profile called nobody"):
        Requester("sandbox", profile="nobody")


# -- approval and bonuses ---------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(open_database(make_url(f"sqlite:///{tmp_path / 'crowd.db'}")))
    store.run(
        lambda session: session.add(
            tables.Study(
                name="s",
                instruction="",
                seed=0,
                raters_per_pair=3,
                items_per_rater=10,
                experts_per_pair=0,
                gold_share=0.0,
                repeat_share=0.0,
                reserve_seconds=600.0,
                rules={},
                rules_digest="",
                design_digest="",
                created_at=0.0,
            )
        )
    )
    yield store
    store.engine.dispose()


@pytest.fixture
def book(store: Store) -> PayBook:
    return PayBook(store, 1, clock=lambda: 100.0)


def line(rater: str, bonus: float) -> PayLine:
    return PayLine(
        rater=rater,
        num_items=10,
        num_capped=0,
        measured_seconds=900,
        paid_seconds=900,
        due_usd=2.5 + bonus,
        reward_usd=2.5,
        bonus_usd=bonus,
    )


def test_everything_submitted_is_approved_once(
    turk: tuple[Requester, Account], journal: Journal, book: PayBook
) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(12), journal)
    # Seven people in one HIT: their list has pages that overlap; one of them works on the other HIT too.
    given = [account.submit(hits[0].hit_id, f"AW{n}") for n in range(7)] + [account.submit(hits[1].hit_id, "AW0")]
    account.in_mood("ApproveAssignment", "fail_after", "drop_after", "throttle")
    for _ in range(2):
        found = review_submissions(requester, hits, str.lower, book)
        assert (found.num_approved, found.num_rejected) == (8, 0)
    assert {account.assignments[a]["AssignmentStatus"] for a in given} == {"Approved"}
    assert found.workers["aw0"].reward_cents == 500
    assert found.workers["aw1"].reward_cents == 250
    assert book.sent_cents() == 8 * 250


def test_only_the_stated_rule_rejects(turk: tuple[Requester, Account], journal: Journal, book: PayBook) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(2), journal)
    good, empty = account.submit(hits[0].hit_id, "AW1"), account.submit(hits[0].hit_id, "AW2")
    found = review_submissions(
        requester, hits, str.lower, book, lambda rater: "No pair was rated." if rater == "aw2" else None
    )
    assert account.assignments[good]["AssignmentStatus"] == "Approved"
    assert account.assignments[empty]["AssignmentStatus"] == "Rejected"
    assert ("RejectAssignment", {"AssignmentId": empty, "RequesterFeedback": "No pair was rated."}) in account.requests
    assert (found.num_approved, found.num_rejected, found.workers["aw2"].assignment_id) == (1, 1, "")


@pytest.mark.parametrize("mood", ["throttle", "fail", "fail_after", "drop", "drop_after"])
def test_a_bonus_is_paid_once_whatever_the_service_does(
    turk: tuple[Requester, Account], journal: Journal, book: PayBook, store: Store, mood: Any
) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(12), journal)
    for number in range(4):
        account.submit(hits[0].hit_id, f"AW{number}")
    submissions = review_submissions(requester, hits, str.lower, book)
    lines = [line("aw0", 1.0), line("aw1", 0.5), line("aw2", 0.0), line("stranger", 3.0)]
    account.in_mood("SendBonus", mood, mood, mood)

    def pay(lines: list[PayLine], book: PayBook) -> Any:
        return pay_bonuses(requester, hits, lines, submissions, book, study="study-1", max_usd=100.0)

    pay(lines, book)
    # Later, with other amounts computed and the tokens forgotten: what was paid stands.
    account.a_day_passes()
    again = pay([line("aw0", 1.25), line("aw1", 0.5)], book)
    assert (again.num_sent, again.num_sent_before, again.cents) == (0, 2, 150)
    # And with a ledger that was lost: Mechanical Turk's own list tells.
    store.run(lambda session: session.execute(delete(tables.Payment)))
    assert pay(lines, book).num_sent == 0
    assert [(b["WorkerId"], b["BonusAmount"]) for b in account.bonuses] == [("AW0", "1.00"), ("AW1", "0.50")]


def test_bonuses_above_their_limit_are_not_begun(
    turk: tuple[Requester, Account], journal: Journal, book: PayBook
) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(2), journal)
    account.submit(hits[0].hit_id, "AW1")
    submissions = review_submissions(requester, hits, str.lower, book)
    with pytest.raises(TouchstoneError, match=r"come to 1\.20 USD"):
        pay_bonuses(requester, hits, [line("aw1", 1.0)], submissions, book, study="s", max_usd=1.19)
    assert not account.bonuses
    assert pay_bonuses(requester, hits, [line("aw1", 0.9)], submissions, book, study="s", max_usd=1.19).cents == 90


def test_a_bonus_that_is_refused_does_not_hold_up_the_others(
    turk: tuple[Requester, Account], journal: Journal, book: PayBook
) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(2), journal)
    for worker in ("AW1", "AW2"):
        account.submit(hits[0].hit_id, worker)
    submissions = review_submissions(requester, hits, str.lower, book)
    account.in_mood("SendBonus", "refuse")
    lines = [line("aw1", 1.0), line("aw2", 1.0)]
    paid = pay_bonuses(requester, hits, lines, submissions, book, study="s", max_usd=9.0)
    assert (paid.num_sent, dict(paid.refused)) == (1, {"aw1": "This worker can no longer be paid."})
    assert pay_bonuses(requester, hits, lines, submissions, book, study="s", max_usd=9.0).num_sent == 1


def test_closed_hits_can_be_accepted_by_nobody(turk: tuple[Requester, Account], journal: Journal) -> None:
    requester, account = turk
    hits = create_hits(requester, plan(12), journal)
    account.in_mood("UpdateExpirationForHIT", "drop_after", "refuse")
    close_hits(requester, hits)
    assert all(requester.hit(hit.hit_id).expires < datetime.now(UTC) for hit in hits)


# -- kill -9 ----------------------------------------------------------------------------------------------------------

PUBLISH = """
    import sys
    from pathlib import Path
    from components.contracts.journal import Journal
    from components.crowd.mturk.publishing import Plan, create_hits
    from components.crowd.mturk.requester import Requester
    from components.crowd.mturk.terms import Terms
    plan = Plan("study-1", "https://rate.example/", 40, Terms())
    create_hits(Requester("sandbox", endpoint=sys.argv[1]), plan, Journal(Path(sys.argv[2])))
"""


@pytest.mark.slow
def test_a_killed_publisher_goes_on_without_a_second_hit(
    turk: tuple[Requester, Account], server: tuple[str, Account], tmp_path: Path
) -> None:
    _, account = turk
    running: list[subprocess.Popen[bytes]] = []

    def kill(operation: str, number: int) -> None:
        # The HIT exists, the answer has not left: the worst moment.
        if operation == "CreateHIT" and number in {1, 3, 4}:
            os.kill(running[-1].pid, signal.SIGKILL)
            # And by the time of the next attempt, the service has forgotten the token.
            account.a_day_passes()

    account.before_answer = kill
    codes = []
    for _ in range(4):
        command = [sys.executable, "-c", textwrap.dedent(PUBLISH), server[0], str(tmp_path / "journal")]
        running.append(subprocess.Popen(command))
        codes.append(running[-1].wait(timeout=60))
    assert codes == [-signal.SIGKILL] * 3 + [0]
    assert len(account.hits) == 5
    assert len({hit["RequesterAnnotation"] for hit in account.hits.values()}) == 5


PAY = """
    import sys
    from sqlalchemy import make_url
    from components.contracts.crowd_rows import Hit, PayLine
    from components.crowd.database import Store, open_database
    from components.crowd.mturk.pay_book import PayBook
    from components.crowd.mturk.requester import Requester
    from components.crowd.mturk.settling import pay_bonuses, review_submissions
    endpoint, database, hit_id = sys.argv[1:]
    turk = Requester("sandbox", endpoint=endpoint)
    book = PayBook(Store(open_database(make_url(database))), 1)
    hits = [Hit(token="t", hit_id=hit_id, place="sandbox", num_assignments=4, reward_usd=2.5)]
    found = review_submissions(turk, hits, str.lower, book)
    some = dict(num_items=1, num_capped=0, measured_seconds=1, paid_seconds=1, due_usd=3.5, reward_usd=2.5)
    lines = [PayLine(rater=rater, bonus_usd=1.0, **some) for rater in found.workers]
    pay_bonuses(turk, hits, lines, found, book, study="s", max_usd=100.0)
"""


@pytest.mark.slow
def test_a_killed_payer_goes_on_without_a_second_bonus(
    turk: tuple[Requester, Account],
    server: tuple[str, Account],
    journal: Journal,
    store: Store,
) -> None:
    requester, account = turk
    (hit,) = create_hits(requester, plan(4), journal)
    for number in range(4):
        account.submit(hit.hit_id, f"AW{number}")
    running: list[subprocess.Popen[bytes]] = []

    def kill(operation: str, number: int) -> None:
        # The money has gone, the answer has not left.
        if (operation, number) in {("ApproveAssignment", 2), ("SendBonus", 1), ("SendBonus", 3)}:
            os.kill(running[-1].pid, signal.SIGKILL)
            # And by the time of the next attempt, the service has forgotten the token.
            account.a_day_passes()

    account.before_answer = kill
    codes = []
    address = store.engine.url.render_as_string(hide_password=False)
    for _ in range(4):
        running.append(subprocess.Popen([sys.executable, "-c", textwrap.dedent(PAY), server[0], address, hit.hit_id]))
        codes.append(running[-1].wait(timeout=60))
    assert codes == [-signal.SIGKILL] * 3 + [0]
    assert sorted(bonus["WorkerId"] for bonus in account.bonuses) == ["AW0", "AW1", "AW2", "AW3"]
    assert {assignment["AssignmentStatus"] for assignment in account.assignments.values()} == {"Approved"}
    assert PayBook(store, 1).sent_cents() == 4 * (250 + 100)
