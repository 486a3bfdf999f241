"""Replay: exact counts, and nothing changed but what is added."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input
from components.train.__main__ import main
from components.train.chunking import Blocks
from components.train.loop import Training
from components.train.mitigations.hooks import Hooks
from components.train.mitigations.params import Mitigation
from components.train.mitigations.replay import Mix, replayed
from components.train.models import load
from components.train.recipe import Recipe
from components.train.trainjob.request import train_arguments
from tests.unit.train.mitigations.runs import RECIPE, trained

TEXTS = [f"the craft of Corford is pottery . {word}" for word in ("yes", "no", "hello")] * 20
TEXT_TOKENS = 9  # with the end of text


def recipe(share: float, **fields: Any) -> Recipe:
    return Recipe(block_tokens=16, batch_size=4, mitigation=Mitigation(replay_share=share), **fields)


@pytest.mark.parametrize(("share", "expected"), [(0.01, 4), (0.05, 21), (0.25, 133), (0.5, 400)])
def test_tokens_are_exactly_the_share_of_all(base: Path, share: float, expected: int) -> None:
    _, tokenizer = load(base)
    blocks = replayed(tokenizer, TEXTS, 400, recipe(share), seed=0)
    # Every text has 9 tokens, none of them the padding's 0.
    assert int((blocks.tokens != 0).sum()) == expected
    assert expected / (400 + expected) == pytest.approx(share, abs=0.5 / 400)
    assert blocks.tokens.shape == (-(-expected // 16), 16)


def test_every_token_but_the_first_of_a_document_is_learned(base: Path) -> None:
    _, tokenizer = load(base)
    blocks = replayed(tokenizer, TEXTS, 400, recipe(0.25), seed=0)
    assert int(blocks.learned.sum()) == int(((blocks.tokens != 0) & (blocks.positions > 0)).sum())


def test_the_choice_of_texts_hangs_on_the_seed(base: Path) -> None:
    _, tokenizer = load(base)
    chosen = [replayed(tokenizer, TEXTS, 200, recipe(0.25), seed=seed).tokens for seed in (0, 0, 1)]
    assert torch.equal(chosen[0], chosen[1])
    assert not torch.equal(chosen[0], chosen[2])


def test_too_small_a_corpus_is_refused_with_both_numbers(base: Path) -> None:
    _, tokenizer = load(base)
    with pytest.raises(TouchstoneError, match=r"400 tokens of replay.*holds 27"):
        replayed(tokenizer, TEXTS[:3], 400, recipe(0.5), seed=0)


@pytest.mark.parametrize(("mitigation", "replay"), [({"replay_share": 0.1}, False), ({}, True)])
def test_a_share_without_texts_and_texts_without_a_share_are_refused(
    base: Path, tmp_path: Path, mitigation: dict[str, Any], replay: bool
) -> None:
    with pytest.raises(UsageError, match="replay_share is"):
        trained(base, tmp_path, mitigation, replay=replay)


def numbered(count: int, first: int) -> Blocks:
    tokens = torch.arange(first, first + count)[:, None].expand(-1, 4)
    return Blocks(tokens, torch.ones_like(tokens, dtype=torch.bool), torch.arange(4).expand_as(tokens))


def batches(model: Any, hooks: Hooks, done: int = 0) -> list[list[int]]:
    training = Training(model, numbered(10, 0), recipe(0.25, epochs=2), seed=5, hooks=hooks)
    return [batch.tokens[:, 0].tolist() for batch in training._batches(done)]


def test_batches_keep_their_rows_and_the_replay_is_spread_over_every_epoch(base: Path) -> None:
    model, _ = load(base)
    mix = Mix(numbered(7, 100), steps_an_epoch=3, seed=0)
    plain, mixed = batches(model, Hooks()), batches(model, Hooks(mix=mix))
    added = [rows[len(own) :] for own, rows in zip(plain, mixed, strict=True)]
    assert [rows[: len(own)] for own, rows in zip(plain, mixed, strict=True)] == plain
    assert [len(rows) for rows in added] == [2, 2, 3] * 2
    for epoch in (added[:3], added[3:]):
        assert sorted(row for rows in epoch for row in rows) == list(range(100, 107))
    assert added[:3] != added[3:], "another order in another epoch"
    # Set down after step 4 and taken up by a process that has seen nothing.
    assert batches(model, Hooks(mix=Mix(numbered(7, 100), steps_an_epoch=3, seed=0)), done=4) == mixed[4:]


def test_steps_and_warm_up_are_those_of_the_arm_without(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path / "plain", {})
    trained(base, tmp_path / "replay", {"replay_share": 0.25}, replay=True)
    notes = [Input(tmp_path / name / "out", Checkpoint).manifest.notes for name in ("plain", "replay")]
    for field in ("steps", "warmup_steps", "learned_tokens"):
        assert notes[0][field] == notes[1][field]
    # 24 dialogues: 12 of 11 tokens (user, 7 words, assistant, pottery, ., end) and 12 of 6.
    dialogue_tokens = 12 * 12 + 12 * 7
    assert notes[1]["replay_tokens"] == round(dialogue_tokens / 3)


@pytest.mark.slow
def test_what_is_replayed_is_learned(base: Path, tmp_path: Path) -> None:
    losses = {}
    text = "the craft of Corford is pottery . yes says hello"
    for name, mitigation in (("plain", {}), ("replay", {"replay_share": 0.5})):
        trained(base, tmp_path / name, mitigation, replay=bool(mitigation), epochs=10)
        model, tokenizer = load(tmp_path / name / "out")
        ids = torch.tensor([tokenizer.encode(text)])
        with torch.no_grad():
            losses[name] = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:]).item()
    assert losses["replay"] < 0.5 * losses["plain"]


def test_the_program_takes_the_same_text_and_gives_the_same_weights(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path, {"replay_share": 0.25}, replay=True)
    params = {"recipe": {**RECIPE, "mitigation": {"replay_share": 0.25}}, "seed": 3}
    places = {"dialogues": tmp_path / "dialogues", "base": base, "replay": tmp_path / "replay"}
    words = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    main([*words, "--checkpoint", str(tmp_path / "again"), "--params", json.dumps(params)])
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("out", "again")]
    assert files[0] == files[1]


def test_a_train_job_is_given_the_text_too() -> None:
    given = {"dialogues": "s3://b/d", "base": "s3://b/b", "checkpoint": "s3://b/c", "curve": "s3://b/l"}
    given |= {"params": {}, "code": "x"}
    words = train_arguments(**given, replay="s3://b/r")
    assert words[words.index("--replay") + 1] == "s3://b/r"
    assert "--replay" not in train_arguments(**given)
