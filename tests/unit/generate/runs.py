"""A tiny model and a list of requests that makes several units, for tests of what is around the kernels."""

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backend import Answers
from tests.unit.generate.conftest import tokenizer

MIXED_SIZES = (1, 2, 5, 9, 20)
"""Longest answers that the plan puts into units of their own."""


def save_llama(folder: Path, **changes: Any) -> Path:
    """A random Llama with its tokenizer."""
    torch.manual_seed(0)
    tok = tokenizer()
    shape: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    shape |= {
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "vocab_size": len(tok),
    }
    shape |= {"initializer_range": 0.3, "eos_token_id": tok.eos_token_id, "bos_token_id": None}
    model = LlamaForCausalLM(LlamaConfig(**{**shape, **changes}))
    model.generation_config.pad_token_id = tok.pad_token_id
    model.save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder


def mixed_requests(per_kind: int = 6) -> list[Request]:
    """Completions of unlike length, choices and whole texts, in turn: eight units."""
    made = []
    for number in range(per_kind):
        words = f"Question: what is {number}? The fox jumps over {'the lazy dog ' * (number % 3)}Answer:"
        for size in MIXED_SIZES:
            temperature = float(number % 2)
            asked = {"max_tokens": size, "seed": number, "temperature": temperature}
            made.append(Request(id=f"say {size} {number}", kind="completion", prompt=words, **asked))
        made.append(Request(id=f"weigh {number}", kind="choice", prompt=words, choices=(" a dog", " one", " the fox")))
        made.append(Request(id=f"text {number}", kind="text", prompt=words))
    return made


def by_id(answers: Answers) -> dict[str, Completion | ChoiceScore | TextScore]:
    found: dict[str, Completion | ChoiceScore | TextScore] = {row.prompt_id: row for row in answers.completions}
    return found | {row.request_id: row for row in (*answers.choice_scores, *answers.text_scores)}
