"""The decoding loop: slots that are refilled as rows end, and a step in which only rows in use are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from components.contracts.rows import Request
from components.generate.hf.checkpoint import LoadedModel
from components.generate.hf.fit import num_layers
from components.generate.hf.sampling import BROKEN, choose, end_tokens, uniforms
from components.generate.hf.sharing import common_length
from components.generate.hf.slots import Slots
from components.generate.hf.steps import FixedSteps, Steps, cuda_graph, read_prompts
from components.generate.hf.stops import StopWatch
from components.generate.hf.work import Counts

WORTH_SHARING_TOKENS = 4
REFILL_SHARE = 8
"""New rows are read when 1 / REFILL_SHARE of the slots is free: single rows read alone cost as much as several."""
PASS_TOKENS = {"cpu": 8192, "cuda": 32768}
"""Tokens of one pass over prompts at most."""
START_TOKENS = {"cpu": 64, "cuda": 512}
"""Padding that costs as much as a further pass."""


class Written(NamedTuple):
    """What one row came to."""

    tokens: tuple[int, ...]
    """Without the end token."""
    ended: bool
    """The model ended it."""
    broken: bool
    """The model's output was not a number."""


class Row(NamedTuple):
    """A request in a slot."""

    at: int
    """Its place in the unit."""
    tokens: tuple[int, ...]
    watch: StopWatch


