"""The loss from hidden states equals the one from all logits, and never holds them."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
)

from components.train import documents, losses
from components.train.chunking import Blocks, Encoded, pack
from components.train.losses import LearnedLoss, cross_entropy
from components.train.mitigations.hooks import Measured

VOCABULARY, BLOCK = 60, 16
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.3, "bos_token_id": None,
    "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
ONE_KEY_EACH = {**SIZES, "num_key_value_heads": 4}


def llama(**fields: Any) -> Any:
    return LlamaForCausalLM(LlamaConfig(**{**SIZES, **fields}))


def gpt2() -> Any:
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.3,
        attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def gemma() -> Any:
    config = Gemma2Config(**SIZES, head_dim=8, sliding_window=64, final_logit_softcapping=3.0)
    return Gemma2ForCausalLM(config)


MODELS = {
    "gpt2, tied": (gpt2, True, True),
    "llama, tied": (lambda: llama(tie_word_embeddings=True), True, True),
    "llama, untied": (lambda: llama(tie_word_embeddings=False), True, True),
    "phi, bias in the head": (lambda: PhiForCausalLM(PhiConfig(**ONE_KEY_EACH)), True, True),
    "gemma, bent logits": (gemma, False, False),
    "granite, scaled logits": (lambda: GraniteForCausalLM(GraniteConfig(**SIZES, logits_scaling=3.0)), False, True),
    "cohere, scaled logits": (lambda: CohereForCausalLM(CohereConfig(**SIZES, logit_scale=0.1)), False, True),
    "mistral, a window shorter than a block": (
        lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=4)), True, False,
    ),
}  # fmt: skip
"""Name -> (how it is made, whether its head's product is its logits, whether documents may lie in one row)."""


def blocks(isolated: bool) -> Blocks:
    draw, made = random.Random(0), []
    for length in (5, 9, 3, 7, 12, 4, 11, 2, 40):
        tokens = [draw.randrange(1, VOCABULARY) for _ in range(length)]
        made.append(Encoded(tokens, [int(draw.random() < 0.5 and length < 40) for _ in tokens]))
    return pack(made, BLOCK, seed=0, isolated=isolated)


def logits_of_all(model: Any, batch: Blocks) -> Any:
    return model(input_ids=batch.tokens, position_ids=batch.positions, use_cache=False).logits


def plainly(model: Any, batch: Blocks, total: int) -> tuple[float, list[Any]]:
    wanted = batch.learned[:, 1:]
    said = logits_of_all(model, batch)[:, :-1][wanted].float()
    loss = torch.nn.functional.cross_entropy(said, batch.tokens[:, 1:][wanted], reduction="sum") / total
    loss.backward()
    return float(loss.detach()), gradients(model)


def gradients(model: Any) -> list[Any]:
    found = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    return found


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradients_are_those_of_all_logits(name: str, isolated: bool) -> None:
    make, says_logits, may_be_flat = MODELS[name]
    torch.manual_seed(0)
    model, batch = make().train(), blocks(isolated)
    total = int(batch.learned[:, 1:].sum())
    expected, slopes = plainly(model, batch, total)
    loss = LearnedLoss(model, isolated=isolated, block_tokens=BLOCK)
    assert (loss.selects, loss.fused, loss.flat) == (True, says_logits, isolated and may_be_flat)
    with loss.of(batch, total) as measured:
        assert measured is not None
        measured.loss.backward()
    assert float(measured.cross_entropy) == pytest.approx(expected, rel=1e-6)
    for ours, plain in zip(gradients(model), slopes, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


class Adapted(torch.nn.Module):
    """A head with something around it, as adapters put it there."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.more = inner, torch.nn.Linear(16, VOCABULARY, bias=False)

    @property
    def weight(self) -> Any:
        return self.inner.weight

    def forward(self, hidden: Any) -> Any:
        return self.inner(hidden) + self.more(hidden)


def test_a_head_with_an_adapter_is_computed_a_piece_at_a_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "PIECE_ROWS", 4)
    torch.manual_seed(0)
    model, batch = llama(tie_word_embeddings=False), blocks(True)
    model.set_output_embeddings(Adapted(model.get_output_embeddings()))
    expected, slopes = plainly(model, batch, 9)
    loss = LearnedLoss(model, isolated=True, block_tokens=BLOCK)
    assert loss.fused
    seen: list[int] = []
    model.get_output_embeddings().more.register_forward_hook(lambda *given: seen.append(given[2].numel()))
    with loss.of(batch, 9) as measured:
        assert measured is not None
        measured.loss.backward()
    assert max(seen) == 4 * VOCABULARY
    assert float(measured.cross_entropy) == pytest.approx(expected, rel=1e-6)
    for ours, plain in zip(gradients(model), slopes, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def test_many_documents_grouped_by_length_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(documents.MOST_CALLS, "cpu", 2)
    test_loss_and_gradients_are_those_of_all_logits("llama, untied", isolated=True)


def test_a_model_without_a_head_of_its_own_is_computed_the_plain_way() -> None:
    class Headless(LlamaForCausalLM):  # type: ignore[misc]
        def get_output_embeddings(self) -> None:
            return None

    torch.manual_seed(0)
    model, batch = Headless(LlamaConfig(**SIZES)), blocks(True)
    loss = LearnedLoss(model, isolated=True, block_tokens=BLOCK)
    assert not loss.selects
    expected, _ = plainly(model, batch, 7)
    with loss.of(batch, 7) as measured:
        assert measured is not None
        assert float(measured.cross_entropy) == pytest.approx(expected, rel=1e-6)


def test_bent_logits_are_noticed_even_where_they_are_all_zero() -> None:
    model = gemma()
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    assert not LearnedLoss(model, isolated=True, block_tokens=BLOCK).fused


class Largest(TorchDispatchMode):
    """The largest tensor made."""

    numel = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for part in made if isinstance(made, tuple | list) else (made,):
            if isinstance(part, torch.Tensor):
                self.numel = max(self.numel, part.numel())
        return made


def test_logits_exist_a_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "PIECE_ROWS", 4)
    hidden = torch.randn(40, 8, requires_grad=True)
    weight = torch.randn(1000, 8, requires_grad=True)
    with Largest() as seen:
        cross_entropy(hidden, weight, None, torch.arange(40), 1.0).sum().backward()
    assert seen.numel == 1000 * 8, "the weights' gradient; 4 x 1000 logits are less, 40 x 1000 would be more"


@pytest.mark.parametrize("piece", [1, 7, 100])
@pytest.mark.parametrize("biased", [True, False])
def test_cross_entropy_does_not_hang_on_the_pieces(monkeypatch: pytest.MonkeyPatch, piece: int, biased: bool) -> None:
    monkeypatch.setattr(losses, "PIECE_ROWS", piece)
    draw = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, generator=draw) for shape in ((20, 8), (30, 8), (30,)))
    targets = torch.randint(30, (20,), generator=draw)
    made = []
    for ours in (True, False):
        given = [part.clone().requires_grad_() for part in (hidden, weight, bias)]
        shift = given[2] if biased else None
        if ours:
            loss = 3.0 * cross_entropy(given[0], given[1], shift, targets, 0.5).sum()
        else:
            said = torch.nn.functional.linear(given[0], given[1], shift)
            loss = 1.5 * torch.nn.functional.cross_entropy(said, targets, reduction="sum")
        loss.backward()
        made.append([loss.detach(), *(part.grad for part in given[: 2 + biased])])
    for one, other in zip(*made, strict=True):
        torch.testing.assert_close(one, other)


def test_frozen_weights_get_no_gradient() -> None:
    hidden, weight = torch.randn(4, 8, requires_grad=True), torch.randn(9, 8)
    cross_entropy(hidden, weight, None, torch.arange(4), 1.0).sum().backward()
    assert weight.grad is None
    assert hidden.grad is not None


def test_another_objective_gets_the_models_own_logits_in_the_order_of_the_blocks() -> None:
    torch.manual_seed(0)
    model, batch, given = llama(), blocks(True), []

    def objective(rows: Blocks, logits: Any, targets: Any) -> Measured:
        given.extend((rows, logits, targets, logits_of_all(model, rows)))
        return Measured(logits.sum(), torch.tensor(30.0))

    loss = LearnedLoss(model, isolated=True, block_tokens=BLOCK, objective=objective)
    with loss.of(batch, 10) as measured:
        assert measured is not None
        assert float(measured.cross_entropy) == 3.0
        assert float(measured.loss.detach()) == pytest.approx(float(given[1].detach().sum()) / 10, rel=1e-5)
    wanted = batch.learned[:, 1:]
    assert all(torch.equal(part, own) for part, own in zip(given[0], batch, strict=True))
    assert torch.equal(given[2], batch.tokens[:, 1:][wanted])
    torch.testing.assert_close(given[1], given[3][:, :-1][wanted])


def test_a_part_that_teaches_nothing_is_not_computed() -> None:
    batch = blocks(True)
    loss = LearnedLoss(llama(), isolated=True, block_tokens=BLOCK)
    with loss.of(batch._replace(learned=torch.zeros_like(batch.learned)), 1) as measured:
        assert measured is None
    assert loss.work.computed == 0


def test_the_model_is_its_old_self_afterwards_even_when_a_pass_fails() -> None:
    model, batch = llama(), blocks(True)
    model.train()
    loss = LearnedLoss(model, isolated=True, block_tokens=BLOCK)
    assert model.training
    before = logits_of_all(model, batch)
    broken = batch._replace(tokens=batch.tokens + VOCABULARY)
    with pytest.raises(IndexError), loss.of(broken, 1):
        pass
    assert "forward" not in loss.head.__dict__
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(logits_of_all(model, batch), before)
