"""The study's optimizer against the optax chain it was written as (recorded; see the file's fields)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.train.optimizers import AdamwParameterScaled, clip_by_global_norm

RECORD = json.loads((Path(__file__).parents[2] / "golden" / "optimizers" / "optax_chain.json").read_text())


def draws() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Parameters and gradients as the recording drew them."""
    rng = np.random.default_rng(RECORD["seed"])
    params = {
        "matrix": rng.normal(0, 0.05, (4, 3)),
        "vector": rng.normal(0, 1, (5,)),
        "zeros": np.zeros(3),
        "large": rng.normal(0, 20, (2, 2)),
    }
    sizes = dict(zip(params, (0.01, 1, 0.5, 3), strict=True))
    grads = [{k: rng.normal(0, sizes[k], v.shape) for k, v in params.items()} for _ in range(RECORD["steps"])]
    return params, grads


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
def test_a_hundred_steps_equal_the_optax_chain(dtype: torch.dtype, tolerance: float) -> None:
    drawn, grads = draws()
    params = {name: torch.nn.Parameter(torch.tensor(value, dtype=dtype)) for name, value in drawn.items()}
    optimizer = AdamwParameterScaled(params.values(), lr=RECORD["peak"])
    for step, given in enumerate(grads, 1):
        for name, p in params.items():
            p.grad = torch.tensor(given[name], dtype=dtype)
        clip_by_global_norm(params.values(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = RECORD["peak"] * min(1.0, step / RECORD["warmup_steps"])
        optimizer.step()
        for name, wanted in RECORD["parameters_after"].get(str(step), {}).items():
            found = params[name].detach().numpy().ravel()
            np.testing.assert_allclose(
                found, wanted, rtol=tolerance, atol=tolerance * 1e-3, err_msg=f"{name} after {step} steps"
            )


def test_a_step_is_as_large_as_the_parameter_it_changes() -> None:
    moved = []
    for size in (1.0, 100.0):
        p = torch.nn.Parameter(torch.full((8,), size))
        p.grad = torch.ones(8)
        AdamwParameterScaled([p], lr=1e-2, weight_decay=0.0).step()
        moved.append(float((size - p.detach()).mean()) / size)
    assert moved[0] == pytest.approx(moved[1], rel=1e-4)
    assert moved[0] == pytest.approx(1e-3, rel=1e-3)  # a tenth of the rate: the first step of a momentum of 0.9


def test_small_gradients_are_not_scaled_up_and_large_ones_exactly_down() -> None:
    small, large = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.zeros(4))
    small.grad = torch.full((4,), 0.1)
    assert float(clip_by_global_norm([small], 1.0)) == pytest.approx(0.2)
    assert small.grad.tolist() == pytest.approx([0.1] * 4)
    large.grad = torch.full((4,), 3.0)
    clip_by_global_norm([large], 1.0)
    assert float(large.grad.norm()) == pytest.approx(1.0, abs=1e-7)
