"""Documents of one block do not read each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM

from components.contracts.errors import TouchstoneError
from components.train.chunking import Encoded, pack
from components.train.isolation import check_isolation

VOCABULARY = 60


def llama() -> Any:
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def gpt2() -> Any:
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.3,
        attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def documents() -> list[Encoded]:
    draw = torch.Generator().manual_seed(0)
    lengths = (5, 9, 3, 7)
    return [Encoded(torch.randint(1, VOCABULARY, (n,), generator=draw).tolist(), [1] * n) for n in lengths]


@pytest.mark.parametrize("make", [llama, gpt2])
def test_a_document_says_in_a_block_what_it_says_alone(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    blocks = pack(documents(), 24, seed=0)
    check_isolation(model, blocks)
    with torch.no_grad():
        together = model(input_ids=blocks.tokens, position_ids=blocks.positions, use_cache=False).logits[0]
        begins = [at for at in range(24) if blocks.positions[0, at] == 0]
        for start, end in zip(begins, [*begins[1:], 24], strict=True):
            alone = model(input_ids=blocks.tokens[:, start:end]).logits[0]
            torch.testing.assert_close(together[start:end], alone, atol=1e-5, rtol=1e-4)


def test_an_architecture_that_reads_across_documents_is_refused() -> None:
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=VOCABULARY, hidden_size=16, state_size=4, num_hidden_layers=2, expand=2)
    with pytest.raises(TouchstoneError, match="reads across") as raised:
        check_isolation(MambaForCausalLM(config), pack(documents(), 24, seed=0))
    assert "isolated: false" in str(raised.value.remedy)


def test_blocks_of_one_document_each_need_no_check() -> None:
    config = MambaConfig(vocab_size=VOCABULARY, hidden_size=16, state_size=4, num_hidden_layers=1)
    check_isolation(MambaForCausalLM(config), pack([Encoded(list(range(1, 9)), [1] * 8)], 8, seed=0))
