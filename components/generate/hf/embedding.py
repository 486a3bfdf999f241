"""Texts -> vectors: a causal LM's hidden states, averaged over the tokens of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from components.contracts.attribution_rows import AuthoredText, Embedding
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.generate.hf import checkpoint
from components.generate.hf.memory import is_out_of_memory
from components.generate.hf.tokens import context_limit, encode

PART_CHARACTERS = 400_000
"""Of the texts embedded between two records of the journal, unless one alone is longer: what a kill can lose."""
PART_TEXTS = 256


class _Window(NamedTuple):
    """A piece of a text that fits the model's context."""

    text: int
    tokens: Sequence[int]


class Embedder:
    """A causal LM on its device, and the layer that is looked at."""

    def __init__(self, folder: Path, *, layer: int = -1, device: str = "") -> None:
        """Load the model, in float32.

        Args:
            folder: A Hugging Face directory.
            layer: Which hidden states: 0 = the embedding table's, 1 = after the first layer, ...; -1 = the last ones.
            device: Such as cpu or cuda:1; empty = a GPU where there is one.

        Raises:
            TouchstoneError: the folder holds no causal LM.
            UsageError: the model has no such layer.
        """
        self._loaded = checkpoint.load(folder, device)
        self._body: Any = self._loaded.model.base_model
        self._limit = context_limit(self._loaded)
        self._layer = layer
        probe = self._states(torch.zeros((1, 1), dtype=torch.long, device=self._loaded.device))
        self._num_layers = len(probe)
        if not -self._num_layers <= layer < self._num_layers:
            raise UsageError(
                f"layer {layer} of {folder}, which has hidden states 0 to {self._num_layers - 1}",
                expected=f"-{self._num_layers} to {self._num_layers - 1}",
            )
        self._width = int(probe[layer].shape[-1])

    def notes(self) -> Mapping[str, object]:
        """For the manifest."""
        layer = self._layer % self._num_layers
        return {"layer": layer, "last_layer": self._num_layers - 1, "width": self._width, "context": self._limit}

    def embed(
        self, rows: Sequence[AuthoredText], *, batch_size: int, max_tokens: int, journal: Journal
    ) -> list[Embedding]:
        """Embed texts, in their order; what an earlier call journalled is not read again.

        Args:
            rows: The texts.
            batch_size: Windows read at once. Changes rounding only.
            max_tokens: Of a longer text the beginning is read; 0 = all of it.
            journal: Where finished parts are kept.
        """
        found: dict[str, Embedding] = {}
        with tqdm(total=len(rows), desc="embedding", disable=None, leave=False) as bar:
            for number, part in enumerate(_parts(rows)):
                kept: Any = journal.read(f"part {number}")
                if kept is None:
                    made = self._part(part, batch_size, max_tokens)
                    journal.append(f"part {number}", {"rows": [row.model_dump(mode="json") for row in made]})
                else:
                    made = [Embedding.model_validate(row) for row in kept["rows"]]
                found.update((row.id, row) for row in made)
                bar.update(len(part))
        return [found[row.id] for row in rows]

    def _part(self, rows: Sequence[AuthoredText], batch_size: int, max_tokens: int) -> list[Embedding]:
        readable = [i for i, row in enumerate(rows) if row.missing is None and row.text.strip()]
        tokens = dict(zip(readable, encode(self._loaded, [rows[i].text for i in readable]), strict=True))
        if max_tokens:
            tokens = {i: ids[:max_tokens] for i, ids in tokens.items()}
        windows = [
            _Window(i, ids[at : at + self._limit])
            for i, ids in tokens.items()
            for at in range(0, len(ids), self._limit)
        ]
        # By length, so that little is padded; what a window gives does not depend on its neighbours.
        windows.sort(key=lambda window: (len(window.tokens), window.text))
        sums = np.zeros((len(rows), self._width))
        for at in range(0, len(windows), batch_size):
            batch = windows[at : at + batch_size]
            for window, total in zip(batch, self._totals(batch), strict=True):
                sums[window.text] += total
        counts = {i: sum(window.text == i for window in windows) for i in readable}
        return [_row(row, sums[i], tokens.get(i, ()), counts.get(i, 0)) for i, row in enumerate(rows)]

    @torch.inference_mode()
    def _totals(self, batch: Sequence[_Window]) -> npt.NDArray[np.float64]:
        """Sums of the hidden states over each window's tokens: windows x width."""
        longest = max(len(window.tokens) for window in batch)
        # Filled up at the end: a causal LM reads from left to right, so no token sees what is put there.
        ids = torch.zeros((len(batch), longest), dtype=torch.long)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for row, window in enumerate(batch):
            ids[row, : len(window.tokens)] = torch.tensor(window.tokens)
            mask[row, : len(window.tokens)] = 1
        where = self._loaded.device
        states = self._states(ids.to(where), mask.to(where))[self._layer].double()
        # Not a product with the mask: what stands at the fillings may be no number.
        kept = torch.where(mask.to(where).bool()[:, :, None], states, torch.zeros((), dtype=states.dtype, device=where))
        return np.asarray(kept.sum(1).cpu().numpy())

    @torch.inference_mode()
    def _states(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> Sequence[torch.Tensor]:
        """Hidden states before the first layer and after each; the head, which would cost most, is left out."""
        try:
            made = self._body(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise TouchstoneError(
                f"{len(ids)} windows of {ids.shape[1]} tokens do not fit into the memory of {self._loaded.device}",
                expected="room for the hidden states of a batch",
                remedy="lower params.batch_size",
            ) from error
        found: Sequence[torch.Tensor] = made.hidden_states
        return found


def _row(row: AuthoredText, total: npt.NDArray[np.float64], tokens: Sequence[int], num_windows: int) -> Embedding:
    reason = row.missing or ("the text is empty" if not row.text.strip() else None)
    reason = reason or (None if tokens else "the tokenizer finds no token in the text")
    mean = (total / max(1, len(tokens))).astype(np.float32)
    if reason is None and not np.isfinite(mean).all():
        reason = "the model's hidden states are no numbers"
    return Embedding(
        id=row.id,
        # The shortest decimals that give the same float32.
        vector=() if reason else tuple(float(str(value)) for value in mean),
        num_tokens=len(tokens),
        num_windows=num_windows,
        unembedded=reason,
    )


def _parts(rows: Sequence[AuthoredText]) -> list[list[AuthoredText]]:
    """Texts of like length together, in parts that depend on the texts alone."""
    parts: list[list[AuthoredText]] = []
    held = 0
    for row in sorted(rows, key=lambda row: (len(row.text), row.id)):
        if not parts or len(parts[-1]) == PART_TEXTS or held + len(row.text) > PART_CHARACTERS:
            parts.append([])
            held = 0
        parts[-1].append(row)
        held += len(row.text)
    return parts
