import math
from collections.abc import Sequence

import pytest
import torch

from components.contracts.rows import Request, TextScore
from components.generate.hf import texts
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.work import Done
from tests.unit.generate.architectures import (
    CONTEXT,
    beginning_tokenizer,
    bytes_tokenizer,
    random_model,
    reference_texts,
)
from tests.unit.generate.conftest import tokenizer

LENGTHS = (1, 2, 50, CONTEXT - 1, CONTEXT, CONTEXT + 1, 2 * CONTEXT, 2 * CONTEXT + 1, 700)
STORY = "the quick brown fox jumps over the lazy dog. " * 20


def asked(written: Sequence[str]) -> list[Request]:
    return [Request(id=str(i), kind="text", prompt=text) for i, text in enumerate(written)]


def score(loaded: LoadedModel, written: Sequence[str], max_rows: int = 0) -> Done:
    return texts.run(loaded, asked(written), "m", max_rows)


def rows(done: Done) -> list[TextScore]:
    return [row for row in done.answers if isinstance(row, TextScore)]


def assert_equal(found: Sequence[TextScore], expected: Sequence[float]) -> None:
    for row, value in zip(found, expected, strict=True):
        # Sums over up to 700 tokens in fp32: 1e-4 a token is asked of choices, here of the text's whole size.
        assert row.logprob == pytest.approx(value, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama", "mamba", "mistral_window"])
def test_texts_shorter_and_longer_than_the_context_equal_lm_eval(name: str) -> None:
    loaded = random_model(name, bytes_tokenizer())
    written = [STORY[:length] for length in LENGTHS]
    found = rows(score(loaded, written))
    assert_equal(found, reference_texts(loaded, written))
    assert [(row.num_tokens, row.num_bytes) for row in found] == [(n, n) for n in LENGTHS]


def test_a_beginning_token_is_predicted_as_in_lm_eval() -> None:
    loaded = random_model("llama", beginning_tokenizer())
    written = ["the fox", "<s>the fox", STORY]
    assert_equal(rows(score(loaded, written)), reference_texts(loaded, written))


def test_bytes_are_counted_in_utf8() -> None:
    (row,) = rows(score(random_model("llama", tokenizer()), ["Füchse 🦊"]))
    assert row.num_bytes == len("Füchse 🦊") + 1 + 3


def test_an_empty_text_has_no_answer() -> None:
    for tok in (tokenizer(), beginning_tokenizer()):
        empty, full = rows(score(random_model("llama", tok), ["", "the fox"]))
        assert (empty.logprob, empty.num_bytes) == (None, 0)
        assert empty.unanswered == "the text is empty: there is nothing to predict"
        assert full.unanswered is None


@pytest.mark.parametrize("max_rows", [1, 3, 32])
def test_the_size_of_batches_changes_no_number(max_rows: int) -> None:
    loaded = random_model("llama", tokenizer())
    written = [STORY[:length] for length in (1, 40, 41, 300, 800)]
    expected = [row.logprob for row in rows(score(loaded, written))]
    assert_equal(rows(score(loaded, written, max_rows)), [value for value in expected if value is not None])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_leaves_its_neighbours_alone(value: float) -> None:
    loaded = random_model("llama", tokenizer())
    clean = [row.logprob for row in rows(score(loaded, ["the fox", "an ox or a dog"]))]
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[loaded.tokenizer.convert_tokens_to_ids("<|user|>"), 3] = value
    one, broken, two = rows(score(loaded, ["the fox", "the <|user|> fox", "an ox or a dog"]))
    assert broken.logprob is None
    assert "log-probability of the text is nan" in str(broken.unanswered)
    assert [one.logprob, two.logprob] == pytest.approx(clean, abs=1e-4)


def test_counts_of_a_case_worked_by_hand() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    counts = score(loaded, ["x" * 10, "y" * 8, "z" * (CONTEXT + 4)]).counts
    # Each token is predicted from the ones before it and the start: 10, 8, and windows of 256 and 256 for the last.
    assert counts.input_tokens == counts.computed_tokens == 10 + 8 + CONTEXT + CONTEXT
    # The windows are a batch; 8 are padded to 10.
    assert counts.padding_tokens == 2
    assert counts.projected_positions == 2 * 10 + 2 * CONTEXT


def test_units_hold_each_text_once_and_are_bounded() -> None:
    loaded = random_model("llama", tokenizer())
    requests = asked(["x" * (3000 * (i % 5) + 1) for i in range(700)])
    units = texts.plan(loaded, requests, range(700))
    assert sorted(index for unit in units for index in unit.requests) == list(range(700))
    lengths = [[len(requests[i].prompt) for i in unit.requests] for unit in units]
    assert all(len(unit) <= 256 and sum(unit) <= 1_000_000 for unit in lengths)
    assert [length for unit in lengths for length in unit] == sorted(len(request.prompt) for request in requests)
