"""Classifiers of authors: each learns from some texts, and names an author of others. All are scikit-learn's."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from components.attribution.features import Counted, FrequentWords
from components.attribution.texts import Floats, Fold, Indices, Material, assigned
from components.contracts.attribution_rows import Classifier
from components.contracts.errors import TouchstoneError

Labels = npt.NDArray[np.str_]

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""C of the logistic regression, to choose from: the smaller, the more it is held back."""
UNSEARCHED = 1.0
"""C where there is too little to choose by: scikit-learn's own."""
INNER_FOLDS = 3
NUM_FREQUENT_WORDS = 200
NUM_CHAR_NGRAMS = 30_000
NEIGHBOURS = 5
UMAP_NEIGHBOURS = 15
UMAP_DIMENSIONS = 5
NEED_VECTORS: tuple[Classifier, ...] = ("embedding", "embedding_umap")


def attribute_fold(classifier: Classifier, counted: Counted, fold: Fold, seed: int) -> Labels:
    """Whose each text of the fold's test side seems to be, of the authors on its side to learn from."""
    return _WAYS[classifier](counted, fold, seed)


def _embedding(counted: Counted, fold: Fold, seed: int) -> Labels:
    vectors = counted.data.vectors
    assert vectors is not None
    return _logistic(counted.data, fold, vectors[fold.train], vectors[fold.test], seed)


def _umap(counted: Counted, fold: Fold, seed: int) -> Labels:
    """k nearest neighbours by vote, nearer ones weighing more, among coordinates learned from the texts to learn from;
    the authors are not told to UMAP."""
    vectors = counted.data.vectors
    assert vectors is not None
    before, after = coordinates(vectors[fold.train], seed, dimensions=UMAP_DIMENSIONS, then=vectors[fold.test])
    voting = KNeighborsClassifier(min(NEIGHBOURS, len(fold.train)), weights="distance")
    return np.asarray(voting.fit(before, counted.data.authors[fold.train]).predict(after))


def _char_ngrams(counted: Counted, fold: Fold, seed: int) -> Labels:
    """TF-IDF of the character trigrams that are most frequent in the texts to learn from, and a linear SVM: a usual
    yardstick of authorship attribution (Stamatatos 2009)."""
    before = counted.trigrams[fold.train]
    totals = np.asarray(before.sum(axis=0)).ravel()
    order = np.argsort(-totals, kind="stable")[:NUM_CHAR_NGRAMS]
    chosen = np.sort(order[totals[order] > 0])
    made = make_pipeline(TfidfTransformer(sublinear_tf=True), LinearSVC(random_state=seed))
    made.fit(before[:, chosen], counted.data.authors[fold.train])
    return np.asarray(made.predict(counted.trigrams[fold.test][:, chosen]))


def _frequent_words(counted: Counted, fold: Fold, seed: int) -> Labels:
    before, after = counted.of(fold.train), counted.of(fold.test)
    rates = FrequentWords(NUM_FREQUENT_WORDS).fit(before)
    return _logistic(counted.data, fold, rates.transform(before), rates.transform(after), seed)


def _surface(counted: Counted, fold: Fold, seed: int) -> Labels:
    return _logistic(counted.data, fold, counted.surface[fold.train], counted.surface[fold.test], seed)


def _majority(counted: Counted, fold: Fold, seed: int) -> Labels:
    del seed
    blank = np.zeros((len(fold.train), 1))
    guess = DummyClassifier(strategy="most_frequent").fit(blank, counted.data.authors[fold.train])
    return np.asarray(guess.predict(np.zeros((len(fold.test), 1))))


_WAYS: Mapping[Classifier, Callable[[Counted, Fold, int], Labels]] = {
    "embedding": _embedding,
    "embedding_umap": _umap,
    "char_ngrams": _char_ngrams,
    "frequent_words": _frequent_words,
    "surface": _surface,
    "majority": _majority,
}


