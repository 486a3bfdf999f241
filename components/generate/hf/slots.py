"""Keys and values of many rows in storage allocated once: one slot a row, one column a token, written in place."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class Place:
    """Where the next forward pass reads and writes; shared by all layers.

    A prompt pass writes a block: slots first_slot.. and columns first_column.. on. A step writes one column a slot,
    each slot at its own column, into slots 0..num_slots - 1, and reads columns 0..num_columns - 1.
    """

    first_slot = 0
    first_column = 0
    step = False
    num_slots = 0
    num_columns = 0
    index: Any = None
    """Step only: slot x capacity + column of each row, shape [num_slots]."""


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer's storage, shape [slots, capacity, heads, head size]: a token's keys are one block of memory."""

    is_compileable = False
    is_sliding = False

    def __init__(self, num_slots: int, capacity: int, place: Place) -> None:
        super().__init__()
        self.num_slots, self.capacity, self.place = num_slots, capacity, place

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        """Allocate; zeros, because a mask cannot hide what is not a number."""
        for name, states in (("keys", key_states), ("values", value_states)):
            shape = (self.num_slots, self.capacity, states.shape[1], states.shape[3])
            setattr(self, name, torch.zeros(shape, dtype=states.dtype, device=states.device))
        self.is_initialized = True

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Write the pass's keys and values, and return what it attends to.

        Args:
            key_states: Shape [rows, heads, tokens, head size].
            value_states: The same.
            args: Ignored.
            kwargs: Ignored.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        return self._written(self.keys, key_states), self._written(self.values, value_states)

    def _written(self, storage: Any, states: Any) -> Any:
        place = self.place
        if place.step:
            storage.view(-1, *storage.shape[2:]).index_copy_(0, place.index, states.squeeze(2))
            return storage[: place.num_slots, : place.num_columns].transpose(1, 2)
        first, last = place.first_column, place.first_column + states.shape[2]
        block = storage[place.first_slot : place.first_slot + states.shape[0]]
        block[:, first:last].copy_(states.transpose(1, 2))
        # Without a prefix, what was just computed is all there is to attend to.
        return states if first == 0 else block[:, :last].transpose(1, 2)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys that a pass of `query_length` tokens reads, and the column of the first."""
        return (self.place.num_columns if self.place.step else self.place.first_column + query_length), 0

    def get_seq_length(self) -> int:
        """Tokens before those of the next pass."""
        return self.place.num_columns - 1 if self.place.step else self.place.first_column

    def get_max_length(self) -> int:
        """Columns of a slot."""
        return self.capacity


class Slots(Cache):  # type: ignore[misc]
    """A transformers cache whose rows stay where they are while others come and go."""

    def __init__(self, num_layers: int, num_slots: int, capacity: int) -> None:
        """Nothing is allocated before the first pass, which tells heads, sizes and types.

        Args:
            num_layers: Of the model.
            num_slots: Rows held at once.
            capacity: Tokens of the longest row.
        """
        self.place = Place()
        self.num_slots, self.capacity = num_slots, capacity
        super().__init__(layers=[SlotLayer(num_slots, capacity, self.place) for _ in range(num_layers)])

    def expect_prompts(self, first_slot: int, first_column: int) -> None:
        """The next pass reads prompts, into neighbouring slots from the same column on."""
        self.place.step, self.place.first_slot, self.place.first_column = False, first_slot, first_column

    def expect_step(self, index: Any, num_columns: int) -> None:
        """The next pass reads one token of each of the first slots.

        Args:
            index: Slot x capacity + column to write, of slots 0, 1, ...; shape [slots], on the device.
            num_columns: Columns that are read.
        """
        place = self.place
        place.step, place.index, place.num_slots, place.num_columns = True, index, len(index), num_columns

    def spread(self, num_columns: int) -> None:
        """Copy the first columns of slot 0 to every slot."""
        for storage in self._storages():
            storage[1:, :num_columns] = storage[:1, :num_columns]

    def copy(self, source: int, target: int, first: int, last: int) -> None:
        """Copy columns `first` to `last` (exclusive) of one slot to another."""
        if first < last and source != target:
            for storage in self._storages():
                storage[target, first:last] = storage[source, first:last]

    def wipe(self, slot: int, first: int) -> None:
        """Zero a slot from column `first` on: left-over NaN would reach the next row through 0 x NaN."""
        for storage in self._storages():
            storage[slot, first:] = 0

    def release(self) -> None:
        """Give the storage back, even where a traceback still holds this cache."""
        for layer in self.layers:
            layer.keys = layer.values = None
            layer.is_initialized = False

    @property
    def num_bytes(self) -> int:
        """Size of the storage."""
        return sum(storage.numel() * storage.element_size() for storage in self._storages())

    def _storages(self) -> list[Any]:
        return [storage for layer in self.layers if layer.is_initialized for storage in (layer.keys, layer.values)]
