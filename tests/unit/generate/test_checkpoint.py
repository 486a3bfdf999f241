"""Checkpoints that are not what they should be are refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertLMHeadModel,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from components.contracts.errors import TouchstoneError
from components.generate.hf import checkpoint
from tests.unit.generate.conftest import tokenizer
from tests.unit.generate.runs import save_llama

Weights = dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def change(folder: Path, how: Callable[[Weights], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    how(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def configure(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def refusal(folder: Path) -> TouchstoneError:
    with pytest.raises(TouchstoneError) as caught:
        checkpoint.load(folder, "cpu")
    assert str(folder) in caught.value.found
    return caught.value


def test_a_whole_checkpoint_is_loaded_in_the_data_type_asked_for(folder: Path) -> None:
    assert checkpoint.load(folder, "cpu").model.dtype == torch.float32
    assert checkpoint.load(folder, "cpu", dtype=torch.bfloat16).model.dtype == torch.bfloat16
    configure(folder, dtype="float16")
    assert checkpoint.load(folder, "cpu", dtype="auto").model.dtype == torch.float16


def test_a_folder_without_model_is_refused(tmp_path: Path) -> None:
    assert "cannot be loaded" in refusal(tmp_path).found


def test_missing_weights_are_refused_by_name(folder: Path) -> None:
    change(folder, lambda weights: weights.pop("model.norm.weight"))
    error = refusal(folder)
    assert "lacks the weights of model.norm.weight" in error.found
    assert error.remedy


def test_weights_of_another_shape_are_refused_by_name(folder: Path) -> None:
    def widen(weights: Weights) -> None:
        name = "model.layers.1.mlp.up_proj.weight"
        weights[name] = torch.cat([weights[name], weights[name]]).contiguous()

    change(folder, widen)
    error = refusal(folder)
    assert "model.layers.1.mlp.up_proj.weight has the shape [128, 32]" in error.found
    assert "[64, 32]" in error.expected
    assert "config.json" in error.remedy


def test_a_config_of_another_model_is_refused_with_the_first_weight_and_the_number_of_others(folder: Path) -> None:
    configure(folder, intermediate_size=80)
    assert "and 5 others differ too" in refusal(folder).found


def test_damaged_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights at all")
    assert "cannot be loaded" in refusal(folder).found


def test_weights_that_are_no_numbers_are_refused_by_name(folder: Path) -> None:
    change(folder, lambda weights: weights["model.norm.weight"].fill_(float("nan")))
    assert "model.norm.weight holds NaN" in refusal(folder).found


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(folder: Path) -> None:
    larger = tokenizer()
    larger.add_tokens(["<|more|>"])
    larger.save_pretrained(folder)
    error = refusal(folder)
    size = len(tokenizer())
    assert f"the tokenizer's '<|more|>' has the id {size}, and the model knows {size} tokens" in error.found
    assert "resize_token_embeddings" in error.remedy


def test_a_classifier_is_no_language_model(whole: Path, tmp_path: Path) -> None:
    LlamaForSequenceClassification.from_pretrained(whole).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    error = refusal(tmp_path)
    assert "holds LlamaForSequenceClassification" in error.found
    assert "classify" in error.remedy


def test_an_encoder_and_decoder_is_refused(tmp_path: Path) -> None:
    config = T5Config(vocab_size=330, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    assert "T5ForConditionalGeneration" in refusal(tmp_path).found


def bert(folder: Path, *, is_decoder: bool) -> Path:
    config = BertConfig(
        vocab_size=330, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    config.is_decoder = is_decoder
    config.initializer_range = 0.5
    BertLMHeadModel(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def test_a_model_that_sees_the_tokens_to_come_is_refused(tmp_path: Path) -> None:
    assert "depends on the tokens that follow" in refusal(bert(tmp_path, is_decoder=False)).found


def test_the_same_architecture_as_a_decoder_is_taken(tmp_path: Path) -> None:
    assert checkpoint.load(bert(tmp_path, is_decoder=True), "cpu").context_tokens == 512


def test_an_adapter_without_its_base_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "merge the adapter" in refusal(tmp_path).remedy


def test_a_skeleton_has_the_shape_and_no_weights(whole: Path) -> None:
    loaded = checkpoint.skeleton(whole)
    assert loaded.context_tokens == 256
    assert {weight.device.type for weight in loaded.model.parameters()} == {"meta"}
