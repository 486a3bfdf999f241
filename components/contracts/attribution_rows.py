"""Rows of style attribution: texts by author, what a model makes of them, and whose hand each seems to be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.contracts.rows import Count, Row, Unit

Finite = Annotated[float, Field(allow_inf_nan=False)]
Classifier = Literal["embedding", "embedding_umap", "char_ngrams", "frequent_words", "surface", "majority"]
"""embedding: logistic regression on a language model's embeddings. embedding_umap: nearest neighbours among their UMAP
coordinates. char_ngrams: linear SVM on character n-grams. frequent_words: logistic regression on the rates of the most
frequent words. surface: the same on length, lists, markup and punctuation. majority: the author with the most texts."""


class AuthoredText(Row):
    """A text whose author is known."""

    id: str
    """Unique within the artifact."""
    author: str
    """Who wrote it: a person, or the role of a model."""
    model: str = ""
    """Name of the model, where a model wrote it."""
    group: str
    """Texts of one group (answers to one prompt) are never on both sides of a test."""
    split: Literal["", "train", "test"] = ""
    """Side of a given test; empty = folds are drawn."""
    order: Finite | None = None
    """Where the text stands on a line, such as its year; for pictures only."""
    text: str
    """What was written; empty where `missing` says why."""
    missing: str | None = None
    """Why there is no text."""


class Embedding(Row):
    """One text as a vector of a language model's."""

    id: str
    """The AuthoredText's id."""
    vector: tuple[Finite, ...]
    """Mean over the text's tokens of a hidden layer, float32; without components when `unembedded`."""
    num_tokens: Count
    """Tokens of the text that were read."""
    num_windows: Count
    """Pieces it was read in, because it is longer than the model's context."""
    unembedded: str | None = None
    """Why there is no vector."""


class AuthorShare(Row):
    """Part of some texts that a classifier gives to one author."""

    author: str
    """To whom."""
    share: Unit
    """Of the texts that were classified."""
    ci: tuple[Unit, Unit]
    """Its interval, over clusters of texts (`Attribution.resampled`); the classifiers are taken as they are."""


class Attribution(Row):
    """To whom a classifier gives the texts of one author, none of which it learned from."""

    classifier: Classifier
    """What it looks at."""
    author: str
    """Who really wrote the texts."""
    model: str = ""
    """Name of the model, where a model wrote them."""
    learned: bool
    """Whether the classifier learned from other texts of this author; else they can only be given to others."""
    num_texts: Count
    """Texts that were classified."""
    unscored: Count
    """Texts of the author that were not, being empty or without embedding."""
    shares: tuple[AuthorShare, ...]
    """Of every author the classifier learned from, the largest first; they add up to 1."""
    accuracy: Unit
    """Share of all texts by authors it learned from that it gives to the right one: the same on every row of a
    classifier."""
    accuracy_ci: tuple[Unit, Unit]
    """Its interval."""
    num_tested: Count
    """Texts behind `accuracy`."""
    chance: Unit
    """Accuracy of always naming the author with the most texts."""
    resampled: Literal["group", "author"]
    """The clusters of the intervals: groups where folds are drawn; authors where the split is given."""
    folds: Count
    """Tests that were drawn; 1 = the split was given."""

    def to(self, author: str) -> AuthorShare | None:
        """The share of one author; None = the classifier does not know the author."""
        return next((share for share in self.shares if share.author == author), None)


class AttributedText(Row):
    """What a classifier said of one text that it did not learn from."""

    id: str
    """The AuthoredText's id."""
    author: str
    """Who really wrote it."""
    classifier: Classifier
    """Who says so."""
    attributed_to: str
    """Whose it takes it for."""
    fold: Count
    """The test it was in."""


class MapPoint(Row):
    """One text on a map of all of them: near = alike, distances mean little beyond that."""

    id: str
    """The AuthoredText's id."""
    author: str
    """Who wrote it."""
    x: Finite
    """First UMAP coordinate."""
    y: Finite
    """Second UMAP coordinate."""
    order: Finite | None = None
    """As the text's."""
