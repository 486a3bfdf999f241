"""The index beside sacrebleu and sklearn on whole small worlds; and what must not change its results."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from sklearn.feature_extraction.text import TfidfVectorizer

from components.contracts.errors import TouchstoneError
from components.overlap import streaming
from components.overlap.index import Nearest, OverlapIndex, TrainingText
from tests.unit.overlap import reference


def training(texts: Sequence[str], first: int = 0) -> list[TrainingText]:
    return [TrainingText(f"d{n}", n % 3, text, n % 2 == 0) for n, text in enumerate(texts, first)]


def search(items: Sequence[str], texts: Sequence[str], threads: int = 1) -> list[Nearest]:
    index = OverlapIndex(items, threads=threads)
    index.add(training(texts))
    return index.results()


@pytest.fixture(scope="module")
def world() -> tuple[list[str], list[str]]:
    draw = random.Random(11)
    items = [reference.text(draw, draw.choice([1, 3, 8, 30])) for _ in range(60)]
    return items, reference.corpus(draw, items, 300)


@pytest.mark.slow
def test_every_maximum_is_sacrebleus_to_the_last_bit_and_the_first_text_of_that_score_is_named(world) -> None:
    items, texts = world
    for item, found in zip(items, search(items, texts), strict=True):
        score, number = reference.nearest(item, texts)
        assert found.bleu == score, item
        assert found.bleu_place == ((f"d{number}", number % 3) if number >= 0 else ("", 0)), item


def test_the_score_is_the_one_of_sacrebleus_own_function(world) -> None:
    items, texts = world
    found = search(items[:3], texts[:50])
    for item, near in zip(items, found, strict=False):
        assert near.bleu == max(sacrebleu.sentence_bleu(item, [text]).score for text in texts[:50])


@pytest.mark.slow
def test_runs_of_words_are_counted_wherever_they_stand(world) -> None:
    items, texts = world
    for item, found in zip(items, search(items, texts), strict=True):
        assert found.ngram8 == reference.run_share(item, texts, 8), item
        assert found.ngram13 == reference.run_share(item, texts, 13), item


@pytest.mark.parametrize("num_items", [60, 900])
def test_the_highest_cosine_is_sklearns_fitted_on_the_items(world, num_items: int) -> None:
    # With 900 items the words that most of them share are bounded and not added up.
    draw = random.Random(3)
    items = [*world[0], *(reference.text(draw, 20) for _ in range(num_items - 60))]
    texts = world[1]
    vectoriser = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w\w+\b")
    vectors = vectoriser.fit_transform(items)
    cosines = (vectors @ vectoriser.transform(texts[::2]).T).toarray()
    found = search(items, texts)
    assert np.abs([near.cosine for near in found] - cosines.max(axis=1)).max() < 1e-12
    for near, row in zip(found, cosines, strict=True):
        if near.cosine > 0.0:
            assert row[int(near.cosine_place.dialogue_id[1:]) // 2] == pytest.approx(row.max(), abs=1e-12)
        else:
            assert near.cosine_place == ("", 0)


def test_the_number_of_threads_and_the_cuts_of_the_stream_do_not_matter(world, monkeypatch) -> None:
    items, texts = world
    expected = search(items, texts)
    monkeypatch.setattr(streaming, "FIRST_TEXTS", 1)
    monkeypatch.setattr(streaming, "MOST_CHARS", 200)
    assert search(items, texts, threads=4) == expected


def test_data_added_later_and_after_a_restart_give_what_one_search_gives(world, tmp_path: Path) -> None:
    items, texts = world
    index = OverlapIndex(items, threads=2)
    index.add(training(texts[:100]))
    index.save(tmp_path)
    index = OverlapIndex.load(tmp_path, items, threads=1)
    index.add(training(texts[100:250], 100))
    index.add(training(texts[250:], 250))
    assert index.results() == search(items, texts)
    assert index.num_texts == len(texts)


def test_a_search_for_other_items_is_not_gone_on_with(world, tmp_path: Path) -> None:
    OverlapIndex(world[0]).save(tmp_path)
    with pytest.raises(TouchstoneError, match="other held-out texts"):
        OverlapIndex.load(tmp_path, world[0][1:])


@pytest.mark.parametrize(
    ("item", "texts"),
    [
        ("", ["", " "]),
        ("word", []),
        ("word", ["Word", "the word is given"]),
        ("a b c", ["c b a", "a b", "a b c a b c a b c"]),
        ("a a a a a a", ["a a", "a a a", "a a a a a a a a"]),
        ("one two three four five", ["six seven", "one", "five four three two one"]),
        ("x " * 300, ["x " * 299, "x " * 10_000]),
        ("to be", ["to " * 2000, "be " * 1500]),
        ("漢字 を 書く", ["漢字 を 読む", "書く"]),
        ("half \ud83d pair", ["half \ud83d pair", "half pair"]),
    ],
)
def test_odd_texts_score_as_sacrebleu_scores_them(item: str, texts: list[str]) -> None:
    score, number = reference.nearest(item, texts)
    found = search([item], texts)[0]
    assert (found.bleu, found.bleu_place.dialogue_id) == (score, f"d{number}" if number >= 0 else "")


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 20])
def test_a_text_as_long_as_can_just_win_wins_and_one_token_more_does_not(length: int) -> None:
    item = " ".join(f"t{n}" for n in range(length))
    half = " ".join([*item.split()[: length // 2], "x"])
    for padding in range(10 * length):
        texts = [half, item + " x" * padding]
        score, number = reference.nearest(item, texts)
        found = search([item], texts)[0]
        assert (found.bleu, found.bleu_place.dialogue_id) == (score, f"d{number}" if score > 0.0 else "")
    # Where half of the item scores at all, the longer text has lost in the end.
    assert number == 0 or length == 1


def test_a_failing_stream_is_not_swallowed() -> None:
    def broken():
        yield TrainingText("d", 0, "text", True)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        OverlapIndex(["text"], threads=2).add(broken())


def test_a_very_long_text_costs_no_memory_beyond_its_own(world) -> None:
    # Nothing near its length can win for these items, so its n-grams are not even looked at.
    found = search(["a b c d", "b c"], ["a b c d", "b c", "a b c d " * 300_000])
    assert [near.bleu_place.dialogue_id for near in found] == ["d0", "d1"]
