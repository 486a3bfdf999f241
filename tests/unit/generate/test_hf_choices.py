import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from components.contracts.errors import TouchstoneError
from components.contracts.rows import ChoiceScore, Request
from components.generate.hf import can_share, choices, packed_attention
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.work import Done
from tests.unit.generate.architectures import (
    CONTEXT,
    beginning_tokenizer,
    bytes_tokenizer,
    random_model,
    reference_choices,
)
from tests.unit.generate.conftest import tokenizer

SHOTS = "Question: what jumps? Answer: the fox\nQuestion: what is lazy? Answer: the dog\n"
QUESTIONS = ("what is it?", "who?", "the quick brown fox or an ox?", "who?", "is it one, or two?")
OPTIONS = (" a dog", " the quick fox", " one", " A", " B", " one two")
SHARING = ("gpt2", "llama", "qwen3", "gpt_neox", "opt", "gemma2")
MORE_SHARING = ("qwen2", "phi3", "cohere", "granite", "mixtral", "deepseek_v3")
WHOLE = ("mistral_window", "mamba")
MORE_WHOLE = ("gpt_oss", "bloom", "gptj")
LETTERS = (" A", " B", " C", " D")


def asked(options: tuple[str, ...] = OPTIONS) -> list[Request]:
    prompts = [f"{SHOTS}Question: {question} Answer:" for question in QUESTIONS]
    prompts += ["", f"{SHOTS}Question: who? Answer: ", "Unlike the others:"]
    return [Request(id=str(i), kind="choice", prompt=p, choices=options) for i, p in enumerate(prompts)]


def score(loaded: LoadedModel, requests: Sequence[Request], max_rows: int = 0) -> Done:
    return choices.run(loaded, requests, "m", max_rows)


def values(done: Done) -> list[tuple[float, ...]]:
    return [row.logprobs for row in done.answers if isinstance(row, ChoiceScore)]


