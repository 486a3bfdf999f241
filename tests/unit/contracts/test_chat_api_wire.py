"""What happens between the client and the server: connections, bodies, redirections, proxies, certificates."""

import gzip
import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from components.contracts.chat_api.ask import Ask, Message
from components.contracts.chat_api.client import ChatClient, Failure
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from tests.unit.contracts.certificates import self_signed
from tests.unit.contracts.chat_server import Answer, Asked, ChatServer, HandClock, Tunnel, events

KEY = "sk-very-secret-4711"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
REPLY = json.dumps({"choices": [{"message": {"content": "said"}, "finish_reason": "stop"}]}).encode()

Make = Callable[..., ChatClient]


class RealTime(HandClock):
    """The machine's time, with pauses left out."""

    def monotonic(self) -> float:
        return time.monotonic() + self.now


def asks(number: int, **fields: Any) -> list[Ask]:
    return [Ask(str(i), 20, (Message("user", f"hello {i}"),), **fields) for i in range(number)]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("TOUCHSTONE_API_KEY", "OPENAI_API_KEY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, *PROXIES, *(name.upper() for name in PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def other() -> Iterator[ChatServer]:
    made = ChatServer()
    yield made
    made.close()


@pytest.fixture
def make(server: ChatServer, tmp_path: Path) -> Iterator[Make]:
    journal = Journal(tmp_path / "journal")
    opened: list[ChatClient] = []

    def client(clock: HandClock | None = None, **target: Any) -> ChatClient:
        given = {"base_url": server.url, "model": "m", "timeout_seconds": 5, "concurrency": 1, **target}
        opened.append(ChatClient(ApiTarget(**given), journal, clock=clock or HandClock()))
        return opened[-1]

    yield client
    for made in opened:
        made.__exit__()
    journal.close()


def failure(client: ChatClient) -> str:
    found = client.reply(asks(1)[0])
    assert isinstance(found, Failure), found
    return found.message


def first(answer: Answer) -> Callable[[Asked], Answer]:
    return lambda asked: answer if asked.number == 0 else Answer()


@pytest.mark.slow
@pytest.mark.parametrize("chat", [True, False])
def test_the_server_is_asked_as_the_official_client_asks_it(server: ChatServer, make: Make, chat: bool) -> None:
    said: dict[str, Any] = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["\n"], "n": 2}
    text = "größer\u2028\U0001f600 <b>&\x07"
    headers = {"Idempotency-Key": "1"}
    with openai.OpenAI(base_url=server.url, api_key="-", max_retries=0, default_headers=headers) as official:
        if chat:
            official.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **said)
        else:
            official.completions.create(model="m", prompt=text, **said)
    given = {"messages": (Message("user", text),)} if chat else {"prompt": text}
    ask = Ask("1", 9, temperature=0.5, top_p=0.9, seed=7, stop=("\n",), n=2, **given)  # type: ignore[arg-type]
    assert make().answer([ask]) == "complete"
    theirs, ours = server.asked
    assert (ours.path, ours.body) == (theirs.path, theirs.body)
    assert ours.headers["content-type"] == theirs.headers["content-type"]


def test_connections_are_kept(server: ChatServer, make: Make) -> None:
    client = make(concurrency=3)
    client.answer(asks(30))
    client.answer(asks(60))
    assert len(server.asked) == 60
    assert server.num_connections <= 3


@pytest.mark.parametrize(("body", "kept"), [(b"", True), (b"busy", True), (b"x" * 3_000_000, False)])
def test_a_connection_outlives_a_refusal_that_is_read_to_its_end(
    server: ChatServer, make: Make, body: bytes, kept: bool
) -> None:
    server.script = lambda asked: Answer(503, body) if asked.number % 2 == 0 else Answer()
    client = make()
    assert client.answer(asks(4)) == "complete"
    assert (client.num_kept, client.counts.retries) == (4, 4)
    assert server.num_connections == (1 if kept else 5)


