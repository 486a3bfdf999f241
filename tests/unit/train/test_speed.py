"""What is told about a training's speed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from components.train.chunking import Encoded, pack
from components.train.loop import Training
from components.train.losses import LearnedLoss
from components.train.recipe import Recipe
from components.train.speed import Work, cost, peak, peak_of

BLOCK = 64


def llama(tied: bool) -> Any:
    config = LlamaConfig(
        vocab_size=500, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=24, tie_word_embeddings=tied, bos_token_id=None, eos_token_id=0,
        pad_token_id=0, attn_implementation="eager",
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.mark.parametrize("tied", [True, False])
def test_the_cost_is_what_torch_counts(tied: bool) -> None:
    model = llama(tied)
    blocks = pack([Encoded(list(range(1, BLOCK + 1)), [0] * 20 + [1] * (BLOCK - 20))], BLOCK, seed=0)
    loss = LearnedLoss(model, isolated=False, block_tokens=BLOCK)
    with FlopCounterMode(display=False) as counted, loss.of(blocks, 1) as measured:
        assert measured is not None
        measured.loss.backward()
    tokens = BLOCK - 1
    assert loss.work == Work(tokens, BLOCK - 20, tokens * (tokens + 1) // 2)
    # Under a mask all tokens x tokens are computed.
    whole = cost(model).of(loss.work._replace(attended=tokens * tokens))
    assert counted.get_total_flops() == pytest.approx(whole, rel=0.06)


def test_a_devices_peak_is_known_by_its_name_and_otherwise_not_told() -> None:
    assert peak_of("NVIDIA H100 PCIe", "bfloat16") == 756e12
    assert peak_of("NVIDIA H100 80GB HBM3", "bfloat16") == 989e12
    assert peak_of("NVIDIA A100-SXM4-80GB", "float32") == 19.5e12
    assert peak_of("a device of next year", "bfloat16") is None
    assert peak_of("NVIDIA L40", "bfloat16") is None, "not an L4"
    assert peak_of("Tesla T4", "bfloat16") is None, "it has no such arithmetic"
    assert peak_of("Tesla T4", "float32") == 8.1e12
    assert peak("cpu", "float32") is None


def test_a_training_tells_tokens_learned_tokens_memory_and_what_it_waited_for() -> None:
    documents = [Encoded(list(range(1, 41)), [0] * 10 + [1] * 30) for _ in range(8)]
    recipe = Recipe(block_tokens=BLOCK, batch_size=2, learning_rate=1e-3)
    training = Training(llama(True), pack(documents, BLOCK, seed=0), recipe, seed=0)
    training.run()
    found = training.speed.metrics()
    assert found["tokens_per_second"] > found["learned_tokens_per_second"] > 0
    assert found["computed_tokens"] == training.loss.work.computed < 8 * 40
    assert found["peak_memory_bytes"] > 2**20
    assert found["state_stall_share"] == 0.0
    assert "mfu" not in found or torch.cuda.is_available()
