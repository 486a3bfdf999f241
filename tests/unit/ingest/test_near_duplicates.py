"""Near-duplicates: equal to comparing all pairs, whatever the order; templates with another slot stay apart."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

from components.ingest.near_duplicates import signature
from components.ingest.queries import normalise_query
from components.ingest.set_join import Sets, join

PROMPT = (
    "I want you to act as a travel guide who knows the region well. I will write you my location and you will suggest "
    "a place to visit near it. In some cases I will also give you the type of places I will visit, and you suggest "
    "places of a similar type that are close to my first location. Answer in one short paragraph without any preamble. "
    "My first request is that I am in {} and would like to see only museums today"
)
LONG = PROMPT.format("Istanbul")


def _join(texts: list[str], order: list[int], threshold: float) -> list[int]:
    words, shingles = zip(*(signature(normalise_query(text)) for text in texts), strict=True)
    return list(join(_sets(words), _sets(shingles), np.array(order), threshold))


def _sets(parts) -> Sets:
    return Sets(np.concatenate(parts), np.concatenate([[0], np.cumsum([len(part) for part in parts])]))


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (LONG.replace("short paragraph", "paragraph"), True),
        (LONG + " please", True),
        (LONG.replace(". ", " ...\n\n").upper(), True),
        (LONG.replace("I will write you my location", "I will write you 'my' location:"), True),
        # The same template with another slot asks for something else, however long the rest is.
        (PROMPT.format("Ankara"), False),
        (LONG.replace("one short", "2 short"), False),
        (LONG.replace("museums", "parks") + " please", False),
        # The same words in another order are another text.
        (" ".join(sorted(LONG.split())), False),
        (LONG[: len(LONG) // 2], False),
    ],
)
def test_a_near_duplicate_adds_words_and_changes_none(other: str, alike: bool) -> None:
    assert (_join([LONG, other], [0, 1], 0.9) == [-1, 0]) is alike
    assert (_join([LONG, other], [1, 0], 0.9) == [1, -1]) is alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is c", "what is c++"),
        ("x+y", "x-y"),
        ("sum 2 and 3", "sum 2 and 4"),
        ("你好吗今天", "你好吗明天"),
        ("who wrote it", "it"),
    ],
)
def test_short_queries_that_differ_stay_apart(one: str, other: str) -> None:
    assert _join([one, other], [0, 1], 0.9) == [-1, -1]


@pytest.mark.parametrize("text", ["", "?", "one", "one two", "one two three", "二", "😀"])
def test_short_queries_have_signatures(text: str) -> None:
    assert len(signature(text)[1]) == 1


def _texts(rng: random.Random, num: int) -> list[str]:
    bases = [[f"w{rng.randrange(40)}" for _ in range(rng.randrange(1, 30))] for _ in range(num // 4)]
    texts = []
    for _ in range(num):
        words = list(rng.choice(bases))
        change = rng.randrange(4)
        if change == 1:
            words.insert(rng.randrange(len(words) + 1), f"w{rng.randrange(60)}")
        elif change == 2:
            words[rng.randrange(len(words))] = f"w{rng.randrange(60)}"
        elif change == 3 and len(words) > 1:
            words.pop(rng.randrange(len(words)))
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9, 1.0])
def test_the_join_equals_comparing_all_pairs(threshold: float) -> None:
    rng = random.Random(7)
    texts = _texts(rng, 400)
    order = rng.sample(range(len(texts)), len(texts))
    sets = [tuple(map(set, (part.tolist() for part in signature(text)))) for text in texts]
    kept: list[int] = []
    expected = set()
    for number in order:
        words, shingles = sets[number]
        for other in kept:
            their_words, theirs = sets[other]
            similar = len(shingles & theirs) >= threshold * len(shingles | theirs) - 1e-9
            if similar and (words <= their_words or their_words <= words):
                expected.add(number)
                break
        else:
            kept.append(number)
    found = _join(texts, order, threshold)
    assert {n for n, other in enumerate(found) if other >= 0} == expected
    assert len(expected) > 20
    # Whoever goes is like one that stays.
    assert all(found[other] == -1 for other in found if other >= 0)


def test_chains_do_not_swallow_what_is_unlike() -> None:
    steps = [" ".join(f"w{n}" for n in range(length)) for length in (40, 43, 46, 49)]
    assert all(_join([a, b], [0, 1], 0.9)[1] == 0 for a, b in itertools.pairwise(steps))
    assert _join(steps, [0, 1, 2, 3], 0.9) == [-1, 0, -1, 2]


@pytest.mark.slow
def test_fillings_of_one_template_are_not_compared_pair_by_pair() -> None:
    texts = [PROMPT.format(f"city{number}") for number in range(8_000)]
    _join(texts[:2], [0, 1], 0.9)
    began = time.process_time()
    assert set(_join(texts, list(range(len(texts))), 0.9)) == {-1}
    # Pair by pair it takes ten times as long.
    assert time.process_time() - began < 4.0


def test_blocks_do_not_show_in_the_result(monkeypatch) -> None:
    rng = random.Random(3)
    texts = _texts(rng, 200)
    order = list(range(len(texts)))
    whole = _join(texts, order, 0.8)
    monkeypatch.setattr("components.ingest.set_join.BLOCK_ELEMENTS", 64)
    assert _join(texts, order, 0.8) == whole
