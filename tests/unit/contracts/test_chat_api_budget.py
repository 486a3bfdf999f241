import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contracts.chat_api.ask import Ask, Cost, Message, Wording
from components.contracts.chat_api.budget import Ledger
from components.contracts.chat_api.client import ChatClient
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.journal import Journal
from tests.unit.contracts.chat_server import Answer, Asked, ChatServer, HandClock

Make = Callable[..., ChatClient]


def asks(number: int, max_tokens: int = 20) -> list[Ask]:
    return [Ask(f"{i:04d}", max_tokens, (Message("user", f"hello {i:04d}"),)) for i in range(number)]


WORST = Wording(asks(1)[0], ApiTarget(base_url="http://h/v1", model="m")).worst_case.total


@pytest.fixture
def make(server: ChatServer, tmp_path: Path) -> Iterator[Make]:
    opened: list[tuple[ChatClient, Journal]] = []

    def client(**target: Any) -> ChatClient:
        for _, journal in opened:
            journal.close()
        journal = Journal(tmp_path / "journal")
        given = {"base_url": server.url, "model": "m", "timeout_seconds": 5, **target}
        opened.append((ChatClient(ApiTarget(**given), journal, clock=HandClock()), journal))
        return opened[-1][0]

    yield client
    for made, journal in opened:
        made.__exit__()
        journal.close()


def test_the_worst_case_counts_bytes_and_all_replies() -> None:
    target = ApiTarget(base_url="http://h/v1", model="m")
    short = Wording(Ask("1", 20, (Message("user", "héé"),), n=3), target).worst_case
    longer = Wording(Ask("1", 20, (Message("user", "hééx"), Message("assistant", "")), n=3), target).worst_case
    assert short.prompt >= 5
    assert longer.prompt - short.prompt >= 1 + 4
    assert short.completion == 60


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("limit", [WORST - 1, WORST, 700, 1501])
def test_the_budget_is_used_up_and_never_passed(server: ChatServer, make: Make, concurrency: int, limit: int) -> None:
    client = make(max_tokens_total=limit, concurrency=concurrency)
    assert client.answer(asks(500)) == "budget"
    assert server.billed_tokens == client.accounts.ledger.spent.total
    assert limit - WORST < server.billed_tokens <= limit


def test_money_is_never_passed(server: ChatServer, make: Make) -> None:
    client = make(max_usd=0.003, usd_per_million_prompt=1.5, usd_per_million_completion=2.0, concurrency=8)
    assert client.answer(asks(500)) == "budget"
    assert 0.0025 < client.accounts.usd <= 0.003
    told, remedy = client.accounts.budget_end()
    assert "of 0.003 USD are spent" in told
    assert remedy == "raise max_usd"


def test_requests_under_way_count_with_the_most_they_can_cost(server: ChatServer, make: Make) -> None:
    all_there, numbers = threading.Event(), []

    def script(asked: Asked) -> Answer:
        numbers.append(asked.number)
        if len(numbers) == 3:
            all_there.set()
        return Answer(after=all_there)

    server.script = script
    client = make(max_tokens_total=3 * WORST + WORST // 2, concurrency=16)
    client.answer(asks(100))
    assert server.most_at_once == 3, "a fourth could have passed the budget"
    assert len(numbers) > 3, "but what the first left is used"


def test_a_lost_reply_counts_with_the_most_it_can_have_cost(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: Answer(reset=True)
    client = make(max_tokens_total=4 * WORST, concurrency=2, max_attempts=10)
    assert client.answer(asks(10)) == "budget"
    assert len(server.asked) == 4
    assert client.accounts.ledger.lost.total == client.accounts.ledger.spent.total == 4 * WORST
    assert "for replies that were lost" in client.accounts.budget_end()[0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_did_not_begin_is_owed_nothing(server: ChatServer, make: Make, status: int) -> None:
    busy = Answer(status, {"error": {"message": "busy"}}, {"retry-after": "1"})
    server.script = lambda asked: busy if asked.number % 2 else Answer()
    client = make(max_tokens_total=1000, concurrency=1)
    client.answer(asks(20))
    assert client.accounts.ledger.spent.total == server.billed_tokens
    assert client.accounts.ledger.lost.total == 0


WRONG = [
    None,
    {},
    [],
    "12",
    {"prompt_tokens": 10},
    {"prompt_tokens": -5, "completion_tokens": 3},
    {"prompt_tokens": "10", "completion_tokens": 3},
    {"prompt_tokens": True, "completion_tokens": 3},
    {"prompt_tokens": 9.5, "completion_tokens": 3},
    {"prompt_tokens": 0, "completion_tokens": 0},
    {"prompt_tokens": 10, "completion_tokens": 0},
]


@pytest.mark.parametrize("usage", WRONG, ids=repr)
def test_usage_that_cannot_be_counts_as_the_worst_case(server: ChatServer, make: Make, usage: object) -> None:
    server.script = lambda asked: Answer(usage=usage)
    client = make()
    client.answer(asks(1))
    assert client.accounts.ledger.spent.total == WORST
    assert client.num_kept == 1


def test_a_server_that_bills_more_than_can_be_stops_the_work(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: Answer(usage={"prompt_tokens": 10, "completion_tokens": 5000})
    client = make(max_tokens_total=3000, concurrency=1)
    assert client.answer(asks(10)) == "budget"
    assert len(server.asked) == 1


def test_a_raised_budget_continues_without_paying_again(server: ChatServer, make: Make) -> None:
    make(max_tokens_total=600).answer(asks(100))
    before = len(server.asked)
    client = make(max_tokens_total=1200, usd_per_million_prompt=1.0)
    assert client.answer(asks(100)) == "budget"
    assert set(server.answered.values()) == {1}
    assert len(server.asked) > before
    assert server.billed_tokens == client.accounts.ledger.spent.total <= 1200


def test_attempts_that_a_kill_cut_off_count_as_spent(server: ChatServer, make: Make, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append("sent 0-abc 1", {"attempt": "1", "prompt": 300, "completion": 200})
    journal.append("sent 1-abc 2", {"attempt": "2", "prompt": 300, "completion": 200})
    journal.append("free 2", {})
    journal.close()
    client = make(max_tokens_total=500 + WORST)
    assert client.accounts.ledger.spent == (300, 200)
    client.answer(asks(10))
    assert client.accounts.ledger.spent.total <= 500 + WORST
    assert server.billed_tokens > 0


def test_an_attempt_is_on_disk_before_it_leaves(server: ChatServer, make: Make, tmp_path: Path) -> None:
    journals: list[bytes] = []

    def script(asked: Asked) -> Answer:
        journals.append((tmp_path / "journal" / "journal.log").read_bytes())
        return Answer()

    server.script = script
    make(concurrency=1).answer(asks(2))
    assert journals[0].count(b'"sent 0000-') == 1
    assert journals[1].count(b'"reply 0000-') == 1


def test_no_cent_is_lost_to_rounding() -> None:
    target = ApiTarget(max_usd=0.3, usd_per_million_prompt=0.1, usd_per_million_completion=0.1)
    ledger = Ledger(target)
    assert ledger.reserve(Cost(1_000_000, 2_000_000)), "0.1 + 0.2 is 0.3"
    ledger.settle(Cost(1_000_000, 2_000_000), Cost(1_000_000, 2_000_000))
    assert not ledger.reserve(Cost(1, 0))
    assert ledger.usd(ledger.spent) == 0.3


def test_a_limit_in_money_needs_prices() -> None:
    with pytest.raises(ValueError, match="max_usd needs"):
        ApiTarget(max_usd=1.0, usd_per_million_prompt=1.0)
