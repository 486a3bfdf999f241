"""bf16 arithmetic over fp32 weights; activations computed again."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from components.contracts.errors import TouchstoneError
from components.train.chunking import Blocks, Encoded, pack
from components.train.loop import Training
from components.train.losses import LearnedLoss, cross_entropy
from components.train.precision import arithmetic, recomputing
from components.train.recipe import Recipe

pytestmark = pytest.mark.slow  # left to make test

VOCABULARY, BLOCK = 50, 32


def llama() -> Any:
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(config)


def counting() -> Blocks:
    """Documents that count on from a number: easily learned."""
    documents = []
    for start in range(60):
        tokens = [1 + (start * 7 + place) % (VOCABULARY - 1) for place in range(6 + start % 9)]
        documents.append(Encoded(tokens, [0, *[1] * (len(tokens) - 1)]))
    return pack(documents, BLOCK, seed=0)


def trained(**fields: Any) -> Training:
    recipe = Recipe(learning_rate=1e-2, batch_size=4, block_tokens=BLOCK, epochs=8, **fields)
    training = Training(llama(), counting(), recipe, seed=0)
    training.run()
    return training


def test_bf16_follows_the_curve_of_fp32_and_keeps_weights_and_moments_in_fp32() -> None:
    exact, rounded = trained(), trained(precision="bfloat16")
    assert exact.losses[-1] < 0.2 * exact.losses[0]
    assert rounded.losses != exact.losses
    assert rounded.losses == pytest.approx(exact.losses, rel=0.05, abs=0.05)
    assert {p.dtype for p in rounded.model.parameters()} == {torch.float32}
    moments = [state[name] for state in rounded.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")]
    assert {moment.dtype for moment in moments} == {torch.float32}


def test_bf16_computes_products_in_bf16_and_sums_losses_in_fp32() -> None:
    draw = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(20, 8, generator=draw), torch.randn(30, 8, generator=draw)
    given = [part.clone().requires_grad_() for part in (hidden, weight)]
    with arithmetic("bfloat16", "cpu"):
        loss = cross_entropy(given[0], given[1], None, torch.arange(20), 1.0)
    loss.sum().backward()
    said = (hidden.bfloat16() @ weight.bfloat16().t()).float()
    expected = torch.nn.functional.cross_entropy(said, torch.arange(20), reduction="sum")
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-6)
    assert loss.dtype == given[0].grad.dtype == given[1].grad.dtype == torch.float32


def test_a_device_without_bf16_is_refused_by_name() -> None:
    with pytest.raises(TouchstoneError, match=r"precision bfloat16.*mps") as raised:
        arithmetic("bfloat16", "mps")
    assert "precision: float32" in str(raised.value.remedy)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_has_no_bf16() -> None:
    with pytest.raises(TouchstoneError, match="bfloat16"):
        arithmetic("bfloat16", "cuda")


def test_computing_again_gives_the_same_bits() -> None:
    plain, again = trained(), trained(recompute=True)
    assert again.losses == plain.losses
    for one, other in zip(plain.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not again.model.is_activation_checkpointing, "the model is left as it was"


def kept_bytes(recompute: bool) -> int:
    """Of activations that wait for the backward pass."""
    model, blocks, kept = llama().train(), counting(), 0
    weights = {p.data_ptr() for p in model.parameters()}

    def pack_hook(tensor: Any) -> Any:
        nonlocal kept
        kept += 0 if tensor.data_ptr() in weights else tensor.numel() * tensor.element_size()
        return tensor

    loss = LearnedLoss(model, isolated=True, block_tokens=BLOCK)
    with recomputing(model, recompute), torch.autograd.graph.saved_tensors_hooks(pack_hook, lambda tensor: tensor):  # noqa: SIM117
        with loss.of(blocks, 1) as measured:
            assert measured is not None
    return kept


def test_computing_again_keeps_far_less() -> None:
    assert kept_bytes(True) < 0.3 * kept_bytes(False)


def test_an_architecture_that_cannot_compute_again_is_told() -> None:
    class Old(LlamaForCausalLM):  # type: ignore[misc]
        supports_gradient_checkpointing = False

    with pytest.raises(TouchstoneError, match="Old") as raised, recomputing(Old(llama().config), True):
        pass
    assert "rows_at_once" in str(raised.value.remedy)
