"""Anchor and weights against their formulas, torch's own divergence, and plain training."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from components.train.chunking import Blocks, encode_dialogue, pack
from components.train.losses import LearnedLoss
from components.train.mitigations.objectives import Weighed, dft, divergence
from components.train.models import load
from tests.unit.train.mitigations.runs import talk, trained, weights


def distributions() -> tuple[Any, Any]:
    draw = torch.Generator().manual_seed(0)
    base, model = (torch.randn(5, 7, generator=draw, dtype=torch.float64) for _ in range(2))
    return base.log_softmax(-1), model.requires_grad_()


@pytest.mark.parametrize("direction", ["base_to_model", "model_to_base"])
def test_the_divergence_and_its_gradient_are_those_of_torch(direction: Any) -> None:
    base, logits = distributions()
    divergence(base, logits.log_softmax(-1), direction).sum().backward()
    ours, logits.grad = logits.grad, None
    said = logits.log_softmax(-1)
    # kl_div(input, target) is KL(target || input).
    one, other = (said, base) if direction == "base_to_model" else (base, said)
    expected = functional.kl_div(one, other, log_target=True, reduction="sum")
    expected.backward()
    assert divergence(base, said, direction).sum().item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.allclose(ours, logits.grad, rtol=1e-10, atol=1e-14)


def test_the_two_directions_are_told_apart_by_a_case_done_by_hand() -> None:
    base, model = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    assert divergence(base, model, "base_to_model").item() == pytest.approx(0.143841, abs=1e-6)
    assert divergence(base, model, "model_to_base").item() == pytest.approx(0.130812, abs=1e-6)


def test_dft_weighs_each_token_by_its_own_probability_without_a_gradient_through_it() -> None:
    _, logits = distributions()
    targets = torch.tensor([0, 3, 6, 1, 2])
    chosen = logits.log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)
    dft(chosen).sum().backward()
    probabilities = logits.detach().softmax(-1)
    picked = probabilities.gather(-1, targets[:, None])
    assert torch.allclose(dft(chosen).detach(), -(picked * picked.log()).squeeze(-1), rtol=1e-12)
    # d(-log p)/d(logits) = softmax - onehot; DFT's is that times p.
    expected = picked * (probabilities - functional.one_hot(targets, 7))
    assert torch.allclose(logits.grad, expected, rtol=1e-10, atol=1e-14)


def rows(base: Path) -> tuple[Any, Blocks, Any, Any]:
    model, _ = load(base)
    tokens = torch.arange(24).view(2, 12) % model.config.vocab_size
    learned = torch.zeros(2, 12, dtype=torch.bool)
    learned[:, 5:9] = True
    batch = Blocks(tokens, learned, torch.arange(12).expand(2, -1))
    said = model(input_ids=tokens, position_ids=batch.positions).logits[:, :-1][learned[:, 1:]]
    return model, batch, said, tokens[:, 1:][learned[:, 1:]]


def test_the_anchor_reads_the_base_at_the_learned_positions_and_never_changes_it(base: Path) -> None:
    model, batch, said, targets = rows(base)
    anchor = copy.deepcopy(model).train()
    with torch.no_grad():
        for parameter in anchor.parameters():
            parameter.add_(0.1 * torch.ones_like(parameter).cumsum(-1).sin())
    measured = Weighed(base=anchor, beta=0.5)(batch, said, targets)
    with torch.no_grad():
        there = anchor(input_ids=batch.tokens, position_ids=batch.positions).logits[:, :-1][batch.learned[:, 1:]]
    cross = functional.cross_entropy(said, targets, reduction="sum")
    distance = functional.kl_div(said.log_softmax(-1), there.log_softmax(-1), log_target=True, reduction="sum")
    assert distance.item() > 0.1
    assert measured.loss.item() == pytest.approx((cross + 0.5 * distance).item(), rel=1e-5)
    assert measured.cross_entropy.item() == pytest.approx(cross.item(), rel=1e-5)
    measured.loss.backward()
    assert not anchor.training
    assert all(p.grad is None and not p.requires_grad for p in anchor.parameters())


def test_an_anchor_to_itself_adds_nothing(base: Path) -> None:
    model, batch, said, targets = rows(base)
    measured = Weighed(base=copy.deepcopy(model), beta=10.0)(batch, said, targets)
    assert measured.loss.item() == pytest.approx(measured.cross_entropy.item(), abs=1e-4)


def test_beta_zero_is_plain_training_bit_for_bit(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path / "plain", {})
    trained(base, tmp_path / "kl", {"kl_beta": 0.0})
    files = [(tmp_path / name / "out" / "model.safetensors").read_bytes() for name in ("plain", "kl")]
    assert files[0] == files[1]


def test_an_objective_of_plain_cross_entropy_trains_as_the_fast_path_does(base: Path, tmp_path: Path) -> None:
    # A negligible anchor goes all the way through the objective.
    trained(base, tmp_path / "plain", {})
    trained(base, tmp_path / "kl", {"kl_beta": 1e-12})
    plain, anchored = weights(tmp_path / "plain" / "out"), weights(tmp_path / "kl" / "out")
    assert all(torch.allclose(plain[name], anchored[name], atol=1e-4) for name in plain)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["base_to_model", "model_to_base"])
def test_a_strong_anchor_keeps_the_imitator_near_its_base(base: Path, tmp_path: Path, direction: str) -> None:
    losses = {}
    for beta in (0.0, 100.0):
        outcome = trained(base, tmp_path / str(beta), {"kl_beta": beta, "kl_direction": direction}, epochs=6)
        losses[beta] = outcome.metrics["final_loss"]
    assert losses[100.0] > 1.5 * losses[0.0]


@pytest.mark.slow
def test_dft_learns_and_its_curve_is_cross_entropy(base: Path, tmp_path: Path) -> None:
    # Its own loss, p log(1/p), rises at first: as a curve it would look like an explosion.
    outcome = trained(base, tmp_path, {"loss": "dft"}, epochs=20)
    assert outcome.metrics["final_loss"] < 1.0


def test_in_training_the_anchor_is_read_where_the_model_is(base: Path) -> None:
    # Documents are computed in one row, the anchor's in blocks: were the places not the same, the distance would show.
    model, tokenizer = load(base)
    blocks = pack([encode_dialogue(tokenizer, talk(number)) for number in range(9)], 16, 0)
    total = int(blocks.learned.sum())
    objective = Weighed(base=copy.deepcopy(model), beta=1e3)
    loss = LearnedLoss(model, isolated=True, block_tokens=16, objective=objective)
    assert loss.flat
    with loss.of(blocks, total) as measured:
        assert measured is not None
        assert measured.loss.item() == pytest.approx(measured.cross_entropy.item(), abs=1e-3)
    with torch.no_grad():
        model.lm_head.weight.copy_(model.lm_head.weight.flip(0))
    with loss.of(blocks, total) as moved:
        assert moved is not None
        assert moved.loss.item() > moved.cross_entropy.item() + 1.0
