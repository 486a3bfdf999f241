"""Models from outside: taken as they are, counted, refused where they cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from components.contracts import bind
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input
from components.train.step import fetch_checkpoint
from tests.unit.generate.runs import save_llama


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_llama(tmp_path / "model")


def fetched(source: object, out: Path, **params: object) -> Input[Checkpoint]:
    bind.call(fetch_checkpoint, params={"source": str(source), **params}, checkpoint=out)
    return Input(out, Checkpoint)


def test_a_folder_is_taken_with_its_size_and_nothing_that_runs(model: Path, tmp_path: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    (model / "modeling.py").write_text("raise SystemExit\n")
    made = fetched(model, tmp_path / "out")
    loaded = AutoModelForCausalLM.from_pretrained(made.folder)
    assert made.manifest.notes["parameters"] == loaded.num_parameters()
    assert made.manifest.notes["architecture"] == "llama"
    names = {path.name for path in made.folder.iterdir()}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "modeling.py"}


def test_shards_are_all_taken_and_a_missing_one_is_named(model: Path, tmp_path: Path) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(model)
    (model / "model.safetensors").unlink()
    loaded.save_pretrained(model, max_shard_size="20KB")
    made = fetched(model, tmp_path / "out")
    assert made.manifest.notes["parameters"] == loaded.num_parameters()
    lost = sorted(model.glob("*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(TouchstoneError, match=f"lacks {lost.name}"):
        fetched(model, tmp_path / "again")


@pytest.mark.parametrize(
    ("gone", "said"), [("config.json", "no config.json"), ("model.safetensors", "safetensors"), ("token*", "tokenizer")]
)
def test_what_is_no_whole_model_is_refused(model: Path, tmp_path: Path, gone: str, said: str) -> None:
    for path in model.glob(gone):
        path.unlink()
    with pytest.raises(TouchstoneError, match=said):
        fetched(model, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_repository_needs_a_pinned_revision(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pinned revision"):
        fetched("somebody/some-model", tmp_path / "out", revision="main")


def test_a_repository_that_cannot_be_reached_says_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TouchstoneError, match="could not be downloaded") as raised:
        fetched("somebody/some-model", tmp_path / "out", revision="0" * 40)
    assert "HF_HUB_OFFLINE" in str(raised.value.remedy)


def test_weights_are_counted_from_headers_alone(model: Path, tmp_path: Path) -> None:
    # A damaged body does not matter: nothing of it is read.
    file = model / "model.safetensors"
    size = int.from_bytes(file.read_bytes()[:8], "little")
    header = json.loads(file.read_bytes()[8 : 8 + size])
    wanted = 0
    for name, entry in header.items():
        if name != "__metadata__":
            count = 1
            for side in entry["shape"]:
                count *= side
            wanted += count
    assert fetched(model, tmp_path / "out").manifest.notes["parameters"] == wanted
