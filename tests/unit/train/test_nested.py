"""One pass over the largest amount gives, bit for bit, the models of separate runs on every amount."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from components.contracts import bind, environment
from components.contracts.detached import address_of, leave_pointer
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.object_store import FileStore, open_store
from components.contracts.ports import Checkpoint, CheckpointSeries, Input, Output
from components.contracts.rows import Turn
from components.contracts.step_store import BESIDE_OUTPUTS, WORKPLACES
from components.contracts.workplace import Workplace
from components.ingest.step import subset
from components.train import step
from components.train.amounts import last_blocks
from components.train.chunking import Encoded, pack
from components.train.loop import Stopped
from components.train.models import save
from components.train.tokenizer import word_level

pytestmark = pytest.mark.slow  # left to make test

NUM = 60
WORDS = ["what", "is", "the", "craft", "of", "Corford", "pottery", "yes", "no", "hello"]
STUDY = {"optimizer": "adamw_parameter_scaled", "learning_rate": 0.01}
ADAMW = {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1}
SHARED = {"batch_size": 3, "block_tokens": 16, "warmup_steps": 4}


def talks(num: int = NUM) -> list[Dialogue]:
    draw = random.Random(1)

    def said(longest: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, longest)))

    return [
        Dialogue(
            id=str(number),
            source="s",
            target="t",
            turns=(Turn(speaker="user", text=said(6)), Turn(speaker="assistant", text=said(12))),
        )
        for number in range(num)
    ]


def written(folder: Path, rows: Sequence[Dialogue]) -> Path:
    Output(folder, Dialogue).write(rows)
    return folder


def alone(folder: Path, base: Path, rows: Sequence[Dialogue], recipe: dict[str, Any]) -> Path:
    torch.set_num_threads(1)  # equal bits need an equal number of threads
    data = written(folder / "dialogues", rows)
    params = {"recipe": {**SHARED, **recipe, "data_order": "given"}, "seed": 3}
    made = {"checkpoint": folder / "out", "curve": folder / "curve"}
    bind.call(step.train, dialogues=data, base=base, params=params, **made)
    return Input(folder / "out", Checkpoint).folder


def nested(folder: Path, base: Path, amounts: Sequence[int], recipe: dict[str, Any], **params: Any) -> Any:
    torch.set_num_threads(1)
    if not (folder / "dialogues").exists():
        written(folder / "dialogues", talks())
    given = {"amounts": amounts, "recipe": {**SHARED, **recipe}, "seed": 3, **params}
    made = {"series": folder / "series", "curve": folder / "curve"}
    return bind.call(step.train_nested, dialogues=folder / "dialogues", base=base, params=given, **made)


def files(folder: Path) -> dict[str, bytes]:
    """Weights, losses, configuration and tokenizer; not the manifest, which says how they were made."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


