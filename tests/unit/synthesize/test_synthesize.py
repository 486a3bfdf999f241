import json
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.contracts import bind
from components.contracts.chat_api.progress import Progress, listening
from components.contracts.chat_api.rows import ApiReply
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion, Request
from components.synthesize import step
from components.synthesize.examples import normalised
from components.synthesize.prompting import compose_prompt
from components.synthesize.task import load_task
from tests.unit.contracts.chat_server import MODEL, Answer, Asked, ChatServer

CONTRACTS = {"dialogues": Dialogue, "removed": Removal, "replies": Completion, "raw_replies": ApiReply}


def synthesize(server: ChatServer, out: Path, num_examples: int = 60, api: Any = None, **params: Any) -> bind.Outcome:
    target = {"base_url": server.url, "model": "m", "timeout_seconds": 10, **(api or {})}
    given = {"task": "nq_synthetic", "num_examples": num_examples, "api": target, **params}
    return bind.call(step.synthesize, params=given, **{port: out / port for port in CONTRACTS})


def rows(out: Path, port: str) -> list[Any]:
    return Input(out / port, CONTRACTS[port]).rows()


def everything(out: Path) -> dict[str, list[Any]]:
    read = {port: rows(out, port) for port in CONTRACTS}
    read["raw_replies"] = [(r.request_id, json.loads(r.raw)["choices"]) for r in read["raw_replies"]]
    return read


def test_as_many_new_examples_as_wanted_with_their_papers(server: ChatServer, tmp_path: Path) -> None:
    outcome = synthesize(server, tmp_path, terms="restricted")
    dialogues: list[Dialogue] = rows(tmp_path, "dialogues")
    assert len(dialogues) == 60
    for dialogue in dialogues:
        assert [turn.speaker for turn in dialogue.turns] == ["user", "assistant"]
        assert (dialogue.source, dialogue.target) == ("NQ-synthetic", MODEL)
        assert (dialogue.passport.target_date, dialogue.passport.terms) == ("2024-05-13", "restricted")
        assert dialogue.passport.origin.startswith("synthesize nq_synthetic-0")
    assert len({dialogue.id for dialogue in dialogues}) == 60
    pairs = {tuple(normalised(turn.text) for turn in dialogue.turns) for dialogue in dialogues}
    assert len(pairs) == 60
    seeds = {normalised(seed.question) for seed in load_task("nq_synthetic").seeds}
    assert not seeds & {question for question, _ in pairs}
    assert outcome.metrics["examples"] == 60
    assert Input(tmp_path / "dialogues", Dialogue).manifest.notes["models_reported"] == {MODEL: len(server.asked)}


def test_everything_found_is_kept_or_removed_with_a_reason(server: ChatServer, tmp_path: Path) -> None:
    counted = synthesize(server, tmp_path).metrics
    removed: list[Removal] = rows(tmp_path, "removed")
    assert counted["found"] == 60 + len(removed)
    by_reason = Counter(removal.reason for removal in removed)
    assert set(by_reason) == {"duplicate", "seed", "malformed", "surplus"}
    assert all(counted[f"removed_{reason}"] == count for reason, count in by_reason.items())
    said = "\n".join(row.text for row in rows(tmp_path, "replies"))
    assert by_reason["seed"] == said.count("Zazu")
    assert all(removal.raw and removal.detail for removal in removed)
    assert len({removal.id for removal in removed}) == len(removed)


def test_every_reply_is_kept_as_the_server_sent_it(server: ChatServer, tmp_path: Path) -> None:
    synthesize(server, tmp_path)
    raw: list[ApiReply] = rows(tmp_path, "raw_replies")
    said: list[Completion] = rows(tmp_path, "replies")
    assert [row.request_id for row in raw] == [row.prompt_id for row in said]
    assert len(raw) == len(server.asked)
    assert sum(row.prompt_tokens + row.completion_tokens for row in raw) == server.billed_tokens  # type: ignore[operator]
    assert json.loads(raw[0].raw)["choices"][0]["message"]["content"] == said[0].text
    assert {row.prompt for row in said} == {asked.text for asked in server.asked}


