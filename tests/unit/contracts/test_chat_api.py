import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contracts.chat_api.ask import Ask, Message
from components.contracts.chat_api.client import ChatClient, Failure
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from tests.unit.contracts.chat_server import (
    CREATED,
    FINGERPRINT,
    MODEL,
    Answer,
    Asked,
    ChatServer,
    HandClock,
    HeldClock,
    events,
)

KEY = "sk-very-secret-4711"


def asks(number: int, **fields: Any) -> list[Ask]:
    return [Ask(str(i), 20, (Message("user", f"hello {i}"),), **fields) for i in range(number)]


class RealTime(HandClock):
    """The machine's time, with pauses left out."""

    def monotonic(self) -> float:
        return time.monotonic() + self.now


Make = Callable[..., ChatClient]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOUCHSTONE_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(server: ChatServer, tmp_path: Path) -> Iterator[Make]:
    journal = Journal(tmp_path / "journal")
    opened: list[ChatClient] = []

    def client(clock: HandClock | None = None, **target: Any) -> ChatClient:
        given = {"base_url": server.url, "model": "m", "timeout_seconds": 5, **target}
        opened.append(ChatClient(ApiTarget(**given), journal, clock=clock or HandClock()))
        return opened[-1]

    yield client
    for made in opened:
        made.__exit__()
    journal.close()


def texts(client: ChatClient, asked: list[Ask]) -> list[str]:
    found = [client.reply(ask) for ask in asked]
    return [reply.choices[0].text if isinstance(reply, Reply) else repr(reply) for reply in found]


def first(answer: Answer, times: int = 1) -> Callable[[Asked], Answer]:
    return lambda asked: answer if asked.number < times else Answer()


def test_a_reply_tells_everything_that_the_server_said(server: ChatServer, make: Make) -> None:
    client = make(top_p=0.9, extra={"repetition_penalty": 1.1})
    (ask,) = asks(1, temperature=0.5, seed=7, stop=("\n",), n=2, extra={"logprobs": True})
    assert client.answer([ask]) == "complete"
    reply = client.reply(ask)
    assert isinstance(reply, Reply)
    assert [choice.text for choice in reply.choices] == ["said hello 0"] * 2
    assert (reply.model, reply.created, reply.system_fingerprint) == (MODEL, "2024-05-13T11:33:20Z", FINGERPRINT)
    assert reply.usage == (10, 6)
    assert reply.raw["created"] == CREATED
    sent = server.asked[0].body
    assert sent == {
        "model": "m",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "hello 0"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["\n"],
        "n": 2,
        "logprobs": True,
        "repetition_penalty": 1.1,
    }


def test_a_raw_prompt_goes_to_the_completions_endpoint(server: ChatServer, make: Make) -> None:
    client = make(max_tokens_field="max_completion_tokens")
    ask = Ask("1", 9, prompt="once upon")
    client.answer([ask])
    assert texts(client, [ask]) == ["said once upon"]
    assert server.asked[0].path.endswith("/v1/completions")
    assert server.asked[0].body["max_completion_tokens"] == 9


def test_as_many_requests_are_under_way_as_allowed_and_no_more(server: ChatServer, make: Make) -> None:
    all_there = threading.Event()

    def hold(asked: Asked) -> Answer:
        # Nothing is answered before eight are waiting: with fewer at once this would never end.
        if asked.number == 7:
            all_there.set()
        return Answer(after=all_there)

    server.script = hold
    client = make(concurrency=8)
    client.answer(asks(40))
    assert server.most_at_once == 8
    assert client.num_kept == 40


@pytest.mark.parametrize("headers", [{"retry-after": "30"}, {"retry-after-ms": "30000"}])
def test_a_server_that_wants_to_be_left_alone_is_left_alone_by_all(
    server: ChatServer, make: Make, headers: dict[str, str]
) -> None:
    server.script = first(Answer(429, {"error": {"message": "slow down"}}, headers))
    clock = HeldClock()
    client = make(clock, concurrency=4)
    work = threading.Thread(target=client.answer, args=(asks(12),), daemon=True)
    work.start()
    clock.wait_for_sleepers(4)
    seen = len(server.asked)
    clock.advance(29)
    clock.wait_for_sleepers(4)
    assert len(server.asked) == seen
    clock.advance(1.1)
    work.join()
    assert client.num_kept == 12
    assert client.counts.retries == 1


def test_without_retry_after_pauses_double(server: ChatServer, make: Make) -> None:
    clock, times = HandClock(), []

    def script(asked: Asked) -> Answer:
        times.append(clock.now)
        return Answer(429, {"error": {"message": "busy"}}) if asked.number < 5 else Answer()

    server.script = script
    client = make(clock, concurrency=1)
    assert client.answer(asks(1)) == "complete"
    waits = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert all(2**n / 2 <= wait <= 2**n for n, wait in enumerate(waits)), waits
    assert len(waits) == 5, "refusals for lack of capacity do not use up the attempts"


