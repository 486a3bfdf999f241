from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Request
from components.generate.step import generate
from tests.unit.contracts.chat_server import MODEL, Answer, ChatServer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOUCHSTONE_API_KEY", "OPENAI_API_KEY", "TOUCHSTONE_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    yield made
    made.close()


def asked(number: int = 6, **changes: Any) -> list[Request]:
    given = {"kind": "completion", "chat": True, "max_tokens": 30, "seed": 2**32 - 1, **changes}
    return [Request(id=str(i), prompt=f"hello {i}", **given) for i in range(number)]


def run(server: ChatServer, folder: Path, requests: list[Request], **api: Any) -> bind.Outcome:
    Output(folder / "requests", Request).write(requests)
    target = {"base_url": server.url, "model": "m", "timeout_seconds": 10, **api}
    return bind.call(
        generate,
        params={"backend": "api", "name": "target", "api": target},
        requests=folder / "requests",
        completions=folder / "completions",
        choice_scores=folder / "choice_scores",
        text_scores=folder / "text_scores",
    )


def test_requests_are_answered_by_the_server_in_their_order(server: ChatServer, tmp_path: Path) -> None:
    outcome = run(server, tmp_path, [*asked(), Request(id="raw", kind="completion", prompt="once", max_tokens=5)])
    said = Input(tmp_path / "completions", Completion)
    assert [row.text for row in said.rows()] == [*(f"said hello {i}" for i in range(6)), "said once"]
    assert {row.model for row in said.rows()} == {"target"}
    assert (said.rows()[0].finish, said.rows()[0].num_tokens, said.rows()[0].prompt) == ("stop", 3, "hello 0")
    assert said.manifest.notes["models_reported"] == {MODEL: 7}
    assert Input(tmp_path / "choice_scores", ChoiceScore).rows() == []
    assert outcome.metrics["prompt_tokens"] + outcome.metrics["completion_tokens"] == server.billed_tokens
    assert sorted(a.path.rpartition("/v1")[2] for a in server.asked) == ["/chat/completions"] * 6 + ["/completions"]
    assert all(0 <= a.body["seed"] < 2**31 for a in server.asked)


def test_choices_are_refused_before_anything_is_paid(server: ChatServer, tmp_path: Path) -> None:
    choice = Request(id="c", kind="choice", prompt="2+2=", choices=(" 4", " 5"))
    with pytest.raises(UsageError, match="request c asks for the likelihood of choices"):
        run(server, tmp_path, [*asked(), choice])
    assert server.asked == []


def test_a_request_without_bound_is_refused(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="request 0 has max_tokens 0"):
        run(server, tmp_path, asked(max_tokens=0))


def test_a_budget_that_ends_writes_nothing_and_a_raised_one_continues(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match=r"could pass the budget: .* with \d+ of 40 requests answered"):
        run(server, tmp_path, asked(40), max_tokens_total=300)
    assert server.billed_tokens <= 300
    assert not (tmp_path / "completions").exists()
    run(server, tmp_path, asked(40), max_tokens_total=100_000)
    assert len(server.asked) == 40
    assert run(server, tmp_path, asked(40)).reused


def test_a_request_that_is_refused_is_named(server: ChatServer, tmp_path: Path) -> None:
    policy = Answer(400, {"error": {"message": "content policy"}})
    server.script = lambda a: policy if a.text == "hello 3" else Answer()
    with pytest.raises(TouchstoneError, match=r"1 of 6 requests have no reply; first 3: .*content policy"):
        run(server, tmp_path, asked())


def test_a_cut_reply_says_so(server: ChatServer, tmp_path: Path) -> None:
    cut = {"choices": [{"message": {"content": "so"}, "finish_reason": "length"}]}
    odd = {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}
    server.script = lambda a: Answer(body=cut if a.text == "hello 0" else odd)
    assert run(server, tmp_path, asked(2)).metrics["cut_at_max_tokens"] == 1
    rows = Input(tmp_path / "completions", Completion).rows()
    assert [(row.text, row.finish, row.num_tokens) for row in rows] == [("so", "length", None), ("", "unknown", None)]


def test_backend_hf_needs_a_checkpoint(tmp_path: Path) -> None:
    Output(tmp_path / "requests", Request).write(asked())
    ports = {name: tmp_path / name for name in ("requests", "completions", "choice_scores", "text_scores")}
    with pytest.raises(UsageError, match="no checkpoint"):
        bind.call(generate, params={}, **ports)