def _prompt(prompt_id: str) -> str:
    return compose_prompt(load_task("nq_synthetic"), 0, int(prompt_id.rpartition("-")[2])).text


def test_the_data_depend_neither_on_speed_nor_on_concurrency_nor_on_failures(
    server: ChatServer, tmp_path: Path
) -> None:
    synthesize(server, tmp_path / "one", api={"concurrency": 1})
    release: list[threading.Event] = []
    draw = random.Random(1)

    def unruly(asked: Asked) -> Answer:
        # Answers overtake each other, and every tenth attempt fails.
        if asked.number % 10 == 3:
            return Answer(503, {"error": {"message": "busy"}}, {"retry-after-ms": "1"})
        mine = threading.Event()
        release.append(mine)
        for event in draw.sample(release, len(release)) if len(release) > 3 else []:
            event.set()
        threading.Timer(0.02, mine.set).start()
        return Answer(after=mine)

    server.script = unruly
    synthesize(server, tmp_path / "many", api={"concurrency": 12, "base_url": server.url + "/"})
    assert everything(tmp_path / "one") == everything(tmp_path / "many")


def test_another_seed_asks_otherwise(server: ChatServer, tmp_path: Path) -> None:
    synthesize(server, tmp_path / "a", seed=0)
    synthesize(server, tmp_path / "b", seed=1)
    assert rows(tmp_path / "a", "dialogues") != rows(tmp_path / "b", "dialogues")


def test_a_budget_that_ends_early_is_told_and_a_raised_one_pays_nothing_twice(
    server: ChatServer, tmp_path: Path
) -> None:
    with pytest.raises(TouchstoneError, match=r"budget: \d+ of 3000 tokens are spent, with \d+ of 60") as failed:
        synthesize(server, tmp_path / "a", api={"max_tokens_total": 3000, "concurrency": 2})
    assert "raise max_tokens_total" in failed.value.remedy
    assert not (tmp_path / "a" / "dialogues").exists()
    assert 0 < server.billed_tokens <= 3000
    before = len(server.asked)
    synthesize(server, tmp_path / "a", api={"max_tokens_total": 100_000})
    assert set(server.answered.values()) == {1}
    again = len(server.asked)
    assert again > before
    synthesize(server, tmp_path / "b")
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_fewer_are_given_when_fewer_are_accepted_and_the_rest_can_still_come(
    server: ChatServer, tmp_path: Path
) -> None:
    outcome = synthesize(server, tmp_path, api={"max_tokens_total": 3000}, accept_fewer=True)
    few = rows(tmp_path, "dialogues")
    assert 0 < len(few) == outcome.metrics["examples"] < 60
    assert "budget" in str(Input(tmp_path / "dialogues", Dialogue).manifest.notes["ended_early"])
    assert outcome.metrics["prompt_tokens"] + outcome.metrics["completion_tokens"] == server.billed_tokens
    synthesize(server, tmp_path, accept_fewer=True)
    assert rows(tmp_path, "dialogues")[: len(few)] == few
    assert len(rows(tmp_path, "dialogues")) == 60
    assert set(server.answered.values()) == {1}


def test_finished_work_is_not_asked_for_again(server: ChatServer, tmp_path: Path) -> None:
    synthesize(server, tmp_path)
    before = len(server.asked)
    assert synthesize(server, tmp_path, api={"concurrency": 3, "max_tokens_total": 10}).reused
    assert len(server.asked) == before
    assert not list(tmp_path.rglob("journal.log"))


@pytest.mark.slow
def test_a_target_that_repeats_itself_is_not_asked_for_ever(server: ChatServer, tmp_path: Path) -> None:
    server.reply_text = lambda asked: "Q: who?\nA: me"
    with pytest.raises(TouchstoneError, match=r"requests in a row brought nothing new, with 1 of 60"):
        synthesize(server, tmp_path)
    assert len(server.asked) < 400