def _logistic(data: Material, fold: Fold, before: Floats, after: Floats, seed: int) -> Labels:
    """Standardised features, L2, and of `STRENGTHS` the one with the best accuracy on folds of what is learned from."""
    authors = data.authors[fold.train]
    strength = best_strength(before, authors, _inner_folds([data.rows[i].group for i in fold.train], authors, seed))
    return next(_said(before, authors, after, [strength]))


def best_strength(before: Floats, authors: Labels, inner: Sequence[tuple[Indices, Indices]]) -> float:
    """Of `STRENGTHS` the one with the best mean accuracy; of equal ones the first, which is held back the most.

    What scikit-learn's GridSearchCV chooses, whose bookkeeping takes longer than fits so small.

    Args:
        before: Features of what is learned from, texts x features.
        authors: (texts,)
        inner: Folds of it: what a fold learns from, and what it is asked. Without any, scikit-learn's own C.
    """
    if not inner:
        return UNSEARCHED
    right = [
        [np.mean(said == authors[asked]) for said in _said(before[learned], authors[learned], before[asked], STRENGTHS)]
        for learned, asked in inner
    ]
    return STRENGTHS[int(np.argmax(np.mean(right, axis=0)))]


def _said(before: Floats, authors: Labels, after: Floats, strengths: Sequence[float]) -> Iterator[Labels]:
    scaler = StandardScaler().fit(before)
    learned, asked = scaler.transform(before), scaler.transform(after)
    for strength in strengths:
        yield np.asarray(LogisticRegression(C=strength, max_iter=5000).fit(learned, authors).predict(asked))


def _inner_folds(groups: Sequence[str], authors: Labels, seed: int) -> list[tuple[Indices, Indices]]:
    """Folds of what is learned from, again by group; none where a side would lack a second author."""
    names = sorted(set(groups))
    if len(names) < INNER_FOLDS:
        return []
    of_group = assigned(names, INNER_FOLDS, seed + 1)
    number = np.array([of_group[group] for group in groups])
    found = [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(INNER_FOLDS)]
    return found if all(len(set(authors[before])) > 1 for before, _ in found) else []


def coordinates(
    vectors: Floats, seed: int, *, dimensions: int = 2, then: Floats | None = None
) -> tuple[Floats, Floats]:
    """UMAP (McInnes, Healy and Melville 2018) by cosine, and where further vectors come to lie on it.

    Args:
        vectors: What the map is made of, texts x components.
        seed: Another seed gives another map.
        dimensions: Of the map.
        then: Vectors to be put on the finished map.

    Raises:
        TouchstoneError: fewer texts than a map needs.
    """
    if len(vectors) <= dimensions + 1:
        raise TouchstoneError(
            f"{len(vectors)} texts make no map in {dimensions} dimensions",
            expected=f"{dimensions + 2} texts or more",
            remedy="leave out the classifier embedding_umap and the map",
        )
    with warnings.catch_warnings():
        # An optional part of umap needs TensorFlow, and says so at import.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        import umap
    # With more neighbours than texts umap would warn and do the same; a seed makes it run on one thread.
    neighbours = min(UMAP_NEIGHBOURS, len(vectors) - 1)
    few = len(vectors) <= 4 * dimensions
    made: Any = umap.UMAP(
        n_components=dimensions,
        n_neighbors=neighbours,
        metric="cosine",
        random_state=seed,
        n_jobs=1,
        # Its spectral start needs many more texts than dimensions.
        init="random" if few else "spectral",
    ).fit(vectors.astype(np.float32))
    placed = made.transform(then.astype(np.float32)) if then is not None and len(then) else np.empty((0, dimensions))
    return made.embedding_.astype(np.float64), np.asarray(placed, dtype=np.float64)


def most_texts(authors: Labels) -> str:
    """The author with the most texts; of several, the first by name."""
    counts: Counter[str] = Counter(authors.tolist())
    return min(counts, key=lambda name: (-counts[name], name))
