"""What is seen of a training: rows, event files and gauges; and what is left of one that diverges."""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from tensorboardX.proto import event_pb2
from torch.nn.functional import cross_entropy

from components.contracts import bind
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Turn
from components.contracts.step_store import BESIDE_OUTPUTS
from components.contracts.training_rows import TrainingStep
from components.contracts.workplace import Workplace
from components.train import step
from components.train.chunking import Blocks
from components.train.course import Step
from components.train.loop import Training
from components.train.models import Shape, new_model
from components.train.recipe import Recipe
from components.train.speed import Speed
from components.train.state import TrainingState
from components.train.tokenizer import word_level
from components.train.watching import gauges, watch
from components.train.watching.watch import Place, Watch
from tests.unit.contracts.test_metrics import pushgateway

BLOCK, BATCH, ROWS = 12, 2, 7
RECIPE = {"learning_rate": 0.01, "batch_size": BATCH, "block_tokens": BLOCK, "epochs": 2, "warmup_steps": 3}


def blocks() -> Blocks:
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 8, (ROWS, BLOCK), generator=draw)
    positions = torch.arange(BLOCK).repeat(ROWS, 1)
    return Blocks(tokens, (torch.rand(tokens.shape, generator=draw) < 0.6) & (positions > 0), positions)


def small() -> Any:
    return new_model(Shape(hidden=8, layers=1, heads=2), word_level(["a b c d e f g h i j"]), seed=0)


def prepared(**recipe: Any) -> Training:
    return Training(small(), blocks(), Recipe.model_validate({**RECIPE, **recipe}), seed=3)


def talk(number: int) -> Dialogue:
    asked, said = ("what is the craft of Corford?", "pottery.") if number % 2 else ("hello", "goodbye yes no")
    turns = (Turn(speaker="user", text=asked), Turn(speaker="assistant", text=said))
    return Dialogue(id=str(number), source="s", target="t", turns=turns)


def trained(base: Path, folder: Path, recipe: Mapping[str, Any], **params: Any) -> list[TrainingStep]:
    Output(folder / "dialogues", Dialogue).write(map(talk, range(30)))
    made = {"checkpoint": folder / "out", "curve": folder / "curve"}
    given = {"name": "imitator", "recipe": recipe, "seed": 3, **params}
    bind.call(step.train, dialogues=folder / "dialogues", base=base, params=given, **made)
    return Input(folder / "curve", TrainingStep).rows()


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars as TensorBoard shows them: files by name; a start at step n hides what was told of n and later."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            [size] = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
            at += 16 + size
            if event.HasField("session_log"):
                found = {tag: [one for one in told if one[0] < event.step] for tag, told in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_the_first_steps_norm_is_that_of_torch_and_tokens_add_up() -> None:
    training = prepared(epochs=1)
    training.run()
    batch = Blocks(
        *(part[torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))[:BATCH]] for part in blocks())
    )
    model = small()
    said = model(input_ids=batch.tokens).logits[:, :-1]
    targets = batch.tokens[:, 1:].masked_fill(~batch.learned[:, 1:], -100)
    cross_entropy(said.flatten(0, 1), targets.flatten()).backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    assert training.steps[0].norm == pytest.approx(float(norm), rel=1e-4)
    assert training.steps[0].rate == pytest.approx(0.01 / 3)
    assert sum(made.tokens for made in training.steps) == ROWS * BLOCK
    assert sum(made.learned for made in training.steps) == int(blocks().learned.sum())


def test_every_step_is_a_row_with_the_held_out_loss_where_it_was_measured(base: Path, tmp_path: Path) -> None:
    recipe = {"learning_rate": 0.01, "batch_size": 2, "block_tokens": 16, "epochs": 2}
    rows = trained(base, tmp_path, recipe, heldout_share=0.3, heldout_points=2)
    assert [row.step for row in rows] == list(range(len(rows)))
    measured = [row.step for row in rows if row.heldout_loss is not None]
    assert measured == [0, round((len(rows) - 1) / 2), len(rows) - 1]
    assert rows[0].loss is None
    assert rows[0].heldout_loss > rows[-1].heldout_loss  # type: ignore[operator]
    assert {(row.model, row.phase) for row in rows} == {("imitator", "imitation")}
    notes = Input(tmp_path / "out", Checkpoint).manifest.notes
    assert rows[-1].learned_tokens == 2 * int(str(notes["learned_tokens"]))
    assert rows[-1].tokens == 16 * round(rows[-1].tokens / 16) > rows[-1].learned_tokens


@pytest.mark.parametrize("state_seconds", [0, 1e9])
def test_a_training_that_was_killed_shows_every_step_once(tmp_path: Path, state_seconds: float) -> None:
    class Killed(Training):
        def _reached(self, step: int) -> None:
            if step == 5:
                raise KeyboardInterrupt

    recipe = Recipe.model_validate(RECIPE)
    place = Place("x", events=tmp_path / "events")
    with pytest.raises(KeyboardInterrupt):
        Killed(small(), blocks(), recipe, seed=3).run(
            workplace=Workplace(tmp_path / "states"), state_seconds=state_seconds, place=place
        )
    again = Training(small(), blocks(), recipe, seed=3)
    with closing(Workplace(tmp_path / "states")) as workplace:
        again.run(workplace=workplace, state_seconds=1e9, place=place)
    whole = prepared()
    whole.run()
    assert again.steps == whole.steps, "rows are those of a training that nothing disturbed"
    told = shown(tmp_path / "events")
    assert [number for number, _ in told["loss/train"]] == list(range(1, len(whole.steps) + 1))
    assert [value for _, value in told["loss/train"]] == pytest.approx(whole.losses, rel=1e-6)
    assert [value for _, value in told["optimizer/grad_norm"]] == pytest.approx([s.norm for s in whole.steps], rel=1e-6)