class Decoder:
    """Runs one unit."""

    def __init__(
        self,
        loaded: LoadedModel,
        requests: Sequence[Request],
        prompts: Sequence[tuple[int, ...]],
        num_slots: int,
        *,
        fixed: bool | None = None,
        record: Any = cuda_graph,
    ) -> None:
        """Nothing is run or allocated yet.

        Args:
            loaded: The model.
            requests: Each with at least one token to write.
            prompts: Their tokens, at least one each.
            num_slots: Rows held at once, at most.
            fixed: Steps of fixed shapes; None = on CUDA only.
            record: As in `FixedSteps`.
        """
        self.model, self.tokenizer, self.device = loaded.model, loaded.tokenizer, loaded.device
        self.requests, self.prompts = requests, prompts
        self.ends = np.array(sorted(end_tokens(loaded.model, loaded.tokenizer)), dtype=np.int64)
        self.prefix = shared_length(prompts)
        capacity = max(len(tokens) + r.max_tokens - 1 for tokens, r in zip(prompts, requests, strict=True))
        self.slots = Slots(num_layers(self.model), min(num_slots, len(prompts)), max(capacity, self.prefix + 1))
        on_cuda = self.device.type == "cuda"
        self.steps = (
            FixedSteps(self.model, self.slots, self.prefix, record)
            if (on_cuda if fixed is None else fixed)
            else Steps(self.model, self.slots)
        )
        kind = "cuda" if on_cuda else "cpu"
        self._pass = PASS_TOKENS[kind], START_TOKENS[kind]
        # Longest first: what is read together is of like length, and the long rows do not come last.
        self.queue = deque(sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), prompts[i], i)))
        self.rows: list[Row] = []
        """Rows in use; row k lives in slot k, and in entry k of every array."""
        self.state = _State(self.slots.num_slots, requests)
        self._watches: dict[tuple[str, ...], StopWatch] = {}
        self.counts = Counts()
        self._done: dict[int, Written] = {}

    def run(self) -> list[Written]:
        """Every row's tokens, in the order of the requests."""
        try:
            self._read_prefix()
            while self.queue or self.rows:
                if self.queue and (self._free() * REFILL_SHARE >= self.slots.num_slots or not self.rows):
                    self._refill()
                self._step()
            self.counts.cache_bytes = self.slots.num_bytes
        finally:
            # An out-of-memory error holds this frame while fewer rows are tried.
            self.slots.release()
        return [self._done[at] for at in range(len(self.requests))]

    def _free(self) -> int:
        return self.slots.num_slots - len(self.rows)

    def _read_prefix(self) -> None:
        if not self.prefix:
            return
        self.slots.expect_prompts(0, 0)
        read_prompts(self.model, self.slots, torch.tensor([self.prompts[0][: self.prefix]], device=self.device), 0)
        self.slots.spread(self.prefix)
        self.counts.computed_tokens += self.prefix

    def _refill(self) -> None:
        """Fill the free slots; rows whose prompt is in a slot already copy it from there."""
        new = [self.queue.popleft() for _ in range(min(self._free(), len(self.queue)))]
        held = {row.tokens: slot for slot, row in enumerate(self.rows)}
        first_of: dict[tuple[int, ...], int] = {}
        for at in new:
            if self.prompts[at] not in held:
                first_of.setdefault(self.prompts[at], at)
        fresh = list(first_of.values())
        unread = [at for at in fresh if len(self.prompts[at]) > self.prefix + 1]
        for size in pass_sizes([len(self.prompts[at]) - self.prefix - 1 for at in unread], *self._pass):
            self._read(unread[:size])
            unread = unread[size:]
        self._admit([at for at in fresh if len(self.prompts[at]) <= self.prefix + 1])
        held = {row.tokens: slot for slot, row in enumerate(self.rows)}
        taken = set(fresh)
        for at in new:
            if at not in taken:
                tokens = self.prompts[at]
                self.slots.copy(held[tokens], len(self.rows), self.prefix, len(tokens) - 1)
                self._admit([at])

    def _read(self, batch: Sequence[int]) -> None:
        """Read prompts, all but their last token: that one is part of the next step, which projects it anyway."""
        rest = [self.prompts[at][self.prefix : -1] for at in batch]
        width = max(map(len, rest))
        ids = np.zeros((len(rest), width), dtype=np.int64)
        for row, tokens in zip(ids, rest, strict=True):
            # Padding repeats the row's own end: a token whose embedding is not a number must not enter other rows.
            row[:] = tokens[-1]
            row[: len(tokens)] = tokens
        self.slots.expect_prompts(len(self.rows), self.prefix)
        read_prompts(self.model, self.slots, torch.from_numpy(ids).to(self.device), self.prefix)
        useful = sum(map(len, rest))
        self.counts.computed_tokens += useful
        self.counts.padding_tokens += ids.size - useful
        self._admit(batch)

    def _admit(self, batch: Sequence[int]) -> None:
        for at in batch:
            request, tokens = self.requests[at], self.prompts[at]
            if request.stop not in self._watches:
                self._watches[request.stop] = StopWatch(self.tokenizer, request.stop)
            self.state.enter(len(self.rows), request, tokens)
            self.rows.append(Row(at, tokens, self._watches[request.stop]))
            self.counts.input_tokens += len(tokens)

    def _step(self) -> None:
        """One more token for every row."""
        state, used = self.state, len(self.rows)
        tokens, positions = torch.from_numpy(state.token[:used]), torch.from_numpy(state.position[:used])
        logits = self.steps(tokens, positions, int(state.position[:used].max()) + 1)
        width = self.steps.width(used)
        self.counts.computed_tokens += used
        self.counts.padding_tokens += width - used
        self.counts.projected_positions += width
        chosen = choose(logits, state.heat[:used], state.nuclei[:used], state.drawn(used))
        broken, ended = chosen == BROKEN, np.isin(chosen, self.ends)
        leaving = state.take(chosen, ~(broken | ended)) | broken | ended
        self._see_stops(chosen, leaving)
        # From the last to the first, so that the row that moves up into a gap is never one that leaves.
        for slot in np.flatnonzero(leaving)[::-1].tolist():
            self._leave(slot, ended=bool(ended[slot]), broken=bool(broken[slot]))

    def _see_stops(self, chosen: npt.NDArray[np.int64], leaving: npt.NDArray[np.bool_]) -> None:
        """Mark rows whose text has come to a stop string."""
        for watch in self._watches.values():
            if watch.stops:
                mine = np.array([row.watch is watch for row in self.rows]) if len(self._watches) > 1 else True
                slots = np.flatnonzero(mine & ~leaving)
                for slot in slots[watch.may_end(chosen[slots])].tolist():
                    leaving[slot] = watch.ended(self.state.written(slot))

    def _leave(self, slot: int, *, ended: bool, broken: bool) -> None:
        """Free a slot; the last row moves into it, so that rows in use stay side by side."""
        row, written = self.rows[slot], self.state.written(slot)
        self._done[row.at] = Written(tuple(written), ended, broken)
        self.counts.input_tokens += len(written) + (ended or broken) - 1
        if broken:
            self.slots.wipe(slot, self.prefix)
        last = len(self.rows) - 1
        self.slots.copy(last, slot, self.prefix, int(self.state.position[last]))
        self.state.move(last, slot)
        self.rows[slot] = self.rows[last]
        self.rows.pop()


