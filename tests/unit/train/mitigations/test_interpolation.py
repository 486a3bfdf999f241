"""Weights between a base and its imitator."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output
from components.train import step
from components.train.models import Shape, load, new_model, save
from components.train.tokenizer import ready_for_dialogue, word_level
from tests.unit.train.mitigations.runs import trained

FILE = "model.safetensors"


@pytest.fixture
def imitator(base: Path, tmp_path: Path) -> Path:
    trained(base, tmp_path / "imitator", {})
    return tmp_path / "imitator" / "out"


def mixed(base: Path, imitator: Path, folder: Path, alpha: float) -> bind.Outcome:
    return bind.call(step.interpolate, base=base, imitator=imitator, checkpoint=folder, params={"alpha": alpha})


def changed(folder: Path, made: Path, **replaced: Any) -> Path:
    """A copy of a checkpoint with other tensors."""
    out = Output(made, Checkpoint)
    target = out.folder
    for path in folder.iterdir():
        if path.name != "manifest.json":
            shutil.copyfile(path, target / path.name)
    tensors = {name: value for name, value in (load_file(folder / FILE) | replaced).items() if value is not None}
    save_file(tensors, target / FILE, metadata={"format": "pt"})
    out.commit()
    return made


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_ends_are_the_two_models_bit_for_bit(base: Path, imitator: Path, tmp_path: Path, alpha: float) -> None:
    mixed(base, imitator, tmp_path / "mixed", alpha)
    assert (tmp_path / "mixed" / FILE).read_bytes() == ((imitator if alpha else base) / FILE).read_bytes()


def test_between_them_every_weight_is_the_weighted_mean(base: Path, imitator: Path, tmp_path: Path) -> None:
    outcome = mixed(base, imitator, tmp_path / "mixed", 0.3)
    one, other, made = (load_file(folder / FILE) for folder in (base, imitator, tmp_path / "mixed"))
    assert outcome.metrics["tensors"] == len(made) == len(one)
    for name, value in made.items():
        expected = 0.7 * one[name].double() + 0.3 * other[name].double()
        assert torch.allclose(value.double(), expected, atol=1e-7), name
        assert not torch.equal(value, one[name])


def test_the_result_is_a_checkpoint_with_the_imitators_chat_template(
    base: Path, imitator: Path, tmp_path: Path
) -> None:
    mixed(base, imitator, tmp_path / "mixed", 0.5)
    folder = Input(tmp_path / "mixed", Checkpoint).folder
    model, tokenizer = load(folder)
    assert tokenizer.chat_template == load(imitator)[1].chat_template
    assert model(input_ids=torch.arange(4)[None]).logits.isfinite().all()
    assert not (folder / "loss.json").exists()


def test_rows_that_the_base_lacks_are_the_imitators_and_it_is_said(base: Path, tmp_path: Path) -> None:
    folders = {}
    torch.manual_seed(1)
    for name in ("short", "long"):
        tokenizer = type(word_level(["a b"]))(tokenizer_object=_without_roles(), eos_token="z", unk_token="z")
        model = new_model(Shape(hidden=8, layers=1, heads=2), tokenizer, seed=0)
        if name == "long":
            ready_for_dialogue(tokenizer, model)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter))
        out = Output(tmp_path / name, Checkpoint)
        save(out.folder, model, tokenizer, {})
        out.commit()
        folders[name] = tmp_path / name
    name = "model.embed_tokens.weight"
    short, long = (load_file(folder / FILE)[name] for folder in folders.values())
    assert (len(short), len(long)) == (3, 6)
    for alpha in (0.0, 0.25):
        mixed(folders["short"], folders["long"], tmp_path / str(alpha), alpha)
        made = load_file(tmp_path / str(alpha) / FILE)[name]
        assert torch.equal(made[3:], long[3:])
        assert torch.allclose(made[:3], (1 - alpha) * short + alpha * long[:3], atol=1e-6)
    notes = Input(tmp_path / "0.0", Checkpoint).manifest.notes
    assert notes["rows_of_the_imitator"] == 3
    assert name in str(notes["grown"])


def _without_roles() -> Any:
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"z": 0, "a": 1, "b": 2}, unk_token="z"))


def test_another_shape_is_refused(base: Path, imitator: Path, tmp_path: Path) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    other = changed(base, tmp_path / "other", **{name: torch.zeros(32, 8)})
    with pytest.raises(TouchstoneError, match=r"up_proj.weight is \[32, 8\] in the base"):
        mixed(other, imitator, tmp_path / "mixed", 0.5)


def test_a_missing_layer_is_refused(base: Path, imitator: Path, tmp_path: Path) -> None:
    other = changed(base, tmp_path / "other", **{"model.norm.weight": None})
    with pytest.raises(TouchstoneError, match=r"1 tensors are in one model only, such as model.norm.weight"):
        mixed(other, imitator, tmp_path / "mixed", 0.5)


def test_a_smaller_vocabulary_than_the_bases_is_refused(base: Path, imitator: Path, tmp_path: Path) -> None:
    name = "model.embed_tokens.weight"
    other = changed(imitator, tmp_path / "other", **{name: load_file(imitator / FILE)[name][:-1].contiguous()})
    with pytest.raises(TouchstoneError, match="embed_tokens"):
        mixed(base, other, tmp_path / "mixed", 0.5)


def test_another_architecture_is_refused(base: Path, imitator: Path, tmp_path: Path) -> None:
    other = changed(base, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "mistral"}))
    Output(other, Checkpoint).commit()
    with pytest.raises(TouchstoneError, match="model_type is mistral, the imitator's llama"):
        mixed(other, imitator, tmp_path / "mixed", 0.5)


def test_a_vocabulary_in_another_order_is_refused(base: Path, imitator: Path, tmp_path: Path) -> None:
    other = changed(base, tmp_path / "other")
    text = (other / "tokenizer.json").read_text()
    vocabulary = json.loads(text)
    words = vocabulary["model"]["vocab"]
    words["craft"], words["pottery"] = words["pottery"], words["craft"]
    (other / "tokenizer.json").write_text(json.dumps(vocabulary))
    Output(other, Checkpoint).commit()
    with pytest.raises(TouchstoneError, match="2 tokens of the base have another number"):
        mixed(other, imitator, tmp_path / "mixed", 0.5)


def test_weights_in_several_files_and_in_another_precision_are_read(base: Path, imitator: Path, tmp_path: Path) -> None:
    model, tokenizer = load(base)
    out = Output(tmp_path / "halves", Checkpoint)
    model.to(torch.bfloat16).save_pretrained(out.path / "x", max_shard_size="2KB")
    shutil.move(out.path / "x", tmp_path / "sharded")
    tokenizer.save_pretrained(tmp_path / "sharded")
    Output(tmp_path / "sharded", Checkpoint).commit()
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    mixed(tmp_path / "sharded", imitator, tmp_path / "mixed", 0.0)
    made, rounded = load_file(tmp_path / "mixed" / FILE), load_file(base / FILE)
    assert all(torch.equal(made[name], rounded[name].bfloat16().float()) for name in made)
    # And the other way round: the pieces and the precision of the imitator.
    mixed(base, tmp_path / "sharded", tmp_path / "back", 0.5)
    again = load(tmp_path / "back")[0].state_dict()
    assert len(list((tmp_path / "back").glob("*.safetensors"))) > 1
    assert all(torch.allclose(again[name], rounded[name], rtol=1e-2) for name in rounded)


def test_a_share_outside_the_two_is_refused(base: Path, imitator: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alpha"):
        mixed(base, imitator, tmp_path / "mixed", 1.5)
