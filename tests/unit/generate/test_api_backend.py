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


def run(
    server: ChatServer, folder: Path, requests: list[Request], max_unanswered: float = 0.02, **api: Any
) -> bind.Outcome:
    Output(folder / "requests", Request).write(requests)
    target = {"base_url": server.url, "model": "m", "timeout_seconds": 10, **api}
    return bind.call(
        generate,
        params={"backend": "api", "name": "target", "api": target, "max_unanswered": max_unanswered},
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
    with pytest.raises(UsageError, match="request c asks for the likelihood of given text"):
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


@pytest.mark.slow
def test_what_replies_cost_stands_beside_them_where_prices_are_known(server: ChatServer, tmp_path: Path) -> None:
    server.script = lambda a: Answer(missing_bytes=5) if a.number == 0 else Answer()
    prices = {"usd_per_million_prompt": 2.0, "usd_per_million_completion": 8.0}
    costs = run(server, tmp_path / "priced", asked(), **prices, concurrency=1, max_attempts=3).metrics
    noted = Input(tmp_path / "priced" / "completions", Completion).manifest.notes["cost_usd"]
    assert noted == pytest.approx((2 * costs["prompt_tokens"] + 8 * costs["completion_tokens"]) / 1e6)
    assert costs["lost_tokens"] > 0
    for number, known in enumerate([{}, {"usd_per_million_prompt": 2.0}]):
        run(server, tmp_path / str(number), asked(), **known)
        assert "cost_usd" not in Input(tmp_path / str(number) / "completions", Completion).manifest.notes


def test_a_request_that_is_refused_is_named(server: ChatServer, tmp_path: Path) -> None:
    policy = Answer(400, {"error": {"message": "content policy"}})
    server.script = lambda a: policy if a.text == "hello 3" else Answer()
    with pytest.raises(TouchstoneError, match=r"1 of 6 requests have no reply; first 3: .*content policy"):
        run(server, tmp_path, asked())


def test_a_cut_reply_says_so(server: ChatServer, tmp_path: Path) -> None:
    cut = {"choices": [{"message": {"content": "so"}, "finish_reason": "length"}]}
    thinking = {"choices": [{"message": {"content": None}, "finish_reason": "length"}]}
    server.script = lambda a: Answer(body=cut if a.text == "hello 0" else thinking)
    assert run(server, tmp_path, asked(2)).metrics["cut_at_max_tokens"] == 2
    rows = Input(tmp_path / "completions", Completion).rows()
    assert [(row.text, row.finish, row.unanswered) for row in rows] == [("so", "length", None), ("", "length", None)]


NO_TEXT: dict[str, tuple[dict[str, Any], str]] = {
    "content_filter": ({"content": None}, "the server withheld the text: content_filter"),
    "stop": ({"content": None}, "the reply has no content (stop)"),
    "tool_calls": ({"content": None, "tool_calls": [{}]}, "the model called a tool instead of answering"),
    "refusal": ({"content": None, "refusal": "I cannot"}, 'refused: "I cannot"'),
}


@pytest.mark.parametrize("reason", NO_TEXT)
def test_a_reply_without_text_is_a_row_with_the_reason(server: ChatServer, tmp_path: Path, reason: str) -> None:
    message, why = NO_TEXT[reason]
    body = {"choices": [{"message": message, "finish_reason": reason}]}
    server.script = lambda a: Answer(body=body) if a.text == "hello 3" else Answer()
    outcome = run(server, tmp_path, asked(), max_unanswered=0.2)
    row = Input(tmp_path / "completions", Completion).rows()[3]
    assert (row.text, row.unanswered) == ("", why)
    assert outcome.metrics["unanswered"] == 1


def test_a_model_that_ends_at_once_has_answered(server: ChatServer, tmp_path: Path) -> None:
    server.script = lambda a: Answer(text="")
    assert run(server, tmp_path, asked(2)).metrics["unanswered"] == 0
    assert [row.unanswered for row in Input(tmp_path / "completions", Completion).rows()] == [None, None]


def test_refused_requests_are_rows_with_the_reason_up_to_a_share(server: ChatServer, tmp_path: Path) -> None:
    numbers = {*range(11), 60}
    refused = {f"hello {i}" for i in numbers}
    policy = Answer(400, {"error": {"message": "content policy"}})
    server.script = lambda a: policy if a.text in refused else Answer()
    with pytest.raises(TouchstoneError, match=r"12 of 120 requests have no reply; first 0: .*content policy"):
        run(server, tmp_path, asked(120), max_unanswered=0.0999, concurrency=4)
    # More in a row than make a server look broken, and first of all: what is tolerated is no sign of that.
    run(server, tmp_path, asked(120), max_unanswered=0.1, concurrency=4)
    rows = Input(tmp_path / "completions", Completion).rows()
    assert {int(row.prompt_id) for row in rows if "content policy" in str(row.unanswered)} == numbers
    assert sum(row.unanswered is None for row in rows) == 108
    # Replies were kept over the failed call: only the refused ones were sent twice.
    assert len(server.asked) == 120 + 12


def test_a_reply_that_is_billed_and_lost_each_time_is_a_row_with_the_reason(server: ChatServer, tmp_path: Path) -> None:
    server.script = lambda a: Answer(missing_bytes=5) if a.text == "hello 5" else Answer()
    outcome = run(server, tmp_path, asked(), max_unanswered=0.2, max_attempts=1)
    assert "no reply in 1 attempts" in str(Input(tmp_path / "completions", Completion).rows()[5].unanswered)
    assert outcome.metrics["lost_tokens"] > 0


def test_backend_hf_needs_a_checkpoint(tmp_path: Path) -> None:
    Output(tmp_path / "requests", Request).write(asked())
    ports = {name: tmp_path / name for name in ("requests", "completions", "choice_scores", "text_scores")}
    with pytest.raises(UsageError, match="no checkpoint"):
        bind.call(generate, params={}, **ports)