class _State:
    """What changes at every step, one entry a slot: arrays, because a loop over rows would cost more than a step."""

    def __init__(self, num_slots: int, requests: Sequence[Request]) -> None:
        longest = max(request.max_tokens for request in requests)
        self.token = np.zeros(num_slots, dtype=np.int64)
        """Token that the next step reads."""
        self.position = np.zeros(num_slots, dtype=np.int64)
        """Its column."""
        self.count = np.zeros(num_slots, dtype=np.int64)
        """Tokens written."""
        self.limit = np.zeros(num_slots, dtype=np.int64)
        self.heat = np.zeros(num_slots, dtype=np.float32)
        self.nuclei = np.ones(num_slots, dtype=np.float32)
        self.text = np.zeros((num_slots, longest), dtype=np.int64)
        sampled = any(request.temperature > 0 for request in requests)
        self.draws = np.zeros((num_slots, longest if sampled else 1))
        self._every = np.arange(num_slots)

    def enter(self, slot: int, request: Request, tokens: Sequence[int]) -> None:
        """Begin a row."""
        self.token[slot], self.position[slot] = tokens[-1], len(tokens) - 1
        self.count[slot], self.limit[slot], self.heat[slot] = 0, request.max_tokens, request.temperature
        self.nuclei[slot] = request.top_p
        if request.temperature > 0:
            self.draws[slot, : request.max_tokens] = uniforms(request)

    def drawn(self, used: int) -> npt.NDArray[np.float64]:
        """The random number of each row's next token."""
        found: npt.NDArray[np.float64] = self.draws[self._every[:used], self.count[:used] % self.draws.shape[1]]
        return found

    def take(self, chosen: npt.NDArray[np.int64], real: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Add a token to every row where it is `real`; tells which rows are full."""
        used = len(chosen)
        self.text[self._every[:used], self.count[:used]] = chosen
        self.count[:used] += real
        self.token[:used] = chosen
        self.position[:used] += 1
        full: npt.NDArray[np.bool_] = self.count[:used] >= self.limit[:used]
        return full

    def written(self, slot: int) -> list[int]:
        """Tokens of a row so far."""
        tokens: list[int] = self.text[slot, : self.count[slot]].tolist()
        return tokens

    def move(self, source: int, target: int) -> None:
        """A row changes its slot."""
        for array in (self.token, self.position, self.count, self.limit, self.heat, self.nuclei, self.text, self.draws):
            array[target] = array[source]


def shared_length(prompts: Sequence[tuple[int, ...]]) -> int:
    """Leading tokens that all prompts share and that are run once; at least one token of each prompt is left."""
    length = min(common_length(min(prompts), max(prompts)), min(map(len, prompts)) - 1)
    return length if len(prompts) > 1 and length >= WORTH_SHARING_TOKENS else 0


def pass_sizes(lengths: Sequence[int], pass_tokens: int, start_tokens: int) -> list[int]:
    """How many of `lengths`, longest first, each pass reads: a new pass begins where padding would cost more than it.

    Args:
        lengths: Tokens to read of each row, in descending order.
        pass_tokens: A pass's positions at most (one row is read whatever its length).
        start_tokens: Padding that costs as much as a pass.
    """
    sizes: list[int] = []
    width = padding = 0
    for length in lengths:
        if sizes and padding + width - length <= start_tokens and (sizes[-1] + 1) * width <= pass_tokens:
            sizes[-1] += 1
            padding += width - length
        else:
            sizes.append(1)
            width, padding = length, 0
    return sizes
