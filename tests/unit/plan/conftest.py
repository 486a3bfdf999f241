from pathlib import Path

import pytest
from transformers import GPT2Config, LlamaConfig


@pytest.fixture(scope="session")
def llama() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=1000,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=None,
        eos_token_id=0,
    )


@pytest.fixture(scope="session")
def gpt2() -> GPT2Config:
    return GPT2Config(vocab_size=1000, n_embd=128, n_layer=6, n_head=4, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0)


@pytest.fixture(scope="session")
def llama_folder(llama: LlamaConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "tiny-llama"
    llama.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def gpt2_folder(gpt2: GPT2Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "tiny-gpt2"
    gpt2.save_pretrained(folder)
    return folder