def assert_equal(found: Sequence[tuple[float, ...]], expected: Sequence[tuple[float, ...]]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
        assert max(range(len(one)), key=one.__getitem__) == max(range(len(other)), key=other.__getitem__)


@pytest.fixture(scope="module")
def llama() -> LoadedModel:
    return random_model("llama", tokenizer())


def check_parity(name: str) -> Done:
    loaded = random_model(name, tokenizer())
    done = score(loaded, asked())
    assert_equal(values(done), reference_choices(loaded, asked()))
    return done


@pytest.mark.parametrize("name", SHARING)
def test_logprobs_equal_lm_eval_and_the_prefix_is_read_once(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    counts = check_parity(name).counts
    assert counts.computed_tokens < counts.input_tokens / 3
    assert counts.padding_tokens == 0
    assert "whole" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_SHARING)
def test_logprobs_equal_lm_eval_on_more_architectures(name: str) -> None:
    counts = check_parity(name).counts
    assert counts.computed_tokens < counts.input_tokens / 3


@pytest.mark.parametrize("name", [*WHOLE, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE_WHOLE)])
def test_what_cannot_share_a_prefix_says_so_once_and_equals_lm_eval(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = random_model(name, tokenizer())
    first, second = score(loaded, asked()), score(loaded, asked())
    assert capsys.readouterr().err.count("which is slower") == 1
    assert first.answers == second.answers
    assert_equal(values(first), reference_choices(loaded, asked()))
    assert first.counts.computed_tokens > first.counts.input_tokens * 0.9


def test_a_window_longer_than_the_prompts_is_no_hindrance() -> None:
    loaded = random_model("mistral_window", tokenizer())
    short = [r.model_copy(update={"prompt": r.prompt[-60:]}) for r in asked()]
    counts = score(loaded, short).counts
    assert counts.padding_tokens == 0
    assert_equal(values(score(loaded, short)), reference_choices(loaded, short))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3"])
def test_logprobs_of_a_trained_model_equal_lm_eval(name: str) -> None:
    loaded = random_model(name, tokenizer())
    text = f"{SHOTS}Question: who? Answer: the dog\nQuestion: what is it? Answer: one two\n" * 2
    ids = torch.tensor([loaded.tokenizer(text)["input_ids"][:CONTEXT]])
    optimizer = torch.optim.AdamW(loaded.model.parameters(), lr=3e-3)
    for _ in range(150):
        loss = loaded.model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.3
    assert_equal(values(score(loaded, asked())), reference_choices(loaded, asked()))


@pytest.mark.parametrize("max_rows", [1, 3, 32])
@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_the_size_of_batches_changes_no_number(name: str, max_rows: int) -> None:
    loaded = random_model(name, tokenizer())
    together, apart = values(score(loaded, asked())), values(score(loaded, asked(), max_rows))
    differences = [abs(a - b) for one, other in zip(together, apart, strict=True) for a, b in zip(one, other)]  # noqa: B905
    best = [[max(range(len(row)), key=row.__getitem__) for row in rows] for rows in (together, apart)]
    assert max(differences) < 1e-4
    assert sum(a != b for a, b in zip(*best, strict=True)) == 0


def test_half_precision_shares_too() -> None:
    loaded = random_model("llama", tokenizer())
    exact = values(score(loaded, asked()))
    loaded.model.bfloat16()
    done = score(random_model("llama", tokenizer()), asked())
    half = score(loaded, asked())
    assert half.counts.computed_tokens == done.counts.computed_tokens
    for one, other in zip(values(half), exact, strict=True):
        assert one == pytest.approx(other, rel=0.1)


@pytest.mark.parametrize("name", ["gemma2", "deepseek_v3"])
def test_scores_held_in_pieces_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = random_model(name, tokenizer())
    whole = values(score(loaded, asked()))
    monkeypatch.setattr(packed_attention, "SCORES", 2000)
    assert_equal(values(score(loaded, asked())), whole)


def test_the_model_attends_as_before_afterwards(llama: LoadedModel) -> None:
    before = llama.model.config._attn_implementation
    score(llama, asked())
    assert llama.model.config._attn_implementation == before


def test_a_letter_of_two_tokens_equals_lm_eval() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    requests = [r.model_copy(update={"prompt": r.prompt[-90:], "choices": LETTERS}) for r in asked()]
    done = score(loaded, requests)
    # White space at the end of a prompt belongs to the choice.
    assert [row.num_tokens[0] for row in done.answers] == [3 if r.prompt.endswith(" ") else 2 for r in requests]  # type: ignore[union-attr]
    assert_equal(values(done), reference_choices(loaded, requests))


@pytest.mark.parametrize("begun", ["", "<s>"])
def test_a_beginning_token_is_put_where_lm_eval_puts_it(begun: str) -> None:
    loaded = random_model("llama", beginning_tokenizer())
    requests = [r.model_copy(update={"prompt": begun + r.prompt}) for r in asked()]
    assert_equal(values(score(loaded, requests)), reference_choices(loaded, requests))


def test_a_chat_is_not_begun_twice() -> None:
    loaded = random_model("llama", beginning_tokenizer())
    chat = Request(id="1", kind="choice", prompt="who jumps", chat=True, choices=LETTERS)
    raw = Request(id="1", kind="choice", prompt="<s><|user|>who jumps<|assistant|>", choices=LETTERS)
    done = score(loaded, [chat])
    assert values(done) == values(score(loaded, [raw]))
    assert_equal(values(done), reference_choices(loaded, [raw]))


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral_window"])
def test_what_is_too_long_loses_its_left_side_like_in_lm_eval(name: str) -> None:
    loaded = random_model(name, bytes_tokenizer())
    prompts = ["fox " * 70 + "ox:", "fox " * 50 + "ox:", "x" * CONTEXT, "x" * (CONTEXT - 1), "x" * (CONTEXT + 1)]
    requests = [Request(id=str(i), kind="choice", prompt=p, choices=(" A", " Bee")) for i, p in enumerate(prompts)]
    done = score(loaded, requests)
    assert_equal(values(done), reference_choices(loaded, requests))
    # 283 and 4 bytes, of which the last is predicted: 286 - 256 are cut. The others by hand in the same way.
    assert [row.cut_tokens for row in done.answers if isinstance(row, ChoiceScore)] == [30, 0, 3, 2, 4]


def test_a_choice_longer_than_the_context_has_no_answer_and_its_neighbour_has() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    long = Request(id="long", kind="choice", prompt="fox:", choices=(" A", " " + "x" * CONTEXT))
    done = score(loaded, [long, *asked(LETTERS)[-1:]])
    cut, whole = done.answers
    assert isinstance(cut, ChoiceScore)
    assert cut.logprobs == ()
    assert "longer than the model's context of 256 tokens" in str(cut.unanswered)
    assert_equal([whole.logprobs], reference_choices(loaded, asked(LETTERS)[-1:]))  # type: ignore[union-attr]


def test_a_choice_that_adds_no_token_is_refused_by_name(llama: LoadedModel) -> None:
    with pytest.raises(TouchstoneError, match="request 7: choice '' adds no token"):
        score(llama, [Request(id="7", kind="choice", prompt="the fox", choices=(" a", ""))])


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral_window"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_leaves_its_neighbours_alone(name: str, value: float) -> None:
    loaded = random_model(name, tokenizer())
    requests = asked()
    head = loaded.model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.clone())
    clean = values(score(loaded, requests))
    # A token that only one prompt holds.
    special = loaded.tokenizer.convert_tokens_to_ids("<|user|>")
    broken = requests[2].model_copy(update={"id": "broken", "prompt": f"{SHOTS}<|user|> Answer:"})
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[special, 3] = value
    *others, row = score(loaded, [*requests, broken]).answers
    assert isinstance(row, ChoiceScore)
    assert row.logprobs == ()
    assert "log-probability of choice ' a dog' is nan" in str(row.unanswered)
    for one, other in zip(others, clean, strict=True):
        assert one.logprobs == pytest.approx(other, abs=1e-4)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["llama", "mistral_window"])