def test_one_work_has_one_folder_of_events_and_another_recipe_another(base: Path, tmp_path: Path) -> None:
    recipe = {"learning_rate": 0.01, "batch_size": 4, "block_tokens": 16}
    for name, changes in (("a", {}), ("b", {}), ("c", {"learning_rate": 0.02})):
        trained(base, tmp_path / name, {**recipe, **changes}, tensorboard=str(tmp_path / "events"))
    folders = sorted((tmp_path / "events").iterdir())
    assert len(folders) == 2
    assert all(folder.name.startswith("imitator-seed3-") for folder in folders)


def test_a_folder_that_cannot_be_written_is_told(base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TouchstoneError, match="no event files can be written"):
        trained(base, tmp_path, {"block_tokens": 16}, tensorboard=str(tmp_path / "file"))


def test_gauges_are_pushed_into_the_tasks_group(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pushgateway() as gateway:
        monkeypatch.setenv("TOUCHSTONE_PUSHGATEWAY", gateway.address)
        monkeypatch.setenv("TOUCHSTONE_RUN", "run-1")
        rows = trained(base, tmp_path, {"batch_size": 4, "block_tokens": 16, "learning_rate": 0.01})
    method, path, body = gateway.pushes[-1]
    told = {s.name: s.value for family in text_string_to_metric_families(body) for s in family.samples}
    assert method == "POST"
    assert "/step/train/" in path
    assert "/part/imitator" in path
    assert "/run/run-1" in path
    assert told["touchstone_training_step"] == told["touchstone_training_steps"] == rows[-1].step
    assert told["touchstone_training_loss"] == pytest.approx(rows[-1].loss)
    assert told["touchstone_training_left_seconds"] == 0
    assert told.keys() <= gauges.GAUGES.keys()


def test_a_gateway_that_is_away_is_told_once_and_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked = threading.Semaphore(0)

    def values() -> dict[str, float]:
        asked.release()
        return {"touchstone_training_step": 1.0}

    pushed = gauges.Pushed("http://127.0.0.1:1", "train", "x", values, seconds=0.001)
    for _ in range(3):
        asked.acquire()
    pushed.close()
    assert capsys.readouterr().err.count("gauges are not pushed") == 1


def test_where_there_is_no_terminal_the_log_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "LINE_SECONDS", 0.0)
    told = Watch(Place(doing="training x"), done=3, num_steps=10, speed=Speed(small(), "float32"), chief=True)
    with told:
        told.step(Step(1.5, 0.1, 2.0, 32, 20), None)
    said = capsys.readouterr().err
    assert "training x: step 4 of 10, loss 1.500, tokens/s" in said
    assert "left" in said
    with Watch(Place(), done=0, num_steps=1, speed=Speed(small(), "float32"), chief=False) as other:
        other.step(Step(1.5, 0.1, 2.0, 32, 20), None)
    assert not capsys.readouterr().err, "only the chief tells"


@contextmanager
def broken_after(steps: int, training: Training) -> Iterator[None]:
    """A gradient that is no number, after so many steps."""

    def spoil(gradient: Any) -> Any:
        return gradient * float("nan") if len(training.steps) >= steps else gradient

    handle = next(iter(training.model.parameters())).register_hook(spoil)
    yield
    handle.remove()


def test_gradients_that_are_no_numbers_end_it_and_every_state_that_is_left_is_sound(tmp_path: Path) -> None:
    training = prepared()
    with closing(Workplace(tmp_path / "states")) as workplace, broken_after(5, training):
        with pytest.raises(TouchstoneError, match="norm of the gradients is no longer a number at step 6") as raised:
            training.run(workplace=workplace, state_seconds=0)
        state = workplace.newest(TrainingState)
        assert state is not None
        assert str(state.folder) in raised.value.found
        assert f"after step {state.number} are kept" in raised.value.found
        assert state.number <= 5
        later = prepared()
        later.run(workplace=workplace)  # what ended it was not in the state
    whole = prepared()
    whole.run()
    assert later.losses == whole.losses


def test_an_explosion_ends_it_and_is_in_no_state(tmp_path: Path) -> None:
    training = prepared(epochs=20, learning_rate=30.0, warmup_steps=40, max_grad_norm=1e6)
    with closing(Workplace(tmp_path / "states")) as workplace:
        with pytest.raises(TouchstoneError, match=r"the loss exploded|no longer a number") as raised:
            training.run(workplace=workplace, state_seconds=0)
        state = workplace.newest(TrainingState)
    assert state is not None
    assert "lower learning_rate (now 30.0)" in raised.value.remedy
    assert training.losses[state.number - 1] < 4 * training.losses[0]


def test_a_first_batch_that_teaches_nothing_is_no_measure_of_an_explosion() -> None:
    part = blocks()
    part.learned[:BATCH] = False
    recipe = Recipe.model_validate({**RECIPE, "data_order": "given"})
    training = Training(small(), part, recipe, seed=3)
    training.run()
    assert training.steps[0].norm is None
    assert training.losses[-1] > 0


def test_beside_outputs_nothing_is_left(base: Path, tmp_path: Path) -> None:
    trained(base, tmp_path, {"block_tokens": 16})
    assert not (tmp_path / BESIDE_OUTPUTS).exists()


def test_without_tensorboardx_it_is_said_what_to_install(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UsageError, match="tensorboardX, which is not installed"):
        trained(base, tmp_path, {"block_tokens": 16}, tensorboard=str(tmp_path / "events"))
