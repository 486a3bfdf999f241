"""Log-probabilities from a server, beside those of backend hf on the same model."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input, Output
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.hf.checkpoint import LoadedModel, load
from components.generate.hf.engine import HfBackend
from components.generate.step import generate
from components.generate.vllm import score_echo
from tests.unit.contracts.chat_server import Answer, Asked, ChatServer
from tests.unit.generate.runs import save_llama

SHOTS = "Question: what jumps? Answer: the fox\nQuestion: what is lazy? Answer: the dog\n"
START = "<|end|>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


class Echo:
    """Answers /completions as vLLM does: greedily, with the prompt's log-probabilities where `echo` asks for them."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._one = threading.Lock()

    def __call__(self, asked: Asked) -> Answer:
        body = asked.body
        assert "messages" not in body
        with self._one, torch.inference_mode():
            return Answer(body=self._answered(body))

    def _answered(self, body: dict[str, Any]) -> dict[str, Any]:
        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        prompt = tokenizer.encode(body["prompt"], add_special_tokens=body.get("add_special_tokens", True))
        if len(prompt) + body["max_tokens"] > 256:
            raise AssertionError("longer than the context")
        ids = list(prompt)
        for _ in range(body["max_tokens"]):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        tokens = [tokenizer.decode([i]) for i in ids]
        values = [None, *(float(logprobs[at, i]) for at, i in enumerate(ids[1:]))]
        offsets = [sum(map(len, tokens[:at])) for at in range(len(tokens))]
        top = [None if value is None else {token: value} for token, value in zip(tokens, values, strict=True)]
        told = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets, "top_logprobs": top}
        choice = {"index": 0, "text": "".join(tokens), "finish_reason": "length", "logprobs": told}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(ids) - len(prompt)}
        return {"id": "c", "model": "tiny", "created": 1_715_600_000, "choices": [choice], "usage": usage}


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("TOUCHSTONE_API_KEY", "OPENAI_API_KEY", "TOUCHSTONE_STORE"):
        monkeypatch.delenv(name, raising=False)
    made = ChatServer(Echo(load(folder, "cpu")))
    yield made
    made.close()


def likelihoods() -> list[Request]:
    questions = ["Question: what is it? Answer:", "Question: who? Answer: ", "Question: the quick brown fox?\nAnswer:"]
    given = [" a dog", " the quick fox", " one"]
    asked = [
        Request(
            id=f"c{i}", kind="choice", prompt=SHOTS + q, choices=tuple(c.lstrip() if q[-1] == " " else c for c in given)
        )
        for i, q in enumerate(questions)
    ]
    asked.append(Request(id="bare", kind="choice", prompt="", choices=("the fox", "one")))
    texts = ["the quick brown fox jumps", "1. one 2. two", "Ünïcödé 😀 dog"]
    return asked + [Request(id=f"t{i}", kind="text", prompt=text) for i, text in enumerate(texts)]


def run(server: ChatServer, place: Path, asked: list[Request], **params: Any) -> bind.Outcome:
    Output(place / "requests", Request).write(asked)
    target = {"base_url": server.url, "model": "m", "timeout_seconds": 10, "max_attempts": 1}
    ports = ("requests", "completions", "choice_scores", "text_scores")
    settings = {"backend": "vllm", "name": "m", "api": target, "start_text": START, **params}
    return bind.call(generate, params=settings, **{name: place / name for name in ports})


def test_log_probabilities_equal_those_of_backend_hf(server: ChatServer, folder: Path, tmp_path: Path) -> None:
    outcome = run(server, tmp_path, likelihoods())
    expected = HfBackend(folder).answer(likelihoods(), "m")
    weighed = Input(tmp_path / "choice_scores", ChoiceScore).rows()
    measured = Input(tmp_path / "text_scores", TextScore).rows()
    for found, wanted in zip(weighed, expected.choice_scores, strict=True):
        assert found.request_id == wanted.request_id
        assert found.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
        assert found.num_tokens == wanted.num_tokens
    for text, wanted_text in zip(measured, expected.text_scores, strict=True):
        assert text.logprob == pytest.approx(wanted_text.logprob, abs=1e-4)
        assert text.num_bytes == wanted_text.num_bytes
    assert outcome.metrics["unanswered"] == 0


def begun(folder: Path, place: Path) -> Path:
    """The same model with a tokenizer that begins every text with a token of its own, as Llama's do."""
    shutil.copytree(folder, place)
    tok = AutoTokenizer.from_pretrained(folder)
    tok.bos_token = "<|user|>"
    single = TemplateProcessing(single="<|user|> $A", special_tokens=[("<|user|>", tok.bos_token_id)])
    tok.backend_tokenizer.post_processor = single
    tok.save_pretrained(place)
    return place


def test_a_tokenizer_that_begins_texts_itself_does_so_behind_both_backends(folder: Path, tmp_path: Path) -> None:
    place = begun(folder, tmp_path / "begun")
    asked = [request for request in likelihoods() if request.kind == "choice"]
    server = ChatServer(Echo(load(place, "cpu")))
    try:
        run(server, tmp_path, asked, start_text="<|user|>")
        found = Input(tmp_path / "choice_scores", ChoiceScore).rows()
        run(server, tmp_path / "text", [r for r in likelihoods() if r.id == "t0"], start_text="")
        (text,) = Input(tmp_path / "text" / "text_scores", TextScore).rows()
    finally:
        server.close()
    expected = HfBackend(place).answer(asked, "m").choice_scores
    for row, wanted in zip(found, expected, strict=True):
        assert row.logprobs == pytest.approx(wanted.logprobs, abs=1e-4)
    # And a whole text needs no other beginning then.
    assert text.logprob is not None