def test_padding_brings_no_numbers_of_its_own(name: str) -> None:
    loaded = random_model(name, tokenizer())
    requests = asked()[:5]
    clean = values(score(loaded, requests))
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[loaded.tokenizer.pad_token_id] = math.nan
    assert_equal(values(score(loaded, requests)), clean)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinite_logits_are_no_answer(value: float) -> None:
    loaded = random_model("llama", tokenizer())
    (letter,) = loaded.tokenizer(" A", add_special_tokens=False)["input_ids"][-1:]
    head = loaded.model.lm_head
    head.bias = torch.nn.Parameter(torch.zeros(head.out_features))
    with torch.no_grad():
        head.bias[letter] = value
    rows = score(loaded, asked((" A", " one"))).answers
    assert all(row.unanswered and not row.logprobs for row in rows if isinstance(row, ChoiceScore))


def test_counts_of_a_case_worked_by_hand() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    beginning = "0123456789abcdefghij"
    requests = [
        Request(id=name, kind="choice", prompt=f"{beginning}{name}:", choices=(" A", " B")) for name in ("one", "three")
    ]
    score(loaded, requests)
    counts = score(loaded, requests).counts
    # Read alone: 24 + 1 and 26 + 1 bytes (of ' A' and ' B' only the space is read). Shared: 20, then 4 + 1 and 6 + 1.
    assert counts.input_tokens == 25 + 27
    assert counts.computed_tokens == 20 + 5 + 7
    assert counts.padding_tokens == 0
    # The prefix's last token and, of each row, the last of the question and the space.
    assert counts.projected_positions == 1 + 2 + 2
    # 2 layers of keys and values: 2 heads of 12 numbers of 4 bytes.
    assert counts.cache_bytes == 2 * 2 * 2 * 12 * 4 * 20


def test_counts_of_whole_prompts_worked_by_hand() -> None:
    loaded = random_model("mamba", bytes_tokenizer())
    requests = [Request(id=name, kind="choice", prompt=f"{name}:", choices=(" A", " B")) for name in ("one", "three")]
    counts = score(loaded, requests).counts
    # Rows of 5 and 7 bytes, padded to 7; places 3, 4 and 5, 6 are projected in both.
    assert (counts.input_tokens, counts.computed_tokens, counts.padding_tokens) == (12, 12, 2)
    assert (counts.projected_positions, counts.cache_bytes) == (8, 0)


