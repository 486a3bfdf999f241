"""Texts -> probabilities of a text classifier's labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.rows import Completion, Rating
from components.generate.hf import checkpoint

EXPECTED = "a Hugging Face text classifier: config.json with its labels, model.safetensors and a tokenizer"
NO_LIMIT_TOKENS = 10**9
"""Tokenizers without a limit give a number beyond this."""
BATCHES_PER_RECORD = 16
"""Batches journalled together."""


class Classifier:
    """A sequence classifier on its device, and which of its labels count."""

    def __init__(self, folder: Path, positive: Sequence[str], *, device: str = "") -> None:
        """Load the classifier.

        Args:
            folder: A Hugging Face directory.
            positive: Names of the labels whose probability is wanted.
            device: Such as cpu or cuda:1; empty = a GPU where there is one.

        Raises:
            TouchstoneError: the folder holds no text classifier, lacks weights, or has no label of such a name.
        """
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with checkpoint.loading(folder, EXPECTED):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
        checkpoint.check_weights(folder, report)
        self._positive = _indices(folder, model.config, positive)
        self._names = tuple(positive)
        self._independent = _is_independent(folder, model.config)
        self._model = checkpoint.placed(folder, model, where)
        self._device = where
        self.max_tokens = _limit(self._model, self._tokenizer)
        """Longest input with the classifier's own special tokens; None = it names no limit."""

    def notes(self) -> Mapping[str, object]:
        """For the manifest."""
        how = "sigmoid, the highest" if self._independent else "softmax, summed"
        return {"labels": list(self._names), "probability": how, "max_tokens": self.max_tokens}

    def rate(self, rows: Sequence[Completion], scorer: str, *, batch_size: int, journal: Journal) -> list[Rating]:
        """Rate completions, in their order; what an earlier call journalled is not read again.

        Args:
            rows: What to rate.
            scorer: Name in the ratings.
            batch_size: Texts at once.
            journal: Where finished parts are kept.
        """
        # By length, so that little is padded; told apart before tokenizing, which is done part by part.
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i].text), i))
        # Without a padding token texts of unlike length cannot lie side by side.
        batch_size = batch_size if self._tokenizer.pad_token_id is not None else 1
        part = batch_size * BATCHES_PER_RECORD
        found: dict[int, Rating] = {}
        for start in tqdm(range(0, len(order), part), desc="classifying", disable=None, leave=False):
            chosen = order[start : start + part]
            kept: Any = journal.read(f"part {start}")
            if kept is None:
                values = [
                    pair
                    for at in range(0, len(chosen), batch_size)
                    for pair in self.probabilities([_readable(rows[i]) for i in chosen[at : at + batch_size]])
                ]
                kept = {"values": [value for value, _ in values], "cut": [cut for _, cut in values]}
                journal.append(f"part {start}", kept)
            for index, value, cut in zip(chosen, kept["values"], kept["cut"], strict=True):
                found[index] = _rating(rows[index], scorer, value, cut)
        return [found[index] for index in range(len(rows))]

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str]) -> list[tuple[float | None, int]]:
        """Of each text: the probability of the positive labels, and how many tokens at its end were not read.

        The probability is the softmax's sum over the positive labels, or, where labels are independent of each other
        (`problem_type` multi_label_classification, or a single label), the highest of their sigmoids. None = the text
        is empty, or the classifier gave something that is no number.
        """
        whole = [len(ids) for ids in self._tokenizer(list(texts), verbose=False)["input_ids"]] if texts else []
        told = [index for index, text in enumerate(texts) if text.strip()]
        made: list[tuple[float | None, int]] = [(None, 0)] * len(texts)
        if not told:
            return made
        batch = self._tokenizer(
            [texts[index] for index in told],
            padding=len(told) > 1,
            truncation=self.max_tokens is not None,
            max_length=self.max_tokens,
            return_tensors="pt",
        ).to(self._device)
        logits = self._model(**batch).logits.double()
        if self._independent:
            values = logits.sigmoid()[:, self._positive].max(-1).values
        else:
            values = logits.softmax(-1)[:, self._positive].sum(-1).clamp(max=1.0)
        for index, value in zip(told, values.tolist(), strict=True):
            cut = max(0, whole[index] - self.max_tokens) if self.max_tokens is not None else 0
            made[index] = (value if math.isfinite(value) else None, cut)
        return made


def _readable(row: Completion) -> str:
    return "" if row.unanswered is not None else row.text


def _rating(row: Completion, scorer: str, value: float | None, cut: int) -> Rating:
    why = None
    if value is None:
        empty = "the text is empty" if not row.text.strip() else "the classifier gave no number"
        why = empty if row.unanswered is None else f"unanswered: {row.unanswered}"
    return Rating(id=row.prompt_id, scorer=scorer, value=value, unscored=why, cut_tokens=cut)


def _indices(folder: Path, config: Any, positive: Sequence[str]) -> list[int]:
    known = {str(name): int(index) for index, name in config.id2label.items()}
    unknown = [name for name in positive if name not in known]
    if unknown or not positive:
        found = f"has no label {unknown[0]!r}" if unknown else "was given, and no label that is positive"
        raise TouchstoneError(
            f"{folder} {found}",
            expected=f"names among its labels: {', '.join(known)}",
            remedy="name in params.positive the labels that mean toxic",
        )
    return [known[name] for name in positive]


def _is_independent(folder: Path, config: Any) -> bool:
    """Whether labels do not exclude each other; as transformers' own text classification decides it."""
    if config.problem_type == "regression":
        raise TouchstoneError(
            f"{folder} gives a number without bounds (problem_type regression)",
            expected="a classifier, whose labels have probabilities",
        )
    return bool(config.problem_type == "multi_label_classification" or config.num_labels == 1)


def _limit(model: Any, tokenizer: Any) -> int | None:
    limits = []
    if tokenizer.model_max_length < NO_LIMIT_TOKENS:
        limits.append(int(tokenizer.model_max_length))
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None:
        # RoBERTa and its kin count positions from after the padding token's.
        embeddings = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
        padding = getattr(embeddings, "padding_idx", None)
        limits.append(int(positions) - (padding + 1 if padding is not None else 0))
    return min(limits, default=None)
