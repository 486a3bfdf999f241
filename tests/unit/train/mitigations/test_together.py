"""Mitigations with the recipe's other ways of computing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.train.mitigations.runs import trained


@pytest.mark.parametrize("mitigation", [{"kl_beta": 0.5}, {"unfreeze_rank_ratio": 0.25}, {"lora": {"rank": 4}}])
@pytest.mark.parametrize(
    ("other", "within"), [({"recompute": True}, 1e-4), ({"rows_at_once": 1}, 1e-3), ({"precision": "bfloat16"}, 0.05)]
)
def test_another_way_of_computing_gives_the_same_curve(
    base: Path, tmp_path: Path, mitigation: dict[str, Any], other: dict[str, Any], within: float
) -> None:
    curves = []
    for name, fields in (("plain", {}), ("other", other)):
        trained(base, tmp_path / name, mitigation, epochs=1, **fields)
        curves.append(json.loads((tmp_path / name / "out" / "loss.json").read_text())["train"])
    assert curves[1] == pytest.approx(curves[0], abs=within)