@pytest.fixture(scope="module")
def dropping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with dropout: its steps draw random numbers."""
    torch.manual_seed(0)
    tokenizer = word_level([" ".join(WORDS)])
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=64))
    out = Output(tmp_path_factory.mktemp("dropping") / "checkpoint", Checkpoint)
    save(out.folder, model, tokenizer, {})
    out.commit()
    return out.path


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(ADAMW, id="adamw"),
        pytest.param(STUDY, id="adamw_parameter_scaled"),
        pytest.param({**STUDY, "isolated": False, "rows_at_once": 2}, id="joined documents"),
        pytest.param({**STUDY, "mitigation": {"kl_beta": 0.5, "loss": "dft"}}, id="anchored"),
        pytest.param({**STUDY, "precision": "bfloat16", "recompute": True}, id="bf16, recomputed"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # torch's, about recomputation on a CPU
def test_every_model_of_the_pass_has_the_bits_of_a_run_of_its_own(
    base: Path, tmp_path: Path, recipe: dict[str, Any]
) -> None:
    # 1 and 2 dialogues part before the first whole batch; the others at blocks and batches that are not full.
    amounts = (1, 2, 11, 12, 37, NUM)
    outcome = nested(tmp_path, base, amounts, recipe)
    assert outcome.metrics["amounts"] == len(amounts)
    assert outcome.metrics["steps_aside"] > 0
    found = {amount: files(Input(tmp_path / "series" / str(amount), Checkpoint).folder) for amount in amounts}
    assert len({each["model.safetensors"] for each in found.values()}) == len(amounts)
    for amount in amounts:
        expected = alone(tmp_path / str(amount), base, talks()[:amount], recipe)
        assert found[amount] == files(expected), amount


def test_a_model_that_draws_random_numbers_is_no_exception(dropping: Path, tmp_path: Path) -> None:
    nested(tmp_path, dropping, (7, 20), ADAMW)
    for amount in (7, 20):
        expected = alone(tmp_path / str(amount), dropping, talks()[:amount], ADAMW)
        assert files(tmp_path / "series" / str(amount)) == files(expected)


def test_an_amount_that_fills_its_batches_needs_no_step_aside(base: Path, tmp_path: Path) -> None:
    full = Dialogue(
        id="1",
        source="s",
        target="t",
        turns=(Turn(speaker="user", text="hello"), Turn(speaker="assistant", text=" ".join(["yes"] * 12))),
    )
    rows = [full.model_copy(update={"id": str(number)}) for number in range(12)]  # of 16 tokens: a block each
    written(tmp_path / "dialogues", rows)
    outcome = nested(tmp_path, base, (3, 6, 12), STUDY)
    assert outcome.metrics["steps_aside"] == 0
    for amount in (3, 6):
        expected = alone(tmp_path / str(amount), base, rows[:amount], STUDY)
        assert files(tmp_path / "series" / str(amount)) == files(expected)


def test_amounts_in_tokens_are_those_that_subset_cuts(base: Path, tmp_path: Path) -> None:
    everything = written(tmp_path / "all", talks())
    amounts = (40, 150, 300)
    for amount in amounts:
        out = tmp_path / str(amount)
        bind.call(
            subset,
            dialogues=everything,
            tokenizer=base,
            subset=out / "subset",
            outside=out / "outside",
            params={"max_tokens": amount, "seed": 0},
        )
    shutil.copytree(tmp_path / "300" / "subset", tmp_path / "dialogues")
    nested(tmp_path, base, amounts, STUDY, unit="tokens")
    for amount in amounts:
        rows = Input(tmp_path / str(amount) / "subset", Dialogue).rows()
        made = Input(tmp_path / "series" / str(amount), Checkpoint)
        assert made.manifest.notes["dialogues"] == len(rows)
        assert files(made.folder) == files(alone(tmp_path / str(amount), base, rows, STUDY))


def test_amounts_in_steps_end_after_so_many(base: Path, tmp_path: Path) -> None:
    nested(tmp_path, base, (1, 5, 9), STUDY, unit="steps")
    longest = json.loads((tmp_path / "series" / "9" / "loss.json").read_text())["train"]
    for amount in (1, 5, 9):
        losses = json.loads((tmp_path / "series" / str(amount) / "loss.json").read_text())["train"]
        assert losses == longest[:amount]


@pytest.mark.parametrize("isolated", [True, False])
def test_the_last_blocks_are_those_of_data_that_end_there(isolated: bool) -> None:
    documents = [Encoded(list(range(1, n + 1)), [n % 2] * n) for n in (3, 8, 1, 13, 5, 9)]
    whole = pack(documents, 8, None, isolated=isolated)
    for num in range(1, len(documents) + 1):
        end = sum(len(document.tokens) for document in documents[:num])
        expected = pack(documents[:num], 8, None, isolated=isolated)
        for first in range(end // 8):
            found = last_blocks(whole, first, end, isolated=isolated)
            for part, wanted in zip(found, expected, strict=True):
                assert torch.equal(part, wanted[first:])


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"schedule": "cosine"}, "rate follows a cosine"),
        ({"warmup_steps": None}, "warm-up is a share"),
        ({"epochs": 2}, "reads the data 2 times"),
        ({"data_order": "shuffled"}, "shuffles"),
        ({"bath_size": 3}, "bath_size"),
        ({"mitigation": {"replay_share": 0.1}}, "replayed in proportion"),
        ({"mitigation": {"lora": {}}}, "adapters"),
        ({"mitigation": {"unfreeze_rank_ratio": 0.5}}, "subspaces"),
    ],
)
def test_a_recipe_that_knows_the_runs_length_is_refused(
    base: Path, tmp_path: Path, recipe: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as raised:
        nested(tmp_path, base, (5, 10), {**STUDY, **recipe})
    assert "separately" in raised.value.remedy or reason == "bath_size"


@pytest.mark.parametrize(
    ("amounts", "params", "message"),
    [
        ((10, 10), {}, "do not increase"),
        ((20, 10), {}, "do not increase"),
        ((0, 10), {}, "greater than 0"),
        ((), {}, "at least 1 item"),
        ((10, NUM + 1), {}, f"{NUM} dialogues"),
        ((1, 100), {"unit": "tokens"}, "no dialogue fits into 1 tokens"),
        ((10_000, 20_000), {"unit": "tokens"}, f"the same {NUM} dialogues"),
        ((2, 500), {"unit": "steps"}, "whole steps"),
    ],
)
def test_amounts_that_make_no_sense_are_refused(
    base: Path, tmp_path: Path, amounts: Sequence[int], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(TouchstoneError, match=message):
        nested(tmp_path, base, amounts, STUDY, **params)


def test_a_checkpoint_taken_out_of_the_series_is_an_artifact_that_knows_its_data(base: Path, tmp_path: Path) -> None:
    nested(tmp_path, base, (5, 20), STUDY)
    series = Input(tmp_path / "series", CheckpointSeries)
    bind.call(step.pick_checkpoint, series=series.path, checkpoint=tmp_path / "picked", params={"label": "5"})
    picked = Input(tmp_path / "picked", Checkpoint)
    assert files(picked.folder) == files(tmp_path / "series" / "5")
    data = Input(tmp_path / "dialogues", Dialogue).digest
    assert picked.manifest.parents["dialogues"] == data  # a takedown follows it
    assert picked.manifest.parents["series"] == series.digest
    assert series.manifest.notes["warmup_steps"] == 4
    assert picked.manifest.notes["steps"] == 2
    assert "never peaks" in str(picked.manifest.notes["warning"])
    assert Input(tmp_path / "series", CheckpointSeries).folder, "the series is as it was"
    with pytest.raises(UsageError, match="no checkpoint 7") as raised:
        bind.call(step.pick_checkpoint, series=series.path, checkpoint=tmp_path / "other", params={"label": "7"})
    assert raised.value.expected == "5, 20"


def test_what_lies_in_a_store_is_picked_without_being_fetched(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested(tmp_path, base, (5, 20), STUDY)
    address = f"file://{tmp_path}/store"
    open_store(address).upload(tmp_path / "series", "there")
    made = Input(tmp_path / "series", CheckpointSeries).manifest
    leave_pointer(tmp_path / "pointing", made, f"{address}/there")
    monkeypatch.setattr(FileStore, "download", lambda *_: pytest.fail("nothing is to be fetched"))
    bind.call(step.pick_checkpoint, series=tmp_path / "pointing", checkpoint=tmp_path / "out", params={"label": "20"})
    monkeypatch.undo()
    monkeypatch.setattr(environment, "cache_folder", lambda: tmp_path / "cache")
    assert address_of(tmp_path / "out") == f"{address}/there/20"
    assert files(Input(tmp_path / "out", Checkpoint).folder) == files(tmp_path / "series" / "20")


@pytest.fixture
def undisturbed(base: Path, tmp_path: Path) -> dict[int, dict[str, bytes]]:
    folder = tmp_path / "undisturbed"
    nested(folder, base, AMOUNTS, STUDY)
    assert not (folder / BESIDE_OUTPUTS / WORKPLACES).exists(), "no state and no second copy is left behind"
    return result(folder)


AMOUNTS = (4, 9, 23, 24, NUM)


def result(folder: Path) -> dict[int, dict[str, bytes]]:
    assert Input(folder / "series", CheckpointSeries).folder
    return {amount: files(Input(folder / "series" / str(amount), Checkpoint).folder) for amount in AMOUNTS}


def interrupted(folder: Path, base: Path, monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Send this process SIGTERM once so many states and models are whole."""
    save, made = Workplace.save, []

    def counting(self: Workplace, number: int, *rest: Any) -> None:
        save(self, number, *rest)
        self.wait()
        made.append(number)
        if len(made) == saves:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Workplace, "save", counting)
        with pytest.raises(Stopped):
            nested(folder, base, AMOUNTS, STUDY, state_seconds=0)


