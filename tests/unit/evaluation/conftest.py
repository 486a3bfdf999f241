from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.unit.generate.conftest import tokenizer


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three small random models; the base has no chat template."""
    found = {}
    for seed, role in enumerate(("base", "imitator", "target")):
        torch.manual_seed(seed)
        tok = tokenizer()
        if role == "base":
            tok.chat_template = None
        config = GPT2Config(
            vocab_size=len(tok), n_positions=1024, n_embd=16, n_layer=1, n_head=2, initializer_range=0.3,
            bos_token_id=None, eos_token_id=tok.eos_token_id,
        )  # fmt: skip
        folder = tmp_path_factory.mktemp(role)
        GPT2LMHeadModel(config).save_pretrained(folder)
        tok.save_pretrained(folder)
        found[role] = folder
    return found
