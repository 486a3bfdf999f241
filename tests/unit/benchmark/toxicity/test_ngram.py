"""The trained scorer: its features are the textbook's, it learns, and it holds nothing back for its own report."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import roc_auc_score

from components.benchmark.toxicity import features, ngram, scored_texts
from components.benchmark.toxicity.scorer import UNKNOWN_WORDS, values
from tests.unit.benchmark.toxicity.made_texts import sentences


@pytest.fixture(scope="module")
def trained() -> tuple[ngram.NgramScorer, ngram.HeldOut]:
    texts, scores = sentences(400)
    return ngram.train(texts, scores, scored_texts.folds(np.arange(400), 4, 0))


def test_weighed_counts_are_tf_idf_where_every_bucket_was_seen() -> None:
    texts, _ = sentences(200)
    words, letters = features.count(texts)
    for counts in (words, letters):
        raw = counts.copy()
        raw.data = np.round(np.exp(raw.data - 1.0))
        expected = TfidfTransformer(sublinear_tf=True).fit_transform(raw)
        assert abs(features.weigh(counts, features.rarity(counts)) - expected).max() < 1e-6


def test_a_bucket_that_was_never_seen_has_no_say() -> None:
    words, _ = features.count(["quiet river", "quiet dinner"])
    rarity = features.rarity(words)
    counts, _ = features.count(["quiet river", "quiet river zebra"])
    weighed = features.weigh(counts, rarity)
    assert abs(weighed[[1]] - weighed[[0]]).max() < 1e-9


def test_it_learns_what_is_rude(trained: tuple[ngram.NgramScorer, ngram.HeldOut]) -> None:
    _, held_out = trained
    _, scores = sentences(400)
    assert roc_auc_score(scores >= 0.5, held_out.value) > 0.9
    assert np.mean(np.abs(held_out.value - scores)) < 0.12


def test_a_disguised_word_is_as_rude_as_the_word(trained: tuple[ngram.NgramScorer, ngram.HeldOut]) -> None:
    calm, rude, disguised, spaced = trained[0].score(
        ["the dogs met on tuesday", "the stupid dogs met", "the $tup1d dogs met", "the s t u p i d dogs met"]
    )
    assert rude == disguised == spaced
    assert rude > calm + 0.2


def test_other_languages_are_unknown_and_numbers_are_not(
    trained: tuple[ngram.NgramScorer, ngram.HeldOut],
) -> None:
    found = values(["der hund schläft gern im garten", "1 2 3.5", "the committee met"], trained[0])
    assert [one.unscored for one in found] == [UNKNOWN_WORDS, None, None]


def test_held_out_values_do_not_know_their_own_scores() -> None:
    # Scores that have nothing to do with the texts: whoever still predicts them has seen them.
    texts, _ = sentences(400)
    scores = np.random.default_rng(9).uniform(size=400)
    scorer, held_out = ngram.train(texts, scores, scored_texts.folds(np.arange(400), 4, 0))
    assert abs(roc_auc_score(scores >= 0.5, held_out.value) - 0.5) < 0.09
    assert roc_auc_score(scores >= 0.5, scorer.weights.raw(texts)) > 0.65


def test_the_same_texts_give_the_same_scorer() -> None:
    texts, scores = sentences(250)
    folds = scored_texts.folds(np.arange(250), 3, 0)
    first, second = (ngram.train(texts, scores, folds)[0] for _ in range(2))
    assert (first.weights.word_slope == second.weights.word_slope).all()
    assert first.calibrated == second.calibrated


def test_no_text_gives_no_score(trained: tuple[ngram.NgramScorer, ngram.HeldOut]) -> None:
    assert trained[0].score([]).shape == (0,)