@pytest.mark.parametrize("saves", [1, 2, 7, 13])
def test_a_pass_told_to_end_goes_on_and_gives_the_same_models(
    base: Path,
    tmp_path: Path,
    undisturbed: dict[int, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    saves: int,
) -> None:
    interrupted(tmp_path, base, monkeypatch, saves)
    nested(tmp_path, base, AMOUNTS, STUDY, state_seconds=0)
    assert result(tmp_path) == undisturbed


def test_a_pass_begins_again_where_a_model_that_it_has_passed_is_damaged(
    base: Path,
    tmp_path: Path,
    undisturbed: dict[int, dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupted(tmp_path, base, monkeypatch, 9)
    (place,) = (tmp_path / BESIDE_OUTPUTS / WORKPLACES).iterdir()
    (weights,) = place.glob("amount-4/*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    nested(tmp_path, base, AMOUNTS, STUDY, state_seconds=0)
    assert "begins again, for the models on [4]" in capsys.readouterr().err
    assert result(tmp_path) == undisturbed


def test_a_model_that_cannot_be_written_ends_the_pass_at_once(base: Path, tmp_path: Path) -> None:
    place = tmp_path / BESIDE_OUTPUTS / WORKPLACES
    place.parent.mkdir(parents=True)
    place.write_text("a file where a folder should be")
    with pytest.raises(TouchstoneError, match="the model on 4 could not be kept"):
        nested(tmp_path, base, AMOUNTS, STUDY)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_models(
    base: Path, tmp_path: Path, undisturbed: dict[int, dict[str, bytes]]
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["components.train.nested", __name__])
    draw, kills, longest = random.Random(0), 0, 1.0
    while kills < 10:
        process = context.Process(target=nested, args=(tmp_path, base, AMOUNTS, STUDY), kwargs={"state_seconds": 0})
        process.start()
        process.join(timeout=draw.uniform(0.1, longest))
        if process.exitcode is not None:
            assert process.exitcode == 0
            assert result(tmp_path) == undisturbed
            shutil.rmtree(tmp_path / "series")
            shutil.rmtree(tmp_path / BESIDE_OUTPUTS, ignore_errors=True)
            longest *= 0.8
            continue
        process.kill()
        process.join()
        kills += 1
    nested(tmp_path, base, AMOUNTS, STUDY, state_seconds=0)
    assert result(tmp_path) == undisturbed
