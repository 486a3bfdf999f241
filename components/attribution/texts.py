"""What the classifiers are asked: texts that can be read, and which of them are learned from for which."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.contracts.attribution_rows import AuthoredText, Embedding
from components.contracts.errors import TouchstoneError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """Texts that every classifier is asked about, in the order of their ids."""

    rows: Sequence[AuthoredText]
    vectors: Floats | None
    """Texts x dimensions, float64; None = no embeddings were given."""
    unscored: Mapping[str, int]
    """Author -> texts that no classifier is asked about."""

    @property
    def authors(self) -> npt.NDArray[np.str_]:
        """Of each text."""
        return np.array([row.author for row in self.rows])


@dataclass(frozen=True)
class Fold:
    """One test: what is learned from, and what is then asked."""

    train: Indices
    test: Indices


def material(texts: Iterable[AuthoredText], embeddings: Sequence[Embedding]) -> Material:
    """Texts joined with their embeddings by id. All classifiers see the same texts, so their numbers can be compared.

    Raises:
        TouchstoneError: an id occurs twice, or no text can be read.
    """
    by_id: dict[str, AuthoredText] = {}
    for row in texts:
        if row.id in by_id:
            raise TouchstoneError(f"two texts have the id {row.id}", expected="unique ids")
        by_id[row.id] = row
    vectors = {row.id: row.vector for row in embeddings if row.unembedded is None}
    unscored: Counter[str] = Counter()
    found = []
    for _, row in sorted(by_id.items()):
        if row.missing is None and row.text.strip() and (not embeddings or row.id in vectors):
            found.append(row)
        else:
            unscored[row.author] += 1
    if not found:
        what = f"{len(by_id)} texts, all empty or without embedding" if by_id else "no text"
        raise TouchstoneError(f"{what}: there is nothing to attribute", expected="texts of two authors or more")
    lengths = {len(vectors[row.id]) for row in found} if embeddings else set()
    if len(lengths) > 1:
        raise TouchstoneError(
            f"the embeddings have {', '.join(map(str, sorted(lengths)))} dimensions",
            expected="vectors of one model and layer",
        )
    return Material(found, np.array([vectors[row.id] for row in found]) if embeddings else None, unscored)


def candidates_of(data: Material, named: Sequence[str]) -> tuple[str, ...]:
    """Authors a text may be given to: those named, else every author.

    Raises:
        TouchstoneError: one of them wrote nothing that can be read, or there are fewer than two.
    """
    present = sorted(set(data.authors))
    if missing := [name for name in named if name not in present]:
        raise TouchstoneError(f"there is no text by {missing[0]}", expected=f"authors among {', '.join(present)}")
    chosen = tuple(dict.fromkeys(named)) or tuple(present)
    if len(chosen) < 2:
        raise TouchstoneError(
            f"all texts are by {chosen[0]}", expected="two authors or more, to tell one from the other"
        )
    return chosen


def folds_of(data: Material, candidates: Sequence[str], count: int, seed: int) -> list[Fold]:
    """The given split as one test; or `count` tests over groups, in which every text is asked about once.

    Raises:
        TouchstoneError: only some texts have a side, an author with nothing to learn from, or fewer groups than folds.
    """
    split = np.array([row.split for row in data.rows])
    known = np.isin(data.authors, candidates)
    if (split != "").any():
        return [_given(data, candidates, split, known)]
    groups = np.array([row.group for row in data.rows])
    of_group = assigned(sorted(set(groups)), count, seed)
    number = np.array([of_group[group] for group in groups])
    made = []
    for fold in range(count):
        train, test = np.flatnonzero((number != fold) & known), np.flatnonzero(number == fold)
        # An author's only group cannot be both learned from and asked about.
        for author in candidates:
            if not (data.authors[train] == author).any():
                raise TouchstoneError(
                    f"{author} has texts in too few groups to be learned from and asked about",
                    expected=f"texts of every author in at least two of the {count} folds",
                    remedy="give more texts, or leave this author out of the candidates",
                )
        made.append(Fold(train, test))
    return made


def _given(
    data: Material, candidates: Sequence[str], split: npt.NDArray[np.str_], known: npt.NDArray[np.bool_]
) -> Fold:
    if (split == "").any():
        raise TouchstoneError(
            f"{int((split == '').sum())} of {len(split)} texts are on neither side of the given split",
            expected="train or test on all texts, or on none",
        )
    train, test = np.flatnonzero((split == "train") & known), np.flatnonzero(split == "test")
    learned = set(data.authors[train])
    if unlearned := [author for author in candidates if author not in learned]:
        raise TouchstoneError(
            f"{unlearned[0]} has no text to learn from",
            expected="a text on the side train from every candidate",
            remedy="leave this author out of the candidates",
        )
    if not len(test):
        raise TouchstoneError("no text is on the side test", expected="texts to ask about")
    groups = np.array([row.group for row in data.rows])
    both = set(groups[train]) & set(groups[test])
    if both:
        raise TouchstoneError(
            f"texts of group {min(both)} are on both sides of the given split",
            expected="every group on one side",
        )
    return Fold(train, test)


def assigned(groups: Sequence[str], count: int, seed: int) -> dict[str, int]:
    """Group -> fold, by a hash of its name: folds of like size that do not hang on the order of rows.

    Raises:
        TouchstoneError: there are fewer groups than folds.
    """
    if len(groups) < count:
        raise TouchstoneError(
            f"{len(groups)} groups of texts cannot be shared out among {count} folds",
            expected="at least one group (a prompt) for each fold",
            remedy="lower params.folds, or give more texts",
        )
    drawn = sorted(groups, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    return {group: place % count for place, group in enumerate(drawn)}
