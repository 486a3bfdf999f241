import random

import pytest

from components.generate.hf.binning import MOST_PADDING, Limits, Size, bins
from components.generate.hf.sharing import alike, common_length, even_parts


@pytest.mark.parametrize("padded", [True, False])
def test_batches_hold_every_row_once_within_their_limits(padded: bool) -> None:
    draw = random.Random(0)
    for _ in range(50):
        most = Limits(draw.randint(1, 40), draw.randint(50, 3000), draw.randint(1, 60))
        sizes = [Size(tokens := draw.randint(1, 300), draw.randint(1, min(tokens, 4))) for _ in range(200)]
        batches = bins(sizes, most, padded=padded)
        assert sorted(index for batch in batches for index in batch) == list(range(200))
        for batch in batches:
            held = [sizes[index] for index in batch]
            tokens = len(held) * max(s.tokens for s in held) if padded else sum(s.tokens for s in held)
            projected = len(held) * max(s.positions for s in held) if padded else sum(s.positions for s in held)
            # A row that is beyond the limits by itself is a batch of its own.
            assert len(batch) <= most.rows
            assert len(batch) == 1 or (tokens <= most.tokens and projected <= most.positions)


def test_rows_of_all_lengths_are_padded_by_a_few_percent() -> None:
    draw = random.Random(0)
    sizes = [Size(draw.randint(20, 600), 1) for _ in range(1000)]
    batches = bins(sizes, Limits(256, 4096, 10**6), padded=True)
    held = sum(len(batch) * max(sizes[i].tokens for i in batch) for batch in batches)
    assert 1 - sum(size.tokens for size in sizes) / held < MOST_PADDING
    assert len(batches) < 150


def test_the_common_beginning_is_found() -> None:
    draw = random.Random(0)
    for _ in range(300):
        one, two = ("".join(draw.choices("ab", [20, 1], k=draw.randint(0, 40))) for _ in range(2))
        expected = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
        assert common_length(one, two) == expected


def test_runs_are_cut_where_sharing_ends() -> None:
    long = "the same beginning " * 10
    other = "zzz another beginning " * 10
    texts = sorted(
        [*(f"{long}{i}" for i in range(5)), *(f"{other}{i}" for i in range(4)), "alone", "by itself", "zzzz"]
    )
    runs = [(texts[first:end], shared) for first, end, shared in alike(texts, 16)]
    assert [([text[:3] for text in run], shared if len(run) > 1 else 0) for run, shared in runs] == [
        (["alo", "by "], 0),
        (["the"] * 5, len(long)),
        (["zzz"] * 4, len(other)),
        (["zzz"], 0),
    ]


def test_a_few_that_share_more_by_chance_do_not_leave_their_run() -> None:
    head = "x" * 1000
    texts = sorted([f"{head}Which of these {i}" for i in range(3)] + [f"{head}{i} what" for i in range(20)])
    assert alike(texts, 16) == [(0, 23, 1000)]


def test_parts_are_as_few_and_as_equal_as_can_be() -> None:
    assert even_parts(600, 512) == [300, 300]
    assert even_parts(1025, 512) == [342, 342, 341]
    assert even_parts(0, 512) == []
