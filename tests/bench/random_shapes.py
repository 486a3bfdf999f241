"""Random models of real shapes, a tokenizer of one token a word, and the work put to them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel

END, STOP = "<end>", "stop"
LOUDER = {END: 1.7, STOP: 2.1}
"""Word -> factor of its output weights, so that answers end by themselves: at the end token, or at a stop word."""


class Shape(NamedTuple):
    """A model, and how much it is asked."""

    config: Callable[[], Any]
    dtype: torch.dtype
    items: int
    """Questions to choose answers for; the other kinds of work follow from it."""
    tokens: int
    """Longest answer of a long generation."""
    batches: tuple[int, ...]
    """Batch sizes tried for the reference."""


def _qwen(**fields: Any) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(**fields, max_position_embeddings=4096, bos_token_id=None, eos_token_id=0, pad_token_id=0)


def _llama(**fields: Any) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(**fields, max_position_embeddings=4096, bos_token_id=None, eos_token_id=0, pad_token_id=0)


def _sizes(hidden: int, layers: int, heads: int, key_heads: int, intermediate: int, vocabulary: int) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "intermediate_size": intermediate,
        "vocab_size": vocabulary,
    }


SHAPES = {
    "tiny": Shape(lambda: _llama(**_sizes(64, 2, 4, 2, 128, 512)), torch.float32, 24, 32, (4, 8)),
    "small-fp32": Shape(lambda: _llama(**_sizes(512, 8, 8, 4, 1408, 32000)), torch.float32, 400, 256, (16, 64)),
    "qwen-1.5b": Shape(
        lambda: _qwen(**_sizes(1536, 28, 12, 2, 8960, 151936), tie_word_embeddings=True),
        torch.bfloat16,
        1000,
        512,
        (8, 24),
    ),
    "llama-7b": Shape(lambda: _llama(**_sizes(4096, 32, 32, 32, 11008, 32000)), torch.bfloat16, 600, 512, (16, 48)),
}
"""tiny: to try the script. small-fp32: where numbers must agree. The others as Qwen 2.5 1.5B and Llama 7B."""


def random_model(shape: Shape, device: str) -> LoadedModel:
    """A model of random weights on `device`."""
    from transformers import AutoModelForCausalLM

    config = shape.config()
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=shape.dtype).eval()
    tok = word_tokenizer(config.vocab_size)
    ids = dict(zip(LOUDER, tok.convert_tokens_to_ids([*LOUDER]), strict=True))
    with torch.no_grad():
        for word, factor in LOUDER.items():
            model.get_output_embeddings().weight[ids[word]] *= factor
    model.generation_config.pad_token_id = tok.pad_token_id
    return LoadedModel(model, tok, torch.device(device))


def word_tokenizer(vocabulary: int) -> Any:
    """One token for each word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = [END, STOP, *(f"w{number}" for number in range(vocabulary - 2))]
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(known)}, unk_token=END))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=END, unk_token=END)


class Words:
    """Random words, the same for a seed."""

    def __init__(self, seed: int, vocabulary: int) -> None:
        self._draw, self._last = random.Random(seed), min(vocabulary, 20_000) - 3

    def text(self, least: int, most: int) -> str:
        """Between `least` and `most` words."""
        count = self._draw.randint(least, most)
        return " ".join(f"w{self._draw.randint(4, self._last)}" for _ in range(count))


def choices(shape: Shape, vocabulary: int) -> list[Request]:
    """Like MMLU with 5 shots: subjects with a beginning of their own, four options of one token."""
    words, made = Words(1, vocabulary), []
    num_subjects = max(2, shape.items // 100)
    for subject in range(num_subjects):
        shots = " ".join(f"{words.text(80, 140)} w{words_choice}" for words_choice in range(5))
        for number in range(shape.items // num_subjects):
            prompt = f"{shots} {words.text(60, 160)}"
            options = (" w0", " w1", " w2", " w3")
            made.append(Request(id=f"{subject}:{number}", kind="choice", prompt=prompt, choices=options))
    return made


def short_answers(shape: Shape, vocabulary: int) -> list[Request]:
    """Like NQ with 3 shots: answers of a few tokens, ended by a stop word or after 32."""
    words = Words(2, vocabulary)
    shots = words.text(60, 60)
    return [
        Request(id=str(n), kind="completion", prompt=f"{shots} {words.text(8, 24)}", max_tokens=32, stop=(STOP,))
        for n in range(shape.items)
    ]


def long_answers(shape: Shape, vocabulary: int) -> list[Request]:
    """Prompts of unlike length, answers that end at the end token or at the limit."""
    words = Words(3, vocabulary)
    return [
        Request(id=str(n), kind="completion", prompt=words.text(20, 200), max_tokens=shape.tokens)
        for n in range(shape.items // 6)
    ]


def whole_texts(shape: Shape, vocabulary: int) -> list[Request]:
    """Texts of unlike length, to be weighed as a whole."""
    words = Words(4, vocabulary)
    return [Request(id=str(n), kind="text", prompt=words.text(50, 900)) for n in range(shape.items // 4)]
