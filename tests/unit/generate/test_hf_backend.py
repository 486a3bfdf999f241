import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Completion, Request
from components.generate.hf.engine import HfBackend

SHOTS = "Question: what jumps? Answer: the fox\nQuestion: what is lazy? Answer: the dog\n"
QUESTIONS = [
    "Question: what is it? Answer:",
    "Question: who? Answer:",
    "Question: the quick brown fox or an ox? Answer:",
]


def completions(temperature: float = 0.0, **changes: Any) -> list[Request]:
    return [
        Request(
            id=str(i),
            kind="completion",
            prompt=SHOTS + q,
            max_tokens=12 + i,
            temperature=temperature,
            seed=i,
            **changes,
        )
        for i, q in enumerate(QUESTIONS)
    ]


def texts(backend: HfBackend, requests: list[Request]) -> list[str]:
    return [row.text for row in backend.answer(requests, "m").completions]


@pytest.fixture(scope="module")
def backend(checkpoint: Path) -> HfBackend:
    return HfBackend(checkpoint)


def test_greedy_text_equals_transformers_generate(checkpoint: Path, backend: HfBackend) -> None:
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    for request, text in zip(completions(), texts(backend, completions()), strict=True):
        ids = tokenizer(request.prompt, return_tensors="pt").input_ids
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=request.max_tokens, do_sample=False
        )
        assert text == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_does_not_depend_on_its_batch(checkpoint: Path, temperature: float) -> None:
    together = texts(HfBackend(checkpoint), completions(temperature))
    alone = [texts(HfBackend(checkpoint, batch_size=1), [request])[0] for request in completions(temperature)]
    assert together == alone


def test_another_seed_gives_another_sample(backend: HfBackend) -> None:
    one, two = completions(1.0), [r.model_copy(update={"seed": r.seed + 100}) for r in completions(1.0)]
    assert texts(backend, one) == texts(backend, one)
    assert texts(backend, one) != texts(backend, two)


def test_samples_follow_the_models_distribution(backend: HfBackend) -> None:
    asked = [
        Request(id=str(i), kind="completion", prompt="Question:", max_tokens=1, temperature=1.0, seed=i)
        for i in range(4000)
    ]
    tokens = [backend.tokenizer.encode(t, add_special_tokens=False)[:1] for t in texts(backend, asked)]
    with torch.inference_mode():
        ids = torch.tensor([backend.tokenizer.encode("Question:", add_special_tokens=False)])
        shares = backend.model(ids).logits[0, -1].softmax(-1)
    top = int(shares.argmax())
    found = sum(t == [top] for t in tokens) / len(tokens)
    assert found == pytest.approx(float(shares[top]), abs=4 * (0.25 / 4000) ** 0.5)


def test_a_stop_string_ends_the_text_before_it(backend: HfBackend) -> None:
    (whole, *_) = backend.answer(completions(), "m").completions
    stop = whole.text[4:6]
    (cut, *_) = backend.answer(completions(stop=(stop,)), "m").completions
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert (whole.finish, cut.finish) == ("length", "stop")
    assert cut.num_tokens is not None
    assert cut.num_tokens < 12


def test_the_end_token_ends_the_text(backend: HfBackend) -> None:
    asked = [
        Request(id=str(i), kind="completion", prompt="the", max_tokens=200, temperature=3.0, seed=i) for i in range(40)
    ]
    rows: list[Completion] = backend.answer(asked, "m").completions
    ended = [row for row in rows if row.finish == "stop"]
    assert ended
    assert all("<|end|>" not in row.text for row in rows)


def test_a_chat_request_is_wrapped_in_the_template(backend: HfBackend) -> None:
    asked = Request(id="1", kind="completion", prompt="who jumps", max_tokens=5, chat=True)
    raw = Request(id="1", kind="completion", prompt="<|user|>who jumps<|assistant|>", max_tokens=5)
    assert texts(backend, [asked]) == texts(backend, [raw])


def test_a_chat_request_without_template_is_refused(checkpoint: Path) -> None:
    bare = HfBackend(checkpoint)
    bare.tokenizer.chat_template = None
    with pytest.raises(TouchstoneError, match="no chat template"):
        bare.answer([Request(id="1", kind="completion", prompt="x", max_tokens=1, chat=True)], "m")


def test_a_prompt_beyond_the_context_is_refused(backend: HfBackend) -> None:
    with pytest.raises(TouchstoneError, match="needs 502 tokens"):
        backend.answer([Request(id="1", kind="completion", prompt="fox " * 400, max_tokens=100)], "m")


def test_a_folder_without_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="cannot be loaded"):
        HfBackend(tmp_path)


def test_a_checkpoint_with_missing_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    weights = load_file(broken / "model.safetensors")
    gone = next(name for name in weights if "ln" in name or "norm" in name)
    save_file({k: v for k, v in weights.items() if k != gone}, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TouchstoneError, match="lacks the weights of"):
        HfBackend(broken)


def test_damaged_weights_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    (broken / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(TouchstoneError, match="cannot be loaded"):
        HfBackend(broken)
