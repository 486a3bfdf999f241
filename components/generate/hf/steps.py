"""Forward passes over slots: prompts in blocks, then one token of every row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from components.generate.hf.slots import Slots

LOG = logging.getLogger(__name__)
COLUMNS = 256
"""Fixed steps read a multiple of this many columns."""


def read_prompts(model: Any, slots: Slots, ids: Any, first_column: int) -> None:
    """One pass over prompts, into the slots that were announced, without the vocabulary projection.

    Args:
        model: A transformers causal LM.
        slots: Where keys and values go.
        ids: Tokens, padded at the right: what comes behind a row's end is overwritten before it is ever read.
            Shape [rows, tokens].
        first_column: Tokens before them.
    """
    positions = torch.arange(first_column, first_column + ids.shape[1], device=ids.device)
    model.base_model(input_ids=ids, position_ids=positions.expand(len(ids), -1), past_key_values=slots, use_cache=True)


class Steps:
    """Steps over as many rows and columns as are in use: on a CPU nothing else costs less."""

    def __init__(self, model: Any, slots: Slots) -> None:
        """Work on `slots`.

        Args:
            model: A transformers causal LM.
            slots: Rows 0, 1, ... are read and written.
        """
        self.model, self.slots, self.device = model, slots, model.device
        self._starts = torch.arange(slots.num_slots, device=self.device) * slots.capacity

    def width(self, num_rows: int) -> int:
        """Rows that are computed when `num_rows` are in use."""
        return num_rows

    def __call__(self, tokens: Any, positions: Any, num_columns: int) -> Any:
        """Logits after one token of every row, shape [rows, vocabulary].

        Args:
            tokens: Shape [rows].
            positions: Column of each token, shape [rows].
            num_columns: Columns to read; more than any position.
        """
        positions = positions.to(self.device)
        return self._forward(
            tokens.to(self.device)[:, None],
            positions[:, None],
            self._starts[: len(positions)] + positions,
            _mask(positions, num_columns, self.model.dtype),
        )

    def _forward(self, ids: Any, positions: Any, index: Any, mask: Any) -> Any:
        self.slots.expect_step(index, mask.shape[-1])
        return self.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=self.slots, use_cache=True
        ).logits[:, -1]


class FixedSteps(Steps):
    """Steps of few shapes, each over memory that stays where it is, so that a shape is recorded once and replayed.

    The number of rows is a power of two (or all slots), that of columns a multiple of `COLUMNS`. Rows beyond those in
    use write into the first free column of their own slot, where the next prompt overwrites it.
    """

    def __init__(self, model: Any, slots: Slots, free_column: int, record: Callable[[Callable[..., Any]], Any]) -> None:
        """Nothing is recorded before a shape is met.

        Args:
            model: A transformers causal LM.
            slots: As in `Steps`.
            free_column: First column behind the shared prefix.
            record: Turns the step of one shape, a function of four tensors, into one that is called with the same
                four tensors each time: `cuda_graph` or, where there is a compiler, `torch.compile`.
        """
        super().__init__(model, slots)
        self._free_column, self._record = free_column, record
        self._shapes: dict[tuple[int, int], tuple[Any, tuple[Any, ...]]] = {}

    def width(self, num_rows: int) -> int:
        """The power of two that holds `num_rows`, or all slots."""
        return min(1 << (num_rows - 1).bit_length(), self.slots.num_slots)

    def __call__(self, tokens: Any, positions: Any, num_columns: int) -> Any:
        """As in `Steps`."""
        rows, columns = self.width(len(tokens)), min(-(-num_columns // COLUMNS) * COLUMNS, self.slots.capacity)
        if (rows, columns) not in self._shapes:
            self._shapes[rows, columns] = self._recorded(rows, columns)
        step, held = self._shapes[rows, columns]
        ids, at, index, mask = held
        used = len(tokens)
        ids[:used, 0].copy_(tokens)
        at.fill_(self._free_column)
        at[:used, 0].copy_(positions)
        torch.add(self._starts[:rows], at[:, 0], out=index)
        mask.copy_(_mask(at[:, 0], columns, self.model.dtype))
        return step(*held)[:used]

    def _recorded(self, rows: int, columns: int) -> tuple[Any, tuple[Any, ...]]:
        ids = torch.zeros((rows, 1), dtype=torch.long, device=self.device)
        at = torch.full_like(ids, self._free_column)
        index = self._starts[:rows] + at[:, 0]
        held = (ids, at, index, _mask(at[:, 0], columns, self.model.dtype))
        return self._record(self._forward), held


def cuda_graph(step: Callable[..., Any]) -> Callable[..., Any]:
    """Record `step` as a CUDA graph at its first call and replay it from then on: one launch instead of hundreds.

    The first calls run outside the graph, on a stream of their own, as torch's notes on CUDA graphs ask: libraries
    allocate on first use. They write only what the recorded call writes as well. A step that waits for the device
    (some mixtures of experts count tokens on the host) cannot be recorded and is called each time.

    Not yet run on a GPU: `torch.compile(fullgraph=True)` stands in for it in tests.
    """
    recorded: list[tuple[Any, Any]] = []

    def replay(*held: Any) -> Any:
        if not recorded:
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(2):
                    step(*held)
            torch.cuda.current_stream().wait_stream(beside)
            recorded.append(_record(step, held))
        graph, logits = recorded[0]
        if graph is None:
            return step(*held)
        graph.replay()
        return logits

    return replay


def _record(step: Callable[..., Any], held: tuple[Any, ...]) -> tuple[Any, Any]:
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            logits = step(*held)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        torch.cuda.synchronize()  # raises if it was the device that failed
        LOG.warning("a step cannot be recorded and is launched each time: %s", (str(error).splitlines() or [""])[0])
        return None, None
    return graph, logits


def _mask(positions: Any, num_columns: int, dtype: torch.dtype) -> Any:
    """Additive: every row sees its own columns up to its position. Shape [rows, 1, 1, columns]."""
    hidden = torch.arange(num_columns, device=positions.device) > positions[:, None]
    mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
    return mask.masked_fill_(hidden, torch.finfo(dtype).min)[:, None, None]
