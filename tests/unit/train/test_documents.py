"""What of a batch is computed, and what is left out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.nn import functional

from components.train.chunking import Blocks, Encoded, pack
from components.train.document_groups import padded
from components.train.documents import rows_of

BLOCK = 24


def batch(seed: int, isolated: bool = True, learned_share: float = 0.4) -> Blocks:
    draw = random.Random(seed)
    documents = [
        Encoded([draw.randrange(1, 99) for _ in range(n)], [int(draw.random() < learned_share) for _ in range(n)])
        for n in (draw.randint(1, 40) for _ in range(12))
    ]
    return pack(documents, BLOCK, seed, isolated=isolated)


def pairs(blocks: Blocks) -> list[tuple[int, int]]:
    """(token, the learned one after it), block by block."""
    wanted = blocks.learned[:, 1:]
    return list(zip(blocks.tokens[:, :-1][wanted].tolist(), blocks.tokens[:, 1:][wanted].tolist(), strict=True))


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_learned_token_is_predicted_by_the_one_before_it(seed: int, flat: bool) -> None:
    blocks = batch(seed)
    rows = rows_of(blocks, flat=flat)
    predicting = rows.tokens.flatten()[rows.predicting].tolist()
    assert list(zip(predicting, rows.targets.tolist(), strict=True)) == pairs(blocks)


@pytest.mark.parametrize("seed", range(5))
def test_documents_in_a_row_begin_where_their_positions_do_and_end_with_a_prediction(seed: int) -> None:
    rows = rows_of(batch(seed), flat=True)
    assert sum(rows.lengths) == rows.tokens.shape[1]
    ends = torch.tensor(rows.lengths).cumsum(0)
    expected = torch.cat([torch.arange(length) for length in rows.lengths])
    assert torch.equal(rows.positions[0], expected)
    assert set((ends - 1).tolist()) <= set(rows.predicting.tolist())


def test_documents_that_teach_nothing_what_follows_the_last_learned_token_and_padding_are_left_out() -> None:
    documents = [Encoded([1, 2, 3, 4], [0, 1, 0, 0]), Encoded([5, 6, 7], [0, 0, 0]), Encoded([8, 9], [0, 1])]
    made = pack(documents, 16, seed=None)
    rows = rows_of(made, flat=True)
    assert rows.tokens.tolist() == [[1, 8]]
    assert rows.targets.tolist() == [2, 9]
    assert rows_of(made, flat=False).tokens.shape == (1, 8), "a block as it is, up to its last prediction"


def test_blocks_that_teach_nothing_are_left_out() -> None:
    silent = Encoded(list(range(1, 17)), [0] * 16)
    spoken = Encoded(list(range(21, 37)), [0] + [1] * 15)
    rows = rows_of(pack([silent, spoken, silent], 16, seed=None, isolated=False), flat=False)
    assert rows.tokens.tolist() == [list(range(21, 36))]


@pytest.mark.parametrize("flat", [True, False])
def test_nothing_is_left_where_nothing_is_learned(flat: bool) -> None:
    blocks = batch(0)
    rows = rows_of(blocks._replace(learned=torch.zeros_like(blocks.learned)), flat=flat)
    assert rows.tokens.numel() == len(rows.targets) == 0


def test_many_documents_in_few_calls_give_what_each_gives_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 50, (40,), generator=draw).tolist()
    states = [torch.randn(1, heads, sum(lengths), 8, generator=draw, requires_grad=True) for heads in (4, 2, 2)]
    calls = []

    def attend(parts: Sequence[Any]) -> Any:
        calls.append(parts[0].shape)
        return functional.scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=True).transpose(1, 2)

    alone = [attend(part) for part in zip(*(s.split(lengths, dim=2) for s in states), strict=True)]
    calls.clear()
    together = padded(attend, states, lengths)
    assert len(calls) <= 12
    assert sum(shape[0] for shape in calls) == len(lengths)
    torch.testing.assert_close(together, torch.cat(alone, dim=1))
    weights = torch.randn(together.shape, generator=draw)
    expected = torch.autograd.grad((torch.cat(alone, dim=1) * weights).sum(), states)
    for ours, own in zip(torch.autograd.grad((together * weights).sum(), states), expected, strict=True):
        torch.testing.assert_close(ours, own, atol=1e-5, rtol=1e-4)