def test_a_kept_connection_that_the_server_closed_meanwhile_costs_nothing(server: ChatServer, make: Make) -> None:
    server.script = first(Answer(hang_up=True))
    client = make()
    client.answer(asks(1))
    assert server.hung_up.wait(10)
    client.answer(asks(2))
    assert (client.num_kept, client.counts.retries, client.counts.lost) == (2, 0, 0)
    assert server.num_connections == 2


def test_what_is_left_of_a_bad_answer_is_not_taken_for_the_next(server: ChatServer, make: Make) -> None:
    server.script = lambda asked: (
        Answer(500, b"x" * 1_000_000) if asked.number % 2 else Answer(text=f"answer to {asked.text}")
    )
    client = make()
    assert client.answer(asks(10)) == "complete"
    replies = [client.reply(ask) for ask in asks(10)]
    assert [r.choices[0].text for r in replies if isinstance(r, Reply)] == [f"answer to hello {i}" for i in range(10)]


BODIES = {
    "gzip": (gzip.compress(REPLY), "gzip"),
    "deflate": (zlib.compress(REPLY), "deflate"),
    "twice": (gzip.compress(gzip.compress(REPLY)), "gzip, gzip"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_compressed_body_is_read(server: ChatServer, make: Make, name: str) -> None:
    body, encoding = BODIES[name]
    server.script = lambda asked: Answer(body=body, headers={"content-encoding": encoding})
    client = make()
    client.answer(asks(1))
    assert (client.num_kept, client.counts.retries) == (1, 0)
    assert server.asked[0].headers["accept-encoding"] == "gzip, deflate"


DAMAGED = {
    "cut": Answer(body=gzip.compress(REPLY)[:-20], headers={"content-encoding": "gzip"}),
    "not compressed": Answer(body=REPLY, headers={"content-encoding": "gzip"}),
    "unknown": Answer(body=b"\x00\xff" * 50, headers={"content-encoding": "rot13"}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_body_that_cannot_be_unpacked_is_asked_for_again(server: ChatServer, make: Make, name: str) -> None:
    server.script = first(DAMAGED[name])
    client = make()
    assert client.answer(asks(1)) == "complete"
    assert (client.num_kept, client.counts.lost) == (1, 1)


def test_a_body_in_chunks_is_read_and_its_connection_kept(server: ChatServer, make: Make) -> None:
    pieces = [REPLY[i : i + 5] for i in range(0, len(REPLY), 5)]
    server.script = lambda asked: Answer(pieces=pieces, chunked=True, headers={"content-type": "application/json"})
    client = make()
    client.answer(asks(3))
    assert (client.num_kept, client.counts.retries, server.num_connections) == (3, 0, 1)


def test_what_follows_the_end_of_a_stream_is_not_waited_for_nor_taken_for_the_next_answer(
    server: ChatServer, make: Make
) -> None:
    released = threading.Event()
    part = {"choices": [{"index": 0, "delta": {"content": "said"}, "finish_reason": "stop"}]}

    class Open(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield from events(part)
            assert released.wait(10)

    server.script = lambda asked: Answer(pieces=Open() if asked.number == 0 else events(part), chunked=True)
    client = make(stream=True)
    assert client.answer(asks(2)) == "complete"
    released.set()
    assert (client.num_kept, client.counts.retries) == (2, 0)


def test_a_body_in_chunks_that_breaks_off_is_asked_for_again(server: ChatServer, make: Make) -> None:
    # A whole JSON text, and yet not all that was to come.
    json_type = {"content-type": "application/json"}
    server.script = first(Answer(pieces=[REPLY, b""], chunked=True, headers=json_type))
    client = make()
    client.answer(asks(1))
    assert (client.num_kept, client.counts.lost) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_a_body_without_end_is_not_read_to_its_end(server: ChatServer, make: Make, packed: bool) -> None:
    megabyte = b" " * (1 << 20)
    if packed:
        answer = Answer(body=gzip.compress(megabyte * 70, 1), headers={"content-encoding": "gzip"})
    else:
        answer = Answer(pieces=[megabyte] * 200, headers={"content-type": "application/json"})
    server.script = lambda asked: answer
    client = make(max_attempts=1)
    client.answer(asks(1))
    assert "more than 64 MiB" in failure(client)


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_trickles_in_is_given_up_in_time(server: ChatServer, make: Make, chunked: bool) -> None:
    released = threading.Event()

    class Trickle(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            while not released.wait(0.05):
                yield b" "

    kind = {"content-type": "application/json"}
    server.script = lambda asked: Answer(pieces=Trickle(), chunked=chunked, headers=kind)
    client = make(RealTime(), max_attempts=1, timeout_seconds=0.4)
    client.answer(asks(1))
    released.set()
    assert "no whole reply within 0.4 s" in failure(client)


def test_a_server_that_says_nothing_is_given_up_in_time(server: ChatServer, make: Make) -> None:
    never = threading.Event()
    server.script = lambda asked: Answer(after=never)
    client = make(max_attempts=1, timeout_seconds=0.2)
    client.answer(asks(1))
    never.set()
    assert "no answer in time" in failure(client)
    assert client.counts.lost == 1


def test_a_large_page_of_an_error_is_told_in_short(server: ChatServer, make: Make) -> None:
    page = b"<html><title>Bad Gateway</title>" + b"x" * 3_000_000
    server.script = lambda asked: Answer(502, page, {"content-type": "text/html"})
    client = make(max_attempts=1)
    client.answer(asks(1))
    assert failure(client).endswith("502, an HTML page (Bad Gateway)")


@pytest.mark.parametrize("status", [400, 500])
def test_a_servers_words_are_told_without_what_rows_and_terminals_cannot_hold(
    server: ChatServer, make: Make, status: int
) -> None:
    words = "\\ud83d \\u001b[31mred\\u202e \\u0000end" + "!" * 50_000
    server.script = lambda asked: Answer(status, f'{{"error": {{"message": "{words}"}}}}')
    client = make(max_attempts=1)
    client.answer(asks(1))
    told = failure(client)
    assert f"{status}, \ufffd  [31mred   end!!!" in told
    assert len(told) < 1200
    told.encode()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirection_is_followed_with_the_request_and_the_key(
    server: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("TOUCHSTONE_API_KEY", KEY)
    server.script = lambda asked: (
        Answer(status, b"moved", {"location": "/v2/chat/completions"}) if "/v1/" in asked.path else Answer()
    )
    client = make()
    assert client.answer(asks(1)) == "complete"
    assert (client.num_kept, client.counts.retries) == (1, 0)
    assert server.asked[-1].path == "/v2/chat/completions"
    assert server.asked[-1].body == server.asked[0].body
    assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_does_not_follow_to_another_server(
    server: ChatServer, other: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_API_KEY", KEY)
    place = f"{other.url}/chat/completions"
    server.script = lambda asked: Answer(307, b"", {"location": place})
    other.script = lambda asked: Answer(401, {"error": {"message": "who are you?"}})
    with pytest.raises(TouchstoneError, match=rf"who are you.*asked at {place}"):
        make().answer(asks(1))
    assert "authorization" not in other.asked[0].headers


def test_a_redirection_to_https_asks_for_a_certificate_that_is_trusted(
    server: ChatServer, encrypted: ChatServer, make: Make
) -> None:
    server.script = lambda asked: Answer(307, b"", {"location": f"{encrypted.url}/chat/completions"})
    with pytest.raises(TouchstoneError, match="is not trusted"):
        make().answer(asks(1))
    assert encrypted.asked == []


@pytest.mark.parametrize("place", ["/v1/chat/completions", "ftp://127.0.0.1/", "http://a..b/", ""])
def test_a_redirection_that_leads_nowhere_is_final(server: ChatServer, make: Make, place: str) -> None:
    server.script = lambda asked: Answer(307, b"", {"location": place} if place else {})
    client = make()
    client.answer(asks(1))
    assert "the server refuses" in failure(client)
    assert len(server.asked) < 10
    assert client.accounts.ledger.spent.total == 0


def test_the_proxy_of_the_environment_is_asked_with_its_password(
    server: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("http://", "http://me:pass%40word@").removesuffix("/v1"))
    client = make(base_url="http://model.invalid/v1")
    assert client.answer(asks(1)) == "complete"
    (asked,) = server.asked
    assert asked.path == "http://model.invalid/v1/chat/completions"
    assert asked.headers["proxy-authorization"] == "Basic bWU6cGFzc0B3b3Jk"


def test_a_host_that_needs_no_proxy_is_asked_straight(
    server: ChatServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    make().answer(asks(1))
    assert server.asked[0].path == "/v1/chat/completions"


def test_a_proxy_that_is_not_there_costs_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:9")
    client = make(max_attempts=1)
    client.answer(asks(1))
    assert "no way through the proxy" in failure(client)
    assert client.counts.lost == 0


@pytest.mark.parametrize(
    "place", ["socks5://me:secret@127.0.0.1:1080", "http://me:secret@127.0.0.1:99999", "me:secret@[127.0.0.1:1080"]
)
def test_a_proxy_that_cannot_be_asked_is_told_without_its_password(
    make: Make, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", place)
    with pytest.raises(UsageError, match=r"names the proxy .*127\.0\.0\.1:\d+\n") as failed:
        make()
    assert "NO_PROXY=127.0.0.1" in failed.value.remedy
    assert "secret" not in str(failed.value)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "authority.pem")


@pytest.fixture
def encrypted(authority: Path) -> Iterator[ChatServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    made = ChatServer(tls=context)
    yield made
    made.close()


def test_over_https(encrypted: ChatServer, make: Make, authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    client = make(base_url=encrypted.url, concurrency=2)
    assert client.answer(asks(6)) == "complete"
    assert (client.num_kept, client.counts.retries) == (6, 0)
    assert encrypted.num_connections <= 2


def test_https_goes_through_the_proxy_unread(
    encrypted: ChatServer, make: Make, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("TOUCHSTONE_API_KEY", KEY)
    tunnel = Tunnel()
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:word@127.0.0.1:{tunnel.port}")
    client = make(base_url=encrypted.url)
    try:
        assert client.answer(asks(3)) == "complete"
    finally:
        client.__exit__()
        tunnel.close()
    assert (client.num_kept, client.counts.retries, len(encrypted.asked)) == (3, 0, 3)
    (asked,) = tunnel.asked
    assert asked.startswith(f"CONNECT {encrypted.url.split('/')[2]} HTTP/1")
    assert "proxy-authorization: basic bwu6d29yza==" in asked.lower()
    assert KEY not in asked


def test_a_certificate_of_nobody_is_told_at_once(encrypted: ChatServer, make: Make) -> None:
    client = make(base_url=encrypted.url)
    with pytest.raises(TouchstoneError, match=r"certificate of https://127.* is not trusted") as failed:
        client.answer(asks(5))
    assert "export SSL_CERT_FILE" in failed.value.remedy
    assert client.counts.requests == 1
    assert client.accounts.ledger.spent.total == 0


def test_an_authority_that_cannot_be_read_is_told(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(UsageError, match=r"SSL_CERT_FILE=.* cannot be read"):
            make(base_url="https://127.0.0.1:9/v1")


def test_https_where_http_is_spoken_is_told_at_once(server: ChatServer, make: Make) -> None:
    client = make(base_url=server.url.replace("http://", "https://"))
    with pytest.raises(TouchstoneError, match="does not speak TLS") as failed:
        client.answer(asks(5))
    assert server.url in failed.value.remedy
    assert client.accounts.ledger.spent.total == 0