@pytest.mark.slow
def test_a_target_that_never_answers_in_form_is_told_with_what_it_said(server: ChatServer, tmp_path: Path) -> None:
    server.reply_text = lambda asked: "As a language model, I cannot."
    with pytest.raises(TouchstoneError, match=r"no new example.*malformed.*As a language model"):
        synthesize(server, tmp_path, accept_fewer=True)


def test_a_refused_prompt_is_set_aside_and_the_rest_goes_on(server: ChatServer, tmp_path: Path) -> None:
    refused = _prompt("nq_synthetic-000004")
    policy = Answer(400, {"error": {"message": "content policy"}})
    server.script = lambda asked: policy if asked.text == refused else Answer()
    synthesize(server, tmp_path)
    gone = [row for row in rows(tmp_path, "removed") if row.reason == "no_reply"]
    assert [row.id for row in gone] == ["nq_synthetic-000004"]
    assert "content policy" in gone[0].detail


def test_requests_have_a_limit_of_their_own(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="5 requests were made, with"):
        synthesize(server, tmp_path, max_requests=5)
    assert len(server.asked) == 5


def test_no_server_is_a_usage_error(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no server to ask"):
        synthesize(server, tmp_path, api={"base_url": ""})


def test_whoever_listens_hears_of_examples_and_cost(server: ChatServer, tmp_path: Path) -> None:
    heard: list[Progress] = []
    with listening(heard.append):
        synthesize(server, tmp_path, api={"usd_per_million_prompt": 1, "usd_per_million_completion": 1})
    assert len(heard) == len(server.asked)
    assert max(now.done for now in heard) <= 60
    assert max(now.tokens for now in heard) == server.billed_tokens
    assert max(now.usd for now in heard) == pytest.approx(server.billed_tokens / 1e6)


def test_the_embedded_target_is_asked_the_same(server: ChatServer, tmp_path: Path) -> None:
    synthesize(server, tmp_path / "api")
    replies = {row.prompt_id: row for row in rows(tmp_path / "api", "replies")}
    bind.call(step.compose, params={"num_requests": len(replies)}, requests=tmp_path / "requests")
    requests = Input(tmp_path / "requests", Request).rows()
    assert {r.id: r.prompt for r in requests} == {key: row.prompt for key, row in replies.items()}
    assert all(r.chat and r.temperature == 1.0 and r.kind == "completion" for r in requests)
    bind.call(
        step.collect_examples,
        params={"num_examples": 60, "target_date": "2024-05-13"},
        requests=tmp_path / "requests",
        replies=tmp_path / "api" / "replies",
        dialogues=tmp_path / "dialogues",
        removed=tmp_path / "removed",
    )
    assert rows(tmp_path, "dialogues") == rows(tmp_path / "api", "dialogues")
    assert rows(tmp_path, "removed") == rows(tmp_path / "api", "removed")


def collect(tmp_path: Path, requests: list[str], replies: list[str], text: str = "Q: who?\nA: me") -> None:
    Output(tmp_path / "asked", Request).write(Request(id=i, kind="completion", prompt="p") for i in requests)
    Output(tmp_path / "said", Completion).write(Completion(prompt_id=i, model="t", text=text) for i in replies)
    ports = {port: tmp_path / port for port in ("dialogues", "removed")}
    bind.call(step.collect_examples, params={}, requests=tmp_path / "asked", replies=tmp_path / "said", **ports)


def test_a_request_without_reply_is_set_aside(tmp_path: Path) -> None:
    collect(tmp_path, ["1", "2"], ["2"])
    assert [(row.id, row.reason) for row in rows(tmp_path, "removed")] == [("1", "no_reply")]


@pytest.mark.parametrize(
    ("requests", "replies", "told"),
    [(["1"], ["1", "2"], "belong to no request"), (["1"], ["1", "1"], "two replies"), (["1"], [], "no new example")],
)
def test_replies_that_do_not_belong_are_told(
    tmp_path: Path, requests: list[str], replies: list[str], told: str
) -> None:
    with pytest.raises(TouchstoneError, match=told):
        collect(tmp_path, requests, replies)
