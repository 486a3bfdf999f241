from collections.abc import Callable
from typing import Any

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.tokens import context_limit, encode, scored_choices, start_token
from tests.unit.generate.architectures import beginning_tokenizer, bytes_tokenizer, random_model, reference
from tests.unit.generate.conftest import tokenizer

TEXTS = ["", " ", "the fox", " the fox", "<s>the fox", "<s> <s>", "x<s>", "<|end|>the fox", "<|user|>who", "fox\n\n"]
PAIRS = [
    ("the quick", " brown fox"),
    ("the quick br", "own fox"),
    ("the quick ", "brown fox"),
    ("the quick\n\n", "brown"),
    ("Answer:", " A"),
    ("Answer: ", " A"),
    ("<s>Answer:", " A"),
    ("<|end|>", "A"),
    ("", "the fox"),
    ("", "<s>the fox"),
    ("", "<|end|>the fox"),
    ("", " A"),
]


@pytest.fixture(scope="module", params=[tokenizer, beginning_tokenizer, bytes_tokenizer])
def loaded(request: pytest.FixtureRequest) -> LoadedModel:
    make: Callable[[], Any] = request.param
    return random_model("llama", make())


def test_texts_are_begun_as_lm_eval_begins_them(loaded: LoadedModel) -> None:
    harness = reference(loaded)
    assert encode(loaded, TEXTS) == [harness.tok_encode(text) for text in TEXTS]


def test_choices_are_cut_from_their_prompts_where_lm_eval_cuts_them(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = reference(loaded)
    seen: list[Any] = []
    # What lm_eval's loglikelihood hands to the model, in place of handing it on.
    monkeypatch.setattr(harness, "_loglikelihood_tokens", lambda requests, **_: seen.extend(requests))
    from lm_eval.api.instance import Instance

    harness.loglikelihood([Instance("loglikelihood", {}, pair, 0) for pair in PAIRS], disable_tqdm=True)
    found = scored_choices(
        loaded, [Request(id=str(i), kind="choice", prompt=p, choices=(c,)) for i, (p, c) in enumerate(PAIRS)]
    )
    assert [(list(item.context), list(item.continuation)) for item in found] == [tuple(made[1:]) for made in seen]


def test_no_warning_is_given_of_a_text_beyond_the_context(
    loaded: LoadedModel, recwarn: pytest.WarningsRecorder
) -> None:
    assert len(encode(loaded, ["fox " * 400])[0]) > context_limit(loaded)
    assert not recwarn.list


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt", "bloom", "mamba", "gptj"])
def test_the_context_limit_is_lm_evals(name: str) -> None:
    loaded = random_model(name, tokenizer())
    assert context_limit(loaded) == reference(loaded).max_length


def test_a_tokenizer_that_names_a_limit_is_believed_where_the_model_names_none() -> None:
    fast = tokenizer()
    fast.model_max_length = 77
    loaded = random_model("mamba", fast)
    assert context_limit(loaded) == reference(loaded).max_length == 77


def test_a_tokenizer_without_any_special_token_is_refused_where_one_is_needed() -> None:
    fast = bytes_tokenizer()
    fast.eos_token = None
    loaded = LoadedModel(random_model("llama", bytes_tokenizer()).model, fast, random_model("llama", fast).device)
    with pytest.raises(TouchstoneError, match="neither a beginning nor an end token"):
        start_token(loaded)


def test_a_chat_without_template_is_refused() -> None:
    loaded = random_model("llama", bytes_tokenizer())
    with pytest.raises(TouchstoneError, match="no chat template"):
        scored_choices(loaded, [Request(id="1", kind="choice", prompt="x", chat=True, choices=(" A",))])
