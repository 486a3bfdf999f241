"""Nested subsets by imitation tokens: what the base would learn from, counted by its own tokenizer.

The order hangs on the queries and the seed alone (`queries.in_subset_order`), and a subset ends before the first
dialogue that does not fit. Going on to smaller ones that do would break the nesting: the larger subset takes the
dialogue that the smaller one had to leave out, and has no room for the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from components.contracts import canonical
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Input, Nothing, Output
from components.ingest.queries import query_key, stable_rank
from components.ingest.scratch import Scratch

TOKENIZER_FILE = "tokenizer.json"
BATCH_DIALOGUES = 512
_WORD = re.compile(r"\S+")

Counter = Callable[[Sequence[str]], list[int]]
"""Texts -> tokens of each."""


class _Place(NamedTuple):
    """Where a dialogue comes in the order of its data, and where its row lies."""

    rank: bytes
    identity: bytes
    place: int
    length: int


def write_subset(
    dialogues: Input[Dialogue],
    tokenizer: Input[Checkpoint],
    subset: Output[Dialogue],
    outside: Output[Removal],
    max_tokens: int,
    seed: int,
) -> dict[str, float]:
    """See `step.subset`; gives its metrics. Memory: some 250 bytes a dialogue."""
    count, notes = token_counter(tokenizer)
    with Scratch(subset.path.parent) as scratch:
        order = sorted(_placed(row, seed, scratch) for row in dialogues.iter_rows())
        rows = (Dialogue.model_validate_json(scratch.read(at.place, at.length)) for at in order)
        sizes: list[int] = []
        fitting = _fitting(rows, count, max_tokens, sizes)
        # The first is asked for before anything is written: an empty subset is refused, not made.
        first = next(fitting, None)
        if first is None:
            raise _too_small(max_tokens, notes)
        # The writer reads the notes after the last row.
        subset.write(_counted(chain([first], fitting), sizes, notes), notes=notes)
        num = len(sizes)
        left = (Dialogue.model_validate_json(scratch.read(at.place, at.length)).id for at in order[num:])
        detail = f"outside the first {max_tokens:,} {notes['unit']}"
        outside.write(Removal(id=name, reason="subset", detail=detail) for name in left)
    return {
        "in": float(len(order)),
        "kept": float(num),
        "removed": float(len(order) - num),
        "tokens": float(sum(sizes)),
    }


def token_counter(tokenizer: Input[Checkpoint]) -> tuple[Counter, dict[str, object]]:
    """How imitation tokens are counted, and what a manifest says of it.

    Raises:
        TouchstoneError: the checkpoint has no tokenizer.json, or it cannot be read.
    """
    if isinstance(tokenizer, Nothing):
        return (lambda texts: [len(_WORD.findall(text)) for text in texts]), {"unit": "words", "tokenizer": ""}
    from tokenizers import Tokenizer

    path = tokenizer.folder / TOKENIZER_FILE
    try:
        loaded = Tokenizer.from_file(str(path))
    # The library raises bare Exceptions.
    except Exception as error:
        raise TouchstoneError(
            f"{path}: {error if path.is_file() else 'there is none'}",
            expected="the tokenizer.json of a Hugging Face checkpoint",
            remedy="save the base with a fast tokenizer: AutoTokenizer.from_pretrained(BASE).save_pretrained(DIR)",
        ) from error
    loaded.no_truncation()
    loaded.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(encoded) for encoded in loaded.encode_batch_fast(texts, add_special_tokens=False)]

    return count, {"unit": "tokens", "tokenizer": canonical.file_digest(path)}


def _placed(row: Dialogue, seed: int, scratch: Scratch) -> _Place:
    data = row.model_dump_json().encode()
    rank, identity = stable_rank(query_key(row), seed), stable_rank(row.id, 0)
    return _Place(bytes.fromhex(rank)[:16], bytes.fromhex(identity)[:8], scratch.append(data), len(data))


def _fitting(rows: Iterable[Dialogue], count: Counter, max_tokens: int, sizes: list[int]) -> Iterator[Dialogue]:
    """The dialogues before the first that does not fit; `sizes` gets the tokens of each."""
    left = max_tokens
    stream = iter(rows)
    while batch := list(islice(stream, BATCH_DIALOGUES)):
        replies = [[turn.text for turn in row.turns if turn.speaker == "assistant"] for row in batch]
        counted = iter(count([text for texts in replies for text in texts]))
        for row, texts in zip(batch, replies, strict=True):
            size = sum(islice(counted, len(texts)))
            if size > left:
                return
            left -= size
            sizes.append(size)
            yield row


def _counted(rows: Iterable[Dialogue], sizes: list[int], notes: dict[str, object]) -> Iterator[Dialogue]:
    yield from rows
    notes |= {"tokens": sum(sizes), "dialogues": len(sizes)}


def _too_small(max_tokens: int, notes: dict[str, object]) -> TouchstoneError:
    return TouchstoneError(
        f"no dialogue fits into {max_tokens:,} {notes['unit']}",
        expected="a budget above the replies of the first dialogue",
        remedy="raise max_tokens, or look whether the dialogues are empty",
    )
