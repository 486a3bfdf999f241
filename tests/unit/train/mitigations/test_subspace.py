"""Orthogonal-subspace fine-tuning against its definition: the update is zero on the frozen directions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

from components.train.mitigations.subspace import LowPart, Subspace
from components.train.models import load
from components.train.optimizers import AdamwParameterScaled
from tests.unit.train.mitigations.runs import trained, weights

RATIO = 0.25


def frozen(weight: Any, ratio: float) -> tuple[Any, Any]:
    """The frozen directions by another road: eigenvectors of W W^T and W^T W, in fp64."""
    exact = weight.double()
    size = min(exact.shape)
    kept = int(size * (1 - ratio) + 1e-9)
    left, right = torch.linalg.eigh(exact @ exact.T)[1], torch.linalg.eigh(exact.T @ exact)[1]
    return left[:, -kept:], right[:, -kept:]


def split_names(model: Any) -> list[str]:
    return [name for name in model if name.endswith("_proj.weight")]


@pytest.mark.parametrize("optimizer", ["adamw", "adamw_parameter_scaled"])
def test_the_update_is_zero_on_the_frozen_directions_and_only_there(base: Path, tmp_path: Path, optimizer: str) -> None:
    trained(base, tmp_path, {"unfreeze_rank_ratio": RATIO}, optimizer=optimizer, epochs=6, weight_decay=0.01)
    before, after = weights(base), weights(tmp_path / "out")
    assert len(split_names(before)) == 7
    for name in split_names(before):
        update = (after[name] - before[name]).double()
        left, right = frozen(before[name], RATIO)
        assert update.norm() > 1e-2 * before[name].norm() * RATIO, f"{name} learns"
        assert (left.T @ update).norm() < 1e-4 * update.norm(), name
        assert (update @ right).norm() < 1e-4 * update.norm(), name


def test_without_the_projection_after_a_step_it_would_not_be(base: Path) -> None:
    # AdamW divides entry by entry; a projected gradient alone is turned back into the frozen directions.
    def drift(project: bool) -> float:
        torch.manual_seed(0)
        layer = torch.nn.Linear(12, 8, bias=False)
        model = torch.nn.Module()
        model.layer = layer
        model.get_output_embeddings = lambda: None  # type: ignore[assignment]
        before = layer.weight.detach().clone()
        subspace = Subspace(model, RATIO)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
        if project:
            subspace.attach(optimizer)
        draw = torch.Generator().manual_seed(1)
        for _ in range(20):
            (layer(torch.randn(4, 12, generator=draw)) - torch.randn(4, 8, generator=draw)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        left, _ = frozen(before, RATIO)
        update = (layer.weight.detach() - before).double()
        return float((left.T @ update).norm() / update.norm())

    assert drift(project=True) < 1e-5
    assert drift(project=False) > 1e-2


def test_gradients_of_the_factors_are_the_projected_ones_of_autograd() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(12, 8, bias=False).double()
    model = torch.nn.Module()
    model.layer = layer
    model.get_output_embeddings = lambda: None  # type: ignore[assignment]
    weight = layer.weight.detach().clone()
    Subspace(model, RATIO)
    x, wanted = torch.randn(5, 12, dtype=torch.float64), torch.randn(5, 8, dtype=torch.float64)
    (layer(x) - wanted).square().sum().backward()
    made = layer.parametrizations.weight
    left, scale, right = (getattr(made, f"original{n}") for n in range(3))
    d_weight = 2 * (x @ weight.T - wanted).T @ x
    keeps_left, keeps_right = frozen(weight, RATIO)
    d_left = d_weight @ right.detach().T * scale.detach()
    d_right = scale.detach()[:, None] * (left.detach().T @ d_weight)
    assert torch.allclose(left.grad, d_left - keeps_left @ (keeps_left.T @ d_left), atol=1e-10)
    assert torch.allclose(right.grad, d_right - (d_right @ keeps_right) @ keeps_right.T, atol=1e-10)
    assert torch.allclose(scale.grad, (left.detach() * (d_weight @ right.detach().T)).sum(0), atol=1e-10)


@pytest.mark.parametrize(("shape", "ratio", "num_trained"), [((8, 12), 0.25, 2), ((12, 8), 0.3, 3), ((8, 8), 1e-3, 1)])
def test_the_smallest_directions_are_trained_and_their_number_follows_the_ratio(
    shape: tuple[int, int], ratio: float, num_trained: int
) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    part = LowPart(weight, ratio)
    left, scale, right = part.right_inverse(weight)
    assert torch.allclose(scale, torch.linalg.svdvals(weight)[-num_trained:], rtol=1e-5)
    assert torch.allclose(part(left, scale, right), weight, atol=1e-6)


def test_nothing_frozen_is_plain_training_bit_for_bit(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path / "plain", {})
    trained(base, tmp_path / "all", {"unfreeze_rank_ratio": 1.0})
    files = [(tmp_path / name / "out" / "model.safetensors").read_bytes() for name in ("plain", "all")]
    assert files[0] == files[1]


def test_the_checkpoint_is_a_plain_dense_model(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path, {"unfreeze_rank_ratio": RATIO})
    assert set(load_file(tmp_path / "out" / "model.safetensors")) == set(load_file(base / "model.safetensors"))


def test_embeddings_output_and_norms_are_trained_as_ever(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path, {"unfreeze_rank_ratio": RATIO})
    before, after = weights(base), weights(tmp_path / "out")
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_gpt2_whose_matrices_lie_the_other_way_is_split_too() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    subspace = Subspace(model, RATIO)
    optimizer = AdamwParameterScaled(model.parameters(), 0.1)
    subspace.attach(optimizer)
    ids = torch.arange(8)[None]
    for _ in range(5):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    subspace.dense()
    after = model.state_dict()
    assert set(after) == set(before)
    name = "transformer.h.0.mlp.c_fc.weight"
    left, right = frozen(before[name], RATIO)
    update = (after[name] - before[name]).double()
    assert update.norm() > 0
    assert (left.T @ update).norm() < 1e-4 * update.norm()
    assert (update @ right).norm() < 1e-4 * update.norm()


def test_a_split_model_says_what_it_said_before(base: Path) -> None:
    model, _ = load(base)
    ids = torch.arange(10)[None]
    with torch.no_grad():
        before = model(input_ids=ids).logits
        Subspace(model, RATIO)
        assert torch.allclose(model(input_ids=ids).logits, before, atol=1e-5)
