"""Held-out loss: the same dialogues in every arm, measured exactly, and the only thing that can choose a checkpoint."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input
from components.train.chunking import encode_dialogue, pack
from components.train.heldout import HeldOut, split
from components.train.losses import LearnedLoss
from components.train.models import load
from components.train.params import Params
from tests.unit.train.mitigations.runs import talk, trained, weights

SHARE = 0.3


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_more_data_or_a_larger_share_moves_no_dialogue_back() -> None:
    ids = [{d.id for d in split(map(talk, range(size)), share).held_out} for size, share in
           ((500, 0.1), (1000, 0.1), (1000, 0.2))]  # fmt: skip
    assert ids[0] < ids[1] < ids[2]
    assert len(ids[2]) == pytest.approx(200, abs=40)


def test_order_does_not_matter_and_nothing_is_in_both() -> None:
    talks = [talk(number) for number in range(100)]
    parts = split(talks, SHARE)
    assert {d.id for d in split(reversed(talks), SHARE).held_out} == {d.id for d in parts.held_out}
    assert len(parts.learned) + len(parts.held_out) == 100
    assert not {d.id for d in parts.learned} & {d.id for d in parts.held_out}


def test_without_a_share_everything_is_learned(base: Path, tmp_path: Path) -> None:
    assert split(map(talk, range(9)), 0.0).held_out == []
    trained(base, tmp_path, {})
    assert set(json.loads((tmp_path / "out" / "loss.json").read_text())) == {"train"}


def test_a_share_that_keeps_nothing_out_is_refused() -> None:
    with pytest.raises(TouchstoneError, match="keeps out none of 1"):
        split([talk(1)], 1e-9)


def loss_of(folder: Path) -> float:
    """Mean cross-entropy on the held-out dialogues, one at a time, by transformers' own loss."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), load(folder)[1]
    total, count = 0.0, 0
    for dialogue in split(map(talk, range(24)), SHARE).held_out:
        made = encode_dialogue(tokenizer, dialogue)
        labels = torch.tensor([[t if m else -100 for t, m in zip(made.tokens, made.learned, strict=True)]])
        with torch.no_grad():
            mean = model(input_ids=torch.tensor([made.tokens]), labels=labels).loss
        total += float(mean) * sum(made.learned)
        count += sum(made.learned)
    return total / count


def test_the_loss_is_that_of_transformers_before_and_after(base: Path, tmp_path: Path) -> None:
    # Blocks of 12 tokens hold either dialogue whole: none is cut, so nothing that is learned loses its question.
    outcome = trained(base, tmp_path, {}, params={"heldout_share": SHARE, "heldout_points": 3}, block_tokens=84)
    notes = Input(tmp_path / "out", Checkpoint).manifest.notes
    curves = json.loads((tmp_path / "out" / "loss.json").read_text())
    assert curves["heldout"][0] == pytest.approx(loss_of(base), abs=1e-3)
    assert curves["heldout"][-1] == pytest.approx(loss_of(tmp_path / "out"), abs=1e-3)
    assert outcome.metrics["heldout_loss"] == pytest.approx(curves["heldout"][-1], abs=1e-4)
    assert curves["heldout_steps"][0] == 0
    assert curves["heldout_steps"][-1] == notes["steps"] == notes["kept_step"]
    assert len(curves["heldout"]) == 4
    assert notes["heldout_dialogues"] == len(split(map(talk, range(24)), SHARE).held_out)


@pytest.mark.slow
def test_measuring_changes_nothing(base: Path, tmp_path: Path) -> None:
    for points in (1, 5):
        trained(base, tmp_path / str(points), {"lora": {"dropout": 0.2}},
                params={"heldout_share": SHARE, "heldout_points": points})  # fmt: skip
    files = [(tmp_path / points / "out" / "model.safetensors").read_bytes() for points in ("1", "5")]
    assert files[0] == files[1]


@pytest.mark.slow
@pytest.mark.parametrize("mitigation", [{}, {"unfreeze_rank_ratio": 0.5}, {"lora": {"rank": 4}}])
def test_the_checkpoint_of_lowest_loss_is_kept(base: Path, tmp_path: Path, mitigation: dict[str, Any]) -> None:
    # A rate that ruins the model later on: the lowest loss lies before the end.
    params = {"heldout_share": SHARE, "heldout_points": 12, "keep": "lowest_heldout_loss"}
    rough = {"learning_rate": 0.3, "epochs": 6, "warmup_steps": 40, "betas": (0.5, 0.6)}
    outcome = trained(base, tmp_path, mitigation, params=params, **rough)
    curves = json.loads((tmp_path / "out" / "loss.json").read_text())
    notes = Input(tmp_path / "out", Checkpoint).manifest.notes
    lowest = min(range(1, len(curves["heldout"])), key=lambda n: curves["heldout"][n])
    assert lowest < len(curves["heldout"]) - 1, "the end is not the best"
    assert notes["kept_step"] == curves["heldout_steps"][lowest]
    assert outcome.metrics["heldout_loss"] == pytest.approx(curves["heldout"][lowest], abs=1e-4)
    assert loss_of(tmp_path / "out") < curves["heldout"][-1]
    assert all(math.isfinite(float(value.sum())) for value in weights(tmp_path / "out").values())


def test_the_lowest_so_far_survives_a_kill(base: Path, tmp_path: Path) -> None:
    model, tokenizer = load(base)
    blocks = pack([encode_dialogue(tokenizer, talk(number)) for number in range(4)], 16, None)
    loss = LearnedLoss(model, isolated=True, block_tokens=16)

    def new() -> HeldOut:
        return HeldOut(blocks, rows_at_once=2, points=4, keep_lowest=True)

    held_out, good = new(), {name: value.clone() for name, value in model.state_dict().items()}
    held_out.after(1, 4, loss)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30.0)
    held_out.after(2, 4, loss)
    assert held_out.curve[0][1] < held_out.curve[1][1]
    held_out.beside(lambda folder: None)(tmp_path)
    taken_up = new()
    taken_up.restore(tmp_path)
    taken_up.after(3, 4, loss)
    assert taken_up.put_back(model) == 1
    assert all(torch.equal(value, good[name]) for name, value in model.state_dict().items())


def test_nothing_but_the_loss_can_choose(base: Path, tmp_path: Path) -> None:
    for choice in ("judge", "preference", "highest_judgment"):
        with pytest.raises(ValueError, match="lowest_heldout_loss"):
            Params.model_validate({"keep": choice, "heldout_share": SHARE})


def test_a_choice_without_held_out_dialogues_is_refused() -> None:
    with pytest.raises(UsageError, match="no dialogues are held out"):
        Params.model_validate({"keep": "lowest_heldout_loss"})
