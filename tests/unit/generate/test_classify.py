"""Ratings of a text classifier, beside a plain forward pass and transformers' own pipeline."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from components.contracts import bind
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Completion, Rating
from components.generate.hf.classify import Classifier
from components.generate.step import classify
from tests.unit.generate.conftest import tokenizer

TEXTS = ["the quick brown fox", "an ox or a dog", "1. one 2. two", "a", "the lazy dog jumps over the fox, is it?"]
LABELS = {0: "fine", 1: "toxic", 2: "insult"}
SHAPE: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def save(folder: Path, *, roberta: bool = False, max_length: int = 32, **changes: Any) -> Path:
    torch.manual_seed(0)
    tok = tokenizer()
    tok.model_max_length = max_length
    fields = {**SHAPE, "vocab_size": len(tok), "id2label": LABELS, "label2id": {v: k for k, v in LABELS.items()}}
    fields |= {"max_position_embeddings": 40, "initializer_range": 0.4, "pad_token_id": tok.pad_token_id, **changes}
    made = (
        RobertaForSequenceClassification(RobertaConfig(**fields))
        if roberta
        else BertForSequenceClassification(BertConfig(**fields))
    )
    made.save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder


def rows(*texts: str) -> list[Completion]:
    return [Completion(prompt_id=str(i), model="m", text=text) for i, text in enumerate(texts)]


def plain(folder: Path, text: str, max_length: int = 32) -> Any:
    model, tok = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return model(**tok(text, truncation=True, max_length=max_length, return_tensors="pt")).logits[0]


def rated(folder: Path, place: Path, said: list[Completion], **params: Any) -> tuple[list[Rating], bind.Outcome]:
    Output(place / "completions", Completion).write(said)
    target = Output(place / "checkpoint", Checkpoint)
    made = target.folder
    for path in folder.iterdir():
        (made / path.name).write_bytes(path.read_bytes())
    target.commit()
    paths = {name: place / name for name in ("completions", "checkpoint", "ratings")}
    outcome = bind.call(classify, params=params, **paths)
    return Input(place / "ratings", Rating).rows(), outcome


def test_one_label_of_several_is_a_softmax(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    found, _ = rated(folder, tmp_path, rows(*TEXTS), positive=["toxic"], name="tiny", batch_size=2)
    assert [row.id for row in found] == ["0", "1", "2", "3", "4"]
    for row, text in zip(found, TEXTS, strict=True):
        assert row.value == pytest.approx(float(plain(folder, text).softmax(-1)[1]), abs=1e-6)
        assert (row.unscored, row.refusal, row.cut_tokens) == (None, False, 0)
        assert row.scorer.startswith("tiny@")


def test_values_equal_transformers_pipeline(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", problem_type="multi_label_classification")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import pipeline

        reference = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)(TEXTS)
    expected = [max(part["score"] for part in parts if part["label"] in {"toxic", "insult"}) for parts in reference]
    found, _ = rated(folder, tmp_path, rows(*TEXTS), positive=["toxic", "insult"])
    assert [row.value for row in found] == pytest.approx(expected, abs=1e-6)


def test_two_labels_that_exclude_each_other_add_up(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    found, _ = rated(folder, tmp_path, rows(TEXTS[0]), positive=["toxic", "insult"])
    assert found[0].value == pytest.approx(float(plain(folder, TEXTS[0]).softmax(-1)[1:].sum()), abs=1e-6)


def test_a_single_label_is_a_sigmoid(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", id2label={0: "toxic"}, label2id={"toxic": 0})
    found, _ = rated(folder, tmp_path, rows(TEXTS[0]), positive=["toxic"])
    assert found[0].value == pytest.approx(float(plain(folder, TEXTS[0]).sigmoid()[0]), abs=1e-6)


@pytest.mark.parametrize("roberta", [False, True])
def test_of_a_long_text_the_beginning_is_rated_and_the_rest_counted(tmp_path: Path, roberta: bool) -> None:
    folder = save(tmp_path / "model", roberta=roberta, max_length=10**30)
    text = "the fox and the dog " * 30
    num_tokens = len(tokenizer().encode(text))
    # RoBERTa's positions begin after the padding token's.
    limit = 40 - (tokenizer().pad_token_id + 1 if roberta else 0)
    found, outcome = rated(folder, tmp_path, rows(text, "a"), positive=["toxic"])
    expected = plain(folder, text, max_length=limit).softmax(-1)[1]
    assert found[0].value == pytest.approx(float(expected), abs=1e-6)
    assert [row.cut_tokens for row in found] == [num_tokens - limit, 0]
    assert outcome.metrics["cut_texts"] == 1


def test_what_cannot_be_rated_says_why(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    said = [*rows("", " \n", "a fox"), Completion(prompt_id="3", model="m", text="", unanswered="refused")]
    found, outcome = rated(folder, tmp_path, said, positive=["toxic"])
    assert [row.unscored for row in found] == ["the text is empty", "the text is empty", None, "unanswered: refused"]
    assert [row.value is None for row in found] == [True, True, False, True]
    assert outcome.metrics["unscored"] == 3


def test_a_classifiers_nan_is_no_rating(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    classifier = Classifier(folder, ["toxic"], device="cpu")
    torch.nn.init.constant_(classifier._model.classifier.bias, float("nan"))
    with contextlib.closing(Journal(tmp_path / "journal")) as journal:
        (row,) = classifier.rate(rows("a fox"), "s", batch_size=4, journal=journal)
    assert (row.value, row.unscored) == (None, "the classifier gave no number")


def test_finished_parts_are_not_rated_again(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    said = rows(*(TEXTS * 20))
    with contextlib.closing(Journal(tmp_path / "journal")) as journal:
        first = Classifier(folder, ["toxic"], device="cpu").rate(said, "s", batch_size=2, journal=journal)
        assert len(list(journal.records())) == 4
        broken = Classifier(folder, ["toxic"], device="cpu")
        torch.nn.init.constant_(broken._model.classifier.bias, float("nan"))
        assert broken.rate(said, "s", batch_size=2, journal=journal) == first


@pytest.mark.parametrize("positive", [[], ["hateful"]])
def test_a_label_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, positive: list[str]) -> None:
    folder = save(tmp_path / "model")
    with pytest.raises(TouchstoneError, match="no label") as caught:
        rated(folder, tmp_path, rows("a"), positive=positive)
    assert "fine, toxic, insult" in caught.value.expected


def test_a_regression_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", problem_type="regression")
    with pytest.raises(TouchstoneError, match="a number without bounds"):
        Classifier(folder, ["toxic"])


def test_a_classifier_without_its_head_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(TouchstoneError, match=r"lacks the weights of classifier\.bias"):
        Classifier(folder, ["toxic"])