def subjects(sizes: Sequence[int]) -> list[Request]:
    draw = random.Random(0)
    made = []
    for subject, size in enumerate(sizes):
        head = f"Questions about subject {'abcdef'[subject]}. " + f"{subject} is what it is. " * 10
        made += [
            Request(id=f"{subject}/{i}", kind="choice", prompt=f"{head}{draw.random()}:", choices=LETTERS)
            for i in range(size)
        ]
    draw.shuffle(made)
    return made


def test_units_hold_each_request_once_and_keep_subjects_together(llama: LoadedModel) -> None:
    requests = [*subjects([600, 30, 20]), Request(id="c", kind="completion", prompt="x", max_tokens=1)]
    positions = [i for i, request in enumerate(requests) if request.kind == "choice"]
    units = choices.plan(llama, requests, positions)
    assert sorted(index for unit in units for index in unit.requests) == positions
    held = [{requests[i].id.split("/")[0] for i in unit.requests} for unit in units]
    # The large one is halved; a half has room for the small ones.
    assert [len(unit.requests) for unit in units] == [300, 350]
    assert held == [{"0"}, {"0", "1", "2"}]
    assert choices.plan(llama, requests, positions) == units


def test_each_subject_of_a_unit_is_read_after_its_own_prefix() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    prompts = [f"{letter * 100}{i}:" for i in range(7) for letter in "xy"]
    requests = [Request(id=p, kind="choice", prompt=p, choices=LETTERS) for p in prompts]
    done = score(loaded, requests)
    assert_equal(values(done), reference_choices(loaded, requests))
    # 100 bytes once for each letter; of a prompt its number, colon and the choices' space.
    assert done.counts.computed_tokens == 2 * 100 + 14 * 3
    assert done.counts.input_tokens == 14 * 103


def test_options_of_several_tokens_share_their_question(llama: LoadedModel) -> None:
    options = tuple(f" the {a} {b}" for a, b in itertools.product(("fox", "ox"), ("one", "two")))
    request = Request(id="1", kind="choice", prompt="Question: what is it? Answer:", choices=options)
    counts = score(llama, [request]).counts
    question = len(llama.tokenizer(request.prompt)["input_ids"])
    assert [len(llama.tokenizer(option)["input_ids"]) for option in options] == [3] * 4
    # Of an option its first two tokens are read, and those are of two kinds.
    assert counts.input_tokens == 2 * (question + 2)
    assert counts.computed_tokens == question + 2 * 2
    assert_equal(values(score(llama, [request])), reference_choices(llama, [request]))


def test_no_requests_make_no_units(llama: LoadedModel) -> None:
    assert choices.plan(llama, [], []) == []
    unused: Any = score(llama, []).answers
    assert list(unused) == []


def test_long_prompts_that_share_nothing_are_cut_into_units_by_what_they_have_to_read() -> None:
    def asked(i: int, prompt: str) -> Request:
        return Request(id=str(i), kind="choice", prompt=prompt, choices=(" a", " b"))

    apart = [asked(i, f"{i:03d}" + "x" * 9_997) for i in range(100)]
    units = choices.plan(None, apart, range(100))  # type: ignore[arg-type]
    assert sorted(i for unit in units for i in unit.requests) == list(range(100))
    assert [len(unit.requests) for unit in units] == [25] * 4, "30 would fit; equal parts"
    alike = [asked(i, "x" * 9_997 + f"{i:03d}") for i in range(100)]
    (unit,) = choices.plan(None, alike, range(100))  # type: ignore[arg-type]
    assert len(unit.requests) == 100


@torch.inference_mode()
def test_memory_that_ends_while_a_model_is_tried_says_nothing_of_the_model() -> None:
    loaded, full = random_model("llama", tokenizer()), [True]

    def refuse(*_: object) -> None:
        if full:
            raise torch.OutOfMemoryError("CUDA out of memory")

    loaded.model.register_forward_pre_hook(refuse)
    with pytest.raises(torch.OutOfMemoryError):
        can_share.longest_shared(loaded, 100)
    full.clear()
    assert can_share.longest_shared(loaded, 100) == 100
