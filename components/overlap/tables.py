"""Exact look-up in machine code: words by their bytes, n-grams by (n-gram one shorter, word).

A hash only chooses where to look; equality is decided by the bytes or by the key itself, so nothing ever collides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from components.contracts.compiled import Bytes, Ints, inlined, kernel

FREE = -1
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


class Vocabulary(NamedTuple):
    """Distinct words, numbered from 0 in the order of their first occurrence."""

    slots: Ints
    """(2^k, 2): hash and number of a word; number -1 = free. At most half full."""
    text: Bytes
    """The bytes that `bounds` point into."""
    bounds: Ints
    """(words, 2): begin and end of each word in `text`."""


def num_slots(entries: int) -> int:
    """The power of two that leaves a table of so many entries at most half full."""
    return max(16, 1 << (2 * entries - 1).bit_length()) if entries else 16


def empty_slots(entries: int) -> Ints:
    """A table for so many entries."""
    return np.full((num_slots(entries), 2), FREE, dtype=np.int64)


@inlined
def hash_bytes(text: Bytes, begin: int, end: int) -> int:
    """A hash of some bytes, never negative."""
    value = np.uint64(end - begin)
    for i in range(begin, end):
        value = (value ^ np.uint64(text[i])) * _MULTIPLIER
        value ^= value >> _HALF
    return np.int64(value >> np.uint64(1))  # type: ignore[return-value]


@inlined
def find_word(words: Vocabulary, text: Bytes, begin: int, end: int) -> int:
    """The number of the word text[begin:end]; -1 when it is unknown."""
    value = hash_bytes(text, begin, end)
    mask = len(words.slots) - 1
    slot = value & mask
    while words.slots[slot, 1] != FREE:
        if words.slots[slot, 0] == value:
            number = words.slots[slot, 1]
            first = words.bounds[number, 0]
            if words.bounds[number, 1] - first == end - begin:
                i = 0
                while i < end - begin and words.text[first + i] == text[begin + i]:
                    i += 1
                if i == end - begin:
                    return number  # type: ignore[no-any-return]
        slot = (slot + 1) & mask
    return FREE


@kernel
def number_words(text: Bytes, bounds: Ints, words: Vocabulary, numbers: Ints) -> int:
    """Number the words text[bounds[k, 0]:bounds[k, 1]] into `numbers`, entering new ones; returns how many."""
    mask = len(words.slots) - 1
    count = 0
    for k in range(len(bounds)):
        number = find_word(words, text, bounds[k, 0], bounds[k, 1])
        if number == FREE:
            number = count
            count += 1
            words.bounds[number, 0] = bounds[k, 0]
            words.bounds[number, 1] = bounds[k, 1]
            value = hash_bytes(text, bounds[k, 0], bounds[k, 1])
            slot = value & mask
            while words.slots[slot, 1] != FREE:
                slot = (slot + 1) & mask
            words.slots[slot, 0] = value
            words.slots[slot, 1] = number
        numbers[k] = number
    return count


def build_vocabulary(text: Bytes, bounds: Ints) -> tuple[Vocabulary, Ints]:
    """The distinct words among text[bounds[k, 0]:bounds[k, 1]], and each occurrence's number."""
    words = Vocabulary(empty_slots(len(bounds)), text, np.zeros((max(1, len(bounds)), 2), dtype=np.int64))
    numbers = np.empty(len(bounds), dtype=np.int64)
    count = number_words(text, bounds, words, numbers)
    return words._replace(bounds=words.bounds[:count].copy()), numbers


@inlined
def pair_key(first: int, second: int) -> int:
    """Two numbers below 2^31 as one."""
    return (np.int64(first) << 32) | np.int64(second)  # type: ignore[return-value]


@inlined
def find_pair(slots: Ints, key: int) -> int:
    """What was entered under `key`; -1 when nothing was."""
    mask = len(slots) - 1
    mixed = np.uint64(key) * _MULTIPLIER
    slot = np.int64(mixed >> _HALF) & mask
    while slots[slot, 1] != FREE:
        if slots[slot, 0] == key:
            return slots[slot, 1]  # type: ignore[no-any-return]
        slot = (slot + 1) & mask
    return FREE


@kernel
def enter_pair(slots: Ints, key: int, number: int) -> int:
    """Enter `number` under `key` unless there is an entry; returns the entry."""
    mask = len(slots) - 1
    mixed = np.uint64(key) * _MULTIPLIER
    slot = np.int64(mixed >> _HALF) & mask
    while slots[slot, 1] != FREE:
        if slots[slot, 0] == key:
            return slots[slot, 1]  # type: ignore[no-any-return]
        slot = (slot + 1) & mask
    slots[slot, 0] = key
    slots[slot, 1] = number
    return number
