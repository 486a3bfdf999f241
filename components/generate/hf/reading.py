"""Reading rows of tokens and adding up the log-probabilities of what was asked of them."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch

from components.generate.hf.binning import Size, bins, limits
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.packed_attention import KeysValues, Layout, attending, layout
from components.generate.hf.work import Counts

Key = tuple[int, int]
"""What a log-probability belongs to: request and choice, or text and window."""


class Wanted(NamedTuple):
    """A sum of log-probabilities asked of a row."""

    key: Key
    places: tuple[int, ...]
    """Tokens of the row that predict."""
    targets: tuple[int, ...]
    """What each of them is to predict."""


class Row(NamedTuple):
    """Tokens read together: a stem, then branches that each go on from the stem's end."""

    tokens: tuple[int, ...]
    stem: int
    branches: tuple[int, ...]
    """Length of each branch."""
    wanted: tuple[Wanted, ...]

    @property
    def places(self) -> list[int]:
        """Tokens whose prediction is needed, each once."""
        return sorted({place for item in self.wanted for place in item.places})


def branching(stem: tuple[int, ...], continuations: Iterable[tuple[Key, tuple[int, ...]]]) -> Row:
    """A row that reads `stem` once and what the continuations of more than one token need after it."""
    starts: dict[tuple[int, ...], int] = {(): len(stem)}
    tokens, wanted = list(stem), []
    for key, continuation in continuations:
        branch = continuation[:-1]
        if branch not in starts:
            starts[branch] = len(tokens)
            tokens += branch
        places = (len(stem) - 1, *range(starts[branch], starts[branch] + len(branch)))
        wanted.append(Wanted(key, places, continuation))
    return Row(tuple(tokens), len(stem), tuple(map(len, list(starts)[1:])), tuple(wanted))


def whole(context: tuple[int, ...], key: Key, continuation: tuple[int, ...]) -> Row:
    """A row that reads a context and one continuation of it."""
    tokens = context + continuation[:-1]
    places = tuple(range(len(context) - 1, len(tokens)))
    return Row(tokens, len(tokens), (), (Wanted(key, places, continuation),))


def joined(rows: Iterable[Row]) -> list[Row]:
    """Rows of the same tokens become one."""
    by_tokens: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        by_tokens.setdefault(row.tokens, []).append(row)
    return [same[0]._replace(wanted=tuple(item for row in same for item in row.wanted)) for same in by_tokens.values()]


class Reader:
    """Reads rows with one model, adding to `values` and `counts`."""

    def __init__(self, loaded: LoadedModel, max_rows: int) -> None:
        """Nothing is read yet; `max_rows` = 0 leaves the size of batches to us."""
        self.loaded = loaded
        self.limits = limits(loaded, max_rows)
        self.values: dict[Key, float] = {}
        """Natural-log probability of each `Wanted`, summed over its tokens; possibly not a number."""
        self.counts = Counts()
        self._keeps = "logits_to_keep" in inspect.signature(loaded.model.forward).parameters

    def prefix(self, tokens: tuple[int, ...]) -> KeysValues:
        """Keys and values of what many rows begin with."""
        kept: KeysValues = {}
        self._packed_logits(tokens, layout([(len(tokens), ())], self._like(), kept=kept), [len(tokens) - 1])
        self.counts.computed_tokens += len(tokens)
        size = sum(part.numel() * part.element_size() for pair in kept.values() for part in pair)
        self.counts.cache_bytes = max(self.counts.cache_bytes, size)
        return kept

    def packed(self, rows: Sequence[Row], start: int = 0, prefix: KeysValues | None = None) -> None:
        """Read rows that continue a prefix of `start` tokens, end to end and without padding."""
        for batch in self._batches(rows, padded=False):
            where = layout([(row.stem, row.branches) for row in batch], self._like(), start, prefix)
            begins = itertools.accumulate((len(row.tokens) for row in batch), initial=0)
            needed = [begin + place for row, begin in zip(batch, begins, strict=False) for place in row.places]
            self._add(batch, self._packed_logits([token for row in batch for token in row.tokens], where, needed))
            self.counts.computed_tokens += sum(len(row.tokens) for row in batch)

    def _like(self) -> Any:
        return self.loaded.model.get_input_embeddings().weight

    def _packed_logits(self, tokens: Sequence[int], where: Layout, needed: Sequence[int]) -> Any:
        device = self.loaded.device
        at = torch.tensor(needed, device=device)
        with attending(self.loaded.model, where):
            logits = self.loaded.model(
                input_ids=torch.tensor([list(tokens)], device=device),
                position_ids=where.positions,
                use_cache=False,
                **({"logits_to_keep": at} if self._keeps else {}),
            ).logits[0]
        self.counts.projected_positions += len(logits)
        return logits if self._keeps else logits[at]

    def padded(self, rows: Sequence[Row]) -> None:
        """Read whole rows without branches, each from its beginning, padded on the right."""
        for batch in self._batches(rows, padded=True):
            width = len(batch[0].tokens)
            # Padded with the row's own last token: one that occurs nowhere could bring numbers of its own.
            ids = [[*row.tokens, *[row.tokens[-1]] * (width - len(row.tokens))] for row in batch]
            mask = [[1] * len(row.tokens) + [0] * (width - len(row.tokens)) for row in batch]
            columns = sorted({place for row in batch for place in row.places}) if self._keeps else range(width)
            device = self.loaded.device
            logits = self.loaded.model(
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
                use_cache=False,
                **({"logits_to_keep": torch.tensor(columns, device=device)} if self._keeps else {}),
            ).logits
            column = {place: index for index, place in enumerate(columns)}
            needed = [(r, column[place]) for r, row in enumerate(batch) for place in row.places]
            at, of = torch.tensor(needed, device=device).T
            self._add(batch, logits[at, of])
            self.counts.projected_positions += logits.shape[0] * logits.shape[1]
            real = sum(len(row.tokens) for row in batch)
            self.counts.computed_tokens += real
            self.counts.padding_tokens += width * len(batch) - real

    def _batches(self, rows: Sequence[Row], *, padded: bool) -> Iterable[list[Row]]:
        sizes = [Size(len(row.tokens), len(row.places)) for row in rows]
        for batch in bins(sizes, self.limits, padded=padded):
            yield [rows[index] for index in batch]

    def _add(self, batch: Sequence[Row], logits: Any) -> None:
        """Add up what is wanted of a batch; `logits` holds its rows' places in order."""
        lines: list[int] = []
        targets: list[int] = []
        sizes: list[int] = []
        keys: list[Key] = []
        line = 0
        for row in batch:
            number = {place: line + index for index, place in enumerate(row.places)}
            line += len(number)
            for item in row.wanted:
                lines += [number[place] for place in item.places]
                targets += item.targets
                sizes.append(len(item.targets))
                keys.append(item.key)
        logits = logits.float()
        total = logits.logsumexp(-1)
        at, to = torch.tensor([lines, targets], device=logits.device)
        chosen = (logits[at, to] - total[at]).cpu()
        self.values.update(zip(keys, (float(part.sum()) for part in chosen.split(sizes)), strict=True))