def test_a_burst_of_429_makes_one_pause_and_not_one_for_each(server: ChatServer, make: Make) -> None:
    there = threading.Barrier(8)

    def script(asked: Asked) -> Answer:
        if asked.number < 8:
            there.wait(10)
            return Answer(429, {"error": {"message": "busy"}})
        return Answer()

    server.script = script
    clock = HeldClock()
    client = make(clock, concurrency=8)
    work = threading.Thread(target=client.answer, args=(asks(8),), daemon=True)
    work.start()
    clock.wait_for_sleepers(8)
    clock.advance(1.0)
    work.join(10)
    assert not work.is_alive(), "the first pause is a second at most"
    assert client.num_kept == 8


MALFORMED = {
    "error 500": Answer(500, {"error": {"message": "oops"}}),
    "gateway page": Answer(502, "<html><title>Bad\n Gateway</title>", {"content-type": "text/html"}),
    "overloaded": Answer(503, {"error": {"message": "overloaded"}}),
    "reset": Answer(reset=True),
    "cut body": Answer(missing_bytes=10),
    "half a JSON": Answer(body='{"choices": [{"mess'),
    "no JSON": Answer(body="pardon?", headers={"content-type": "text/plain"}),
    "NaN": Answer(body='{"choices": NaN}'),
    "page": Answer(body="<!DOCTYPE html><title>Log in</title>", headers={"content-type": "text/html"}),
    "empty": Answer(body=b""),
    "not UTF-8": Answer(body=b'{"choices": "\xff"}'),
    "list": Answer(body="[]"),
    "no choices": Answer(body={"choices": []}),
    "error inside 200": Answer(body={"error": {"message": "engine died"}, "choices": None}),
    "cut reply": Answer(body={"choices": [{"message": {"content": "so"}, "finish_reason": None}]}),
    "no text": Answer(body={"choices": [{"finish_reason": "stop"}]}),
    "too many choices": Answer(body={"choices": [{"text": "a", "finish_reason": "stop"}] * 2}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_reply_is_asked_again_under_the_same_name(server: ChatServer, make: Make, name: str) -> None:
    server.script = first(MALFORMED[name])
    client = make(concurrency=1)
    assert client.answer(asks(2)) == "complete"
    assert texts(client, asks(2)) == ["said hello 0", "said hello 1"]
    assert [asked.key for asked in server.asked].count(server.asked[0].key) == 2
    assert client.counts.retries == 1


def test_what_is_kept_is_taken_from_replies_alone(server: ChatServer, make: Make) -> None:
    server.script = first(MALFORMED["error inside 200"])
    client = make(concurrency=1)
    (ask,) = asks(1, kept=lambda raw: {"choices": [{**raw["choices"][0], "text": "short"}]})
    assert client.answer([ask]) == "complete"
    assert client.counts.retries == 1
    reply = client.reply(ask)
    assert isinstance(reply, Reply)
    assert reply.raw.keys() == {"choices"}
    assert client.accounts.ledger.spent.total == server.billed_tokens + client.accounts.ledger.lost.total


@pytest.mark.parametrize(("name", "told"), [("gateway page", "an HTML page (Bad Gateway)"), ("half a JSON", "{")])
def test_a_request_that_always_fails_is_given_up_and_the_others_are_not(
    server: ChatServer, make: Make, name: str, told: str
) -> None:
    server.script = lambda asked: MALFORMED[name] if asked.text == "hello 1" else Answer()
    client = make(concurrency=2, max_attempts=3)
    assert client.answer(asks(4)) == "complete"
    failure = client.reply(asks(4)[1])
    assert isinstance(failure, Failure)
    assert "no reply in 3 attempts" in failure.message
    assert told in failure.message
    assert client.num_kept == 3
    assert len(server.asked) == 6


def test_a_reply_that_does_not_come_in_time_is_asked_for_again(server: ChatServer, make: Make) -> None:
    late = threading.Event()
    server.script = first(Answer(after=late))
    client = make(timeout_seconds=0.2)
    assert client.answer(asks(1)) == "complete"
    late.set()
    assert (client.counts.lost, client.num_kept) == (1, 1)


def chunk(text: str | None, finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"model": MODEL, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **fields}


USAGE = {"model": MODEL, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
WHOLE = events(chunk("so\u2028"), chunk(" it is"), chunk(None, "stop"), USAGE)


def test_a_stream_becomes_a_reply(server: ChatServer, make: Make) -> None:
    # Cut anywhere: pieces of a stream do not end where events do.
    data = b": ping\r\n\r\n" + b"".join(WHOLE)
    server.script = lambda asked: Answer(pieces=[data[i : i + 7] for i in range(0, len(data), 7)])
    client = make(stream=True)
    client.answer(asks(1))
    reply = client.reply(asks(1)[0])
    assert isinstance(reply, Reply)
    assert (reply.choices[0].text, reply.choices[0].finish_reason) == ("so\u2028 it is", "stop")
    assert reply.usage == (9, 2)
    assert server.asked[0].body["stream_options"] == {"include_usage": True}


def test_log_probabilities_of_a_stream_are_joined(server: ChatServer, make: Make) -> None:
    def piece(token: str, finish: str | None = None) -> dict[str, object]:
        logprobs = {"content": [{"token": token, "logprob": -1.5}]}
        return {"choices": [{"index": 0, "delta": {"content": token}, "logprobs": logprobs, "finish_reason": finish}]}

    server.script = lambda asked: Answer(pieces=events(piece("a"), piece("b", "stop")))
    client = make(stream=True)
    client.answer(asks(1))
    reply = client.reply(asks(1)[0])
    assert isinstance(reply, Reply)
    assert [t["token"] for t in reply.raw["choices"][0]["logprobs"]["content"]] == ["a", "b"]


STREAMS = {
    "ends early": Answer(pieces=WHOLE[:2]),
    "ends in an event": Answer(pieces=[WHOLE[0], WHOLE[1][:20]]),
    "is done without an end": Answer(pieces=events(chunk("so"))),
    "is empty": Answer(pieces=[]),
    "tells an error": Answer(pieces=[WHOLE[0], *events({"error": {"message": "engine died"}})]),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_truncated_stream_is_no_reply(server: ChatServer, make: Make, name: str) -> None:
    server.script = lambda asked: STREAMS[name] if asked.number == 0 else Answer(pieces=WHOLE)
    client = make(stream=True)
    assert client.answer(asks(1)) == "complete"
    assert texts(client, asks(1)) == ["so\u2028 it is"]
    assert client.counts.lost == 1


@pytest.mark.parametrize("limits", [{"idle_seconds": 0.1}, {"timeout_seconds": 0.15}])
def test_a_slow_stream_is_cut_by_its_silence_or_by_its_length(
    server: ChatServer, make: Make, limits: dict[str, float]
) -> None:
    between = 0.5 if "idle_seconds" in limits else 0.05
    slow = Answer(pieces=[*WHOLE[:1] * 20], between_seconds=between)
    server.script = lambda asked: slow if asked.number == 0 else Answer(pieces=WHOLE)
    client = make(RealTime(), stream=True, **limits)
    assert client.answer(asks(1)) == "complete"
    assert client.counts.lost == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_answers_as_it_likes(server: ChatServer, make: Make, stream: bool) -> None:
    server.script = lambda asked: Answer() if stream else Answer(pieces=WHOLE)
    client = make(stream=stream)
    client.answer(asks(1))
    assert client.num_kept == 1


def test_a_refused_request_is_final_and_costs_nothing(server: ChatServer, make: Make) -> None:
    refusal = Answer(400, {"error": {"message": "content policy"}})
    server.script = lambda asked: refusal if asked.text == "hello 2" else Answer()
    client = make()
    assert client.answer(asks(4)) == "complete"
    assert client.reply(asks(4)[2]) == Failure("the server refuses: 400, content policy")
    assert len(server.asked) == 4
    assert client.accounts.ledger.spent.total == server.billed_tokens


def test_a_server_that_refuses_everything_is_not_asked_for_ever(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: Answer(422, {"detail": [{"msg": "max_tokens is not supported"}]})
    with pytest.raises(TouchstoneError, match=r"3 requests in a row failed.*max_tokens is not supported"):
        make(concurrency=1).answer(asks(100))
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, {"error": {"message": f"wrong key {KEY}"}}, "TOUCHSTONE_API_KEY"),
        (403, {"error": {"message": "no"}}, "TOUCHSTONE_API_KEY"),
        (404, {"error": {"message": "no such model"}}, "/models"),
        (402, {"error": {"message": "pay first"}}, "credit"),
        (429, {"error": {"message": "quota", "code": "insufficient_quota"}}, "credit"),
    ],
)
def test_what_no_repetition_mends_ends_the_work_at_once(
    server: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch, status: int, body: dict[str, Any], remedy: str
) -> None:
    monkeypatch.setenv("TOUCHSTONE_API_KEY", KEY)
    server.script = lambda asked: Answer(status, body)
    with pytest.raises(TouchstoneError, match=body["error"]["message"].split()[0]) as failed:
        make(concurrency=1).answer(asks(100))
    assert remedy in failed.value.remedy
    assert KEY not in str(failed.value)
    assert len(server.asked) == 1


def test_patience_ends(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: Answer(429, {"error": {"message": "busy"}})
    clock = HandClock()
    began = clock.now
    with pytest.raises(TouchstoneError, match="has not answered for"):
        make(clock, patience_seconds=300, concurrency=1).answer(asks(5))
    assert 300 < clock.now - began < 420


def test_a_wait_beyond_patience_is_told_and_not_waited(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: Answer(429, {"error": {"message": "tomorrow"}}, {"retry-after": "86400"})
    clock = HandClock()
    began = clock.now
    with pytest.raises(TouchstoneError, match="asks to wait 86400 s"):
        make(clock, concurrency=2).answer(asks(5))
    assert clock.now == began


def test_a_server_that_is_not_there_is_told_and_costs_nothing(server: ChatServer, make: Make) -> None:
    client = make(base_url="http://127.0.0.1:9/v1", concurrency=1)
    with pytest.raises(TouchstoneError, match="requests in a row failed"):
        client.answer(asks(5))
    assert client.accounts.ledger.spent.total == 0


def test_the_key_goes_into_the_header_and_nowhere_else(
    server: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOUCHSTONE_API_KEY", f"  {KEY}\n")
    client = make()
    client.answer(asks(1))
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in (tmp_path / "journal" / "journal.log").read_text()
    assert KEY not in json.dumps(client.target.model_dump())


def test_the_key_of_openai_is_shown_to_nobody_else(
    server: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    make().answer(asks(1))
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("key", ["two words", "schlüssel", "a\nb"])
def test_a_key_that_cannot_be_one_is_not_repeated(make: Make, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TOUCHSTONE_API_KEY", key)
    with pytest.raises(UsageError, match="TOUCHSTONE_API_KEY holds") as failed:
        make()
    assert key not in str(failed.value)


BAD_ADDRESSES = [
    *("api.openai.com/v1", "http://", "https://me:secret@host/v1", "http://h/v1?key=secret"),
    *(
        "http://h:99999/v1",
        "http://h:0/v1",
        "http://h:port/v1",
        "http://[::1/v1",
        "http://two words/v1",
        "http://h/v 1",
    ),
]


@pytest.mark.parametrize("url", BAD_ADDRESSES)
def test_an_address_that_cannot_be_one_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        ApiTarget(base_url=url)


def test_no_address_or_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no server to ask"):
        ChatClient(ApiTarget(), Journal(tmp_path))
    with pytest.raises(UsageError, match="no model named for http://h/v1"):
        ChatClient(ApiTarget(base_url="http://h/v1"), Journal(tmp_path))


def test_what_is_journalled_is_not_asked_again(server: ChatServer, make: Make) -> None:
    make().answer(asks(5))
    again = make()
    assert again.answer(asks(7)) == "complete"
    assert len(server.asked) == 7
    assert again.accounts.ledger.spent.total == server.billed_tokens


def test_a_changed_request_never_gets_the_reply_of_the_former_one(server: ChatServer, make: Make) -> None:
    make().answer(asks(1))
    other = make()
    (ask,) = asks(1, temperature=0.1)
    assert other.reply(ask) is None
    other.answer([ask])
    assert server.asked[0].key != server.asked[1].key


def test_streaming_or_not_is_the_same_request(server: ChatServer, make: Make) -> None:
    make().answer(asks(1))
    make(stream=True).answer(asks(1))
    assert len(server.asked) == 1


def test_a_wish_to_wait_no_time_at_all_is_not_taken_for_leave_to_hammer(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: Answer(429, {"error": {"message": "busy"}}, {"retry-after": "0"})
    with pytest.raises(TouchstoneError, match="has not answered"):
        make(patience_seconds=120, concurrency=1).answer(asks(1))
    assert len(server.asked) < 15


def test_what_would_pass_by_the_budget_cannot_be_slipped_in() -> None:
    with pytest.raises(ValueError, match="best_of, max_tokens cannot be set here"):
        ApiTarget(extra={"best_of": 5, "max_tokens": 10_000, "min_p": 0.1})


def test_without_the_package_the_install_line_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "components.contracts.chat_api.wire", raising=False)
    monkeypatch.setitem(sys.modules, "urllib3", None)
    monkeypatch.delitem(sys.modules, "components.contracts.chat_api.connections", raising=False)
    with pytest.raises(TouchstoneError, match="not installed: urllib3") as failed:
        make()
    assert "touchstone-audit[api]" in failed.value.remedy
