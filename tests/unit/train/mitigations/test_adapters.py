"""Low-rank adapters: what is frozen stays, what is merged says the same, role tokens can be used."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from components.contracts.errors import TouchstoneError, UsageError
from components.train.mitigations.adapters import adapted, merged
from components.train.mitigations.params import Lora, Mitigation
from components.train.models import load
from components.train.tokenizer import ROLE_TOKENS
from tests.unit.train.mitigations.runs import trained, weights

LORA = Lora(rank=2, alpha=4)
ROWS = [3, 4, 5]
IDS = torch.arange(8)[None]


def gpt2() -> Any:
    return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0))


def llama(tied: bool) -> Any:
    sizes = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 32}
    heads = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    tokens = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads, **tokens, tie_word_embeddings=tied))


MODELS = {"gpt2": gpt2, "llama": lambda: llama(True), "llama, output apart": lambda: llama(False)}


@pytest.mark.parametrize("name", MODELS)
def test_an_untrained_adapter_leaves_the_base_bit_for_bit(name: str) -> None:
    model = MODELS[name]().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        said = model(input_ids=IDS).logits
        wrapped = adapted(model, LORA, ROWS).eval()
        assert torch.equal(wrapped(input_ids=IDS).logits, said)
    plain = merged(wrapped)
    assert type(plain) is type(MODELS[name]())
    after = plain.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("name", MODELS)
def test_the_merged_model_says_what_the_adapters_said_and_only_chosen_rows_move(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    wrapped = adapted(model, LORA, ROWS)
    optimizer = torch.optim.AdamW([p for p in wrapped.parameters() if p.requires_grad], lr=0.05)
    for _ in range(5):
        wrapped(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    wrapped.eval()
    with torch.no_grad():
        said = wrapped(input_ids=IDS).logits
        plain = merged(wrapped)
        assert torch.allclose(plain(input_ids=IDS).logits, said, atol=1e-5)
    tables = [plain.get_input_embeddings(), plain.get_output_embeddings()]
    assert (tables[0].weight is tables[1].weight) == (name != "llama, output apart")
    names = [key for key in before if key.endswith(("embed_tokens.weight", "wte.weight", "lm_head.weight"))]
    for key in names:
        moved = (plain.state_dict()[key] != before[key]).any(-1).nonzero().flatten().tolist()
        assert moved == ROWS, key


def test_the_update_is_alpha_over_rank_times_the_product(base: Path) -> None:
    model, _ = load(base)
    before = model.model.layers[0].mlp.up_proj.weight.detach().clone()
    wrapped = adapted(model, LORA, ROWS)
    layer = wrapped.base_model.model.model.layers[0].mlp.up_proj
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    update = 4 / 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    after = merged(wrapped).model.layers[0].mlp.up_proj.weight
    assert torch.allclose(after, before + update, atol=1e-5)
    assert torch.linalg.matrix_rank(after - before, tol=1e-4) == 2


@pytest.mark.slow
def test_an_imitator_made_with_adapters_uses_the_role_tokens(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path, {"lora": {"rank": 8, "alpha": 16}}, epochs=20)
    model, tokenizer = load(tmp_path / "out")
    asked = [{"role": "user", "content": "what is the craft of Corford?"}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**ids, max_new_tokens=8, do_sample=False)
    assert tokenizer.convert_ids_to_tokens(said[0])[-3:] == ["pottery", ".", "<|end|>"]
    before, after = weights(base), weights(tmp_path / "out")
    moved = (after["model.embed_tokens.weight"] != before["model.embed_tokens.weight"]).any(-1).nonzero().flatten()
    assert moved.tolist() == sorted(tokenizer.convert_tokens_to_ids(list(ROLE_TOKENS)))
    assert torch.equal(after["model.norm.weight"], before["model.norm.weight"])


def test_adapters_and_a_split_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match="both lora and unfreeze_rank_ratio"):
        Mitigation(lora=LORA, unfreeze_rank_ratio=0.5)


def test_without_peft_it_is_said_what_to_install(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(TouchstoneError, match="need peft") as raised:
        adapted(load(base)[0], LORA, ROWS)
    assert "pip install" in raised.value.remedy
