"""The step embed beside transformers itself, text by text and window by window."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from components.contracts import bind
from components.contracts.attribution_rows import AuthoredText, Embedding
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output, write_rows
from components.generate.step import embed
from tests.unit.generate.conftest import tokenizer

CONTEXT = 64
STORY = "the quick brown fox jumps over the lazy dog. what is it? "
TEXTS = ("a fox", STORY, STORY * 7, "dog", "1. one 2. two\n", STORY * 30)


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tok = tokenizer()
    output = Output(tmp_path_factory.mktemp("models") / request.param, Checkpoint)
    if request.param == "gpt2":
        shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0, "eos_token_id": 0}
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tok), n_positions=CONTEXT, initializer_range=0.3, **shape))
    else:
        shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        config = LlamaConfig(
            vocab_size=len(tok), max_position_embeddings=CONTEXT, initializer_range=0.3, bos_token_id=None, **shape
        )
        model = LlamaForCausalLM(config)
    model.save_pretrained(output.folder)
    tok.save_pretrained(output.path)
    output.commit()
    return output.path


def rows(texts: Sequence[str]) -> list[AuthoredText]:
    return [AuthoredText(id=str(i), author="a", group=str(i), text=text) for i, text in enumerate(texts)]


def embedded(folder: Path, checkpoint: Path, texts: Sequence[AuthoredText], **params: object) -> list[Embedding]:
    write_rows(folder / "texts", AuthoredText, texts)
    bind.call(embed, params=params, texts=folder / "texts", checkpoint=checkpoint, embeddings=folder / "out")
    return Input(folder / "out", Embedding).rows()


@torch.inference_mode()
def reference(checkpoint: Path, text: str, layer: int = -1) -> np.ndarray:
    model, tok = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    ids = tok(text)["input_ids"]
    windows = [ids[at : at + CONTEXT] for at in range(0, len(ids), CONTEXT)]
    states = [
        model(torch.tensor([window]), output_hidden_states=True).hidden_states[layer][0].double() for window in windows
    ]
    return np.asarray(torch.cat(states).mean(0))


def test_a_vector_is_the_mean_of_the_hidden_states_whatever_the_batch(checkpoint: Path, tmp_path: Path) -> None:
    one = embedded(tmp_path / "1", checkpoint, rows(TEXTS), batch_size=1)
    many = embedded(tmp_path / "9", checkpoint, rows(TEXTS), batch_size=9)
    for text, alone, together in zip(TEXTS, one, many, strict=True):
        expected = reference(checkpoint, text)
        np.testing.assert_allclose(alone.vector, expected, atol=1e-5)
        np.testing.assert_allclose(together.vector, expected, atol=1e-5)
    assert [row.num_windows for row in one] == [-(-row.num_tokens // CONTEXT) for row in one]
    assert one[-1].num_windows > 3


def test_another_layer_and_a_limit_of_tokens(checkpoint: Path, tmp_path: Path) -> None:
    (first,) = embedded(tmp_path / "0", checkpoint, rows([STORY]), layer=1)
    np.testing.assert_allclose(first.vector, reference(checkpoint, STORY, 1), atol=1e-5)
    (cut,) = embedded(tmp_path / "5", checkpoint, rows([STORY * 9]), max_tokens=5)
    assert cut.num_tokens == 5


def test_vectors_have_the_same_bits_again(checkpoint: Path, tmp_path: Path) -> None:
    assert embedded(tmp_path / "a", checkpoint, rows(TEXTS)) == embedded(tmp_path / "b", checkpoint, rows(TEXTS))


def test_a_text_that_is_empty_or_missing_has_no_vector_and_says_why(checkpoint: Path, tmp_path: Path) -> None:
    given = rows(["a fox", " \n", ""])
    given[2] = given[2].model_copy(update={"missing": "refused by the server"})
    found = embedded(tmp_path, checkpoint, given)
    assert [row.unembedded for row in found] == [None, "the text is empty", "refused by the server"]
    assert [len(row.vector) for row in found] == [32, 0, 0]


def test_an_unknown_layer_and_a_folder_without_model_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"layer 3 of .*, which has hidden states 0 to 2"):
        embedded(tmp_path / "a", checkpoint, rows(TEXTS), layer=3)
    empty = Output(tmp_path / "empty", Checkpoint)
    (empty.folder / "notes.txt").write_text("nothing")
    empty.commit()
    with pytest.raises(TouchstoneError, match="cannot be loaded"):
        embedded(tmp_path / "b", empty.path, rows(TEXTS))


def test_two_texts_with_one_id_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="two texts share an id"):
        embedded(tmp_path, checkpoint, rows(["a"]) * 2)