def test_a_text_without_context_needs_something_to_be_predicted_from(server: ChatServer, tmp_path: Path) -> None:
    asked = [r for r in likelihoods() if r.kind == "text"]
    with pytest.raises(TouchstoneError, match="no probability; give start_text"):
        run(server, tmp_path, asked, start_text="")


def test_completions_go_the_way_of_backend_api(folder: Path, tmp_path: Path) -> None:
    plain = ChatServer()
    try:
        asked = [Request(id="say", kind="completion", prompt="hello", chat=True, max_tokens=9)]
        run(plain, tmp_path, asked)
        assert [row.text for row in Input(tmp_path / "completions", Completion).rows()] == ["said hello"]
        assert plain.asked[0].path.endswith("/chat/completions")
        assert "echo" not in plain.asked[0].body
    finally:
        plain.close()


def test_a_failed_run_continues_and_the_journal_keeps_no_echo(server: ChatServer, tmp_path: Path) -> None:
    whole, asked = server.script, likelihoods()
    refused = Answer(400, {"error": {"message": "too long"}})
    server.script = lambda a: refused if a.text.endswith(" one") else whole(a)
    with pytest.raises(TouchstoneError, match=r"3 of 7 requests have no reply; first c0: .*too long"):
        run(server, tmp_path, asked, max_unanswered=0.4)
    (journal,) = tmp_path.rglob("journal.log")
    assert journal.stat().st_size < 1000 * len(server.asked)
    assert "quick" not in journal.read_text()
    server.script, before = whole, len(server.asked)
    run(server, tmp_path, asked)
    assert len(server.asked) - before == 3
    assert Input(tmp_path / "choice_scores", ChoiceScore).rows()[0].unanswered is None


def test_a_choice_whose_first_token_begins_in_the_prompt_is_unanswered(server: ChatServer, tmp_path: Path) -> None:
    asked = [Request(id="cut", kind="choice", prompt="Answer: the quic", choices=("k fox",)), *likelihoods()]
    run(server, tmp_path, asked, max_unanswered=0.2)
    row = Input(tmp_path / "choice_scores", ChoiceScore).rows()[0]
    assert (row.logprobs, 'lies across the seam before "k fox"' in str(row.unanswered)) == ((), True)


def test_a_server_that_does_not_repeat_prompts_is_told_from_one_that_does(tmp_path: Path) -> None:
    plain = ChatServer()
    try:
        with pytest.raises(TouchstoneError, match=r"requests in a row failed.*echo and logprobs are not followed"):
            run(plain, tmp_path, likelihoods())
    finally:
        plain.close()


def test_likelihoods_within_a_chat_need_its_wording(server: ChatServer, folder: Path, tmp_path: Path) -> None:
    asked = [Request(id="c", kind="choice", prompt="who jumps?", chat=True, choices=(" a dog", " the fox"))]
    with pytest.raises(UsageError, match="within a chat"):
        run(server, tmp_path, asked)
    wording = "<|user|>{prompt}<|assistant|>"
    run(server, tmp_path, asked, plain_chat=wording)
    found = Input(tmp_path / "choice_scores", ChoiceScore).rows()[0].logprobs
    (expected,) = HfBackend(folder).answer(asked, "m").choice_scores
    assert found == pytest.approx(expected.logprobs, abs=1e-4)


def logprobs(*tokens: str, values: tuple[float | None, ...], offsets: tuple[int, ...] | None = None) -> dict[str, Any]:
    counted = offsets or tuple(sum(map(len, tokens[:at])) for at in range(len(tokens)))
    return {"tokens": [*tokens], "token_logprobs": [*values], "text_offset": [*counted]}


def test_places_are_counted_from_the_end_where_a_server_miscounts_the_beginning() -> None:
    # A broken character was counted as two: every later place is one too far.
    told = logprobs("\ufffd", "\ufffd", " A", " x", values=(None, -1.0, -2.0, -9.0), offsets=(0, 1, 2, 4))
    assert score_echo(told, 1, "😀", " A") == (-2.0, 1, "")


def test_the_seam_is_found_before_a_broken_character() -> None:
    told = logprobs("Q:", " \ufffd", "\ufffd", "x", values=(None, -1.0, -2.0, -9.0))
    assert score_echo(told, 1, "Q:", " 😀") == (-3.0, 2, "")


def test_what_was_generated_is_not_counted_however_much_it_is() -> None:
    told = logprobs("Q:", " A", " B", " C", values=(None, -2.0, -3.0, -4.0))
    assert score_echo(told, 2, "Q:", " A").logprob == -2.0
    assert score_echo(told, 0, "Q:", " A B C").logprob == -9.0


def test_a_first_token_of_the_servers_own_is_not_scored() -> None:
    for first in ("<s>", ""):
        told = logprobs(first, "the", " fox", " B", values=(None, -1.0, -2.0, -9.0))
        assert score_echo(told, 1, "", "the fox") == (-3.0, 2, "")


def test_a_log_probability_that_is_no_number_is_unanswered() -> None:
    for value in (float("-inf"), -9999.0, None):
        told = logprobs("Q:", " A", " B", values=(None, value, -3.0))
        assert score_echo(told, 1, "Q:", " A").problem == "a log-probability that is not a number"
