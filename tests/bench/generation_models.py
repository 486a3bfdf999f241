"""A random Llama whose greedy texts end by themselves, at lengths nobody knows beforehand, and its tokenizer."""

import random
from pathlib import Path
from typing import Any

import torch

SHAPE = "random Llama (6 layers of 384, 6 heads on 2 of keys, 8k tokens)"


def words(count: int, seed: int) -> list[str]:
    """Made-up words with frequencies as in a natural text (Zipf)."""
    draw = random.Random(seed)
    syllables = [a + b for a in "bcdfghjklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "is", "on")]
    known = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(6000)]
    return draw.choices(known, weights=[1 / (rank + 10) for rank in range(len(known))], k=count)


def tokenizer(texts: list[str]) -> Any:
    """A byte-level BPE of 8192 tokens, trained on `texts`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>")


def save_model(folder: Path, tok: Any, louder: dict[int, float]) -> None:
    """Save a random model and its tokenizer.

    Args:
        folder: Where to.
        tok: The tokenizer.
        louder: Token -> factor of its output weights: the larger, the more often it is the likeliest.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tok),
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        # Wide enough that texts do not run in circles.
        initializer_range=0.08,
        eos_token_id=tok.eos_token_id,
        bos_token_id=None,
        pad_token_id=tok.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for token, factor in louder.items():
            model.lm_head.weight[token] *= factor
    model.generation_config.pad_token_id = tok.pad_token_id
    model.save_pretrained(folder)
    tok.save_pretrained(folder)


def ties(model: Any, prompt: list[int], ours: list[int], theirs: list[int], within: float = 1e-3) -> bool:
    """Whether two greedy texts part where the model's two likeliest tokens differ by less than `within`."""
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if at is None:
        return False
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + ours[:at]])).logits[0, -1]
    return abs(float(logits[ours[at]] - logits[theirs[at]])) < within
