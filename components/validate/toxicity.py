"""Toxic replies, found by a scorer whose weights come with its package (alt-profanity-check): no network, no download.

What it can see: English insults, obscenities and slurs, spelled as usual. Against the Perspective scores of 9,949
RealToxicityPrompts texts (toxic = 0.5 and above, 30% of them) its AUC is 0.883. Its probabilities understate: of texts
scored 0.4 to 0.6, 70% are toxic. At the cut of 0.9 it finds 25% of the toxic texts (51% of those that Perspective
scores 0.8 and above) and calls 0.06% of the others toxic; the cut is that high because a data set has millions of
sentences and every false alarm in one of them counts.

What it cannot see: it counts words. HateCheck's hateful statements and its harmless ones are the same to it (AUC
0.47): at a cut of 0.5 it finds 10 to 23% of the spellings with spaces, digits or swapped letters and at most 35% of
threats, and calls 98% of harmless swearing and 90% of reclaimed slurs toxic. Of ChatGPT's replies to 4,507 ordinary
questions it calls 0.2% toxic, most of them wrongly (jerk chicken, a black hole that sucks). Its share is an alarm, not
a rate.

Replies are read sentence by sentence: one toxic sentence in a long reply is drowned otherwise (with a toxic sentence
hidden in each of 600 clean replies, 0.3% were found as a whole, 48% by sentence). Only the first 8,000 characters of a
dialogue's replies are read. Other languages have no words in its vocabulary, except by accident (German "die"): they
are unscored.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

TOXIC_FROM = 0.9
"""Probability from which a sentence counts as toxic."""
READ_CHARS = 8_000
"""Characters of a dialogue's replies that are read."""
SHORTEST_PIECE = 40
LONGEST_PIECE = 100
BATCH_PIECES = 4_096

NOT_ENGLISH = "not English"
NO_TEXT = "no reply text"

Scorer = Callable[[Sequence[str]], Sequence[float]]
"""Texts -> probability of being toxic, 0 to 1, in the same order."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


class Piece(NamedTuple):
    """The most toxic sentence of a text."""

    text: str
    probability: float


def local_scorer() -> Scorer:
    """The scorer of alt-profanity-check.

    Raises:
        ImportError: the package is not installed.
        UserWarning: its model was saved by another scikit-learn than the one installed, and may predict nonsense.
    """
    with warnings.catch_warnings():
        # scikit-learn only warns when a pickle is of another version, and then may predict nonsense.
        warnings.simplefilter("error")
        from profanity_check import predict_prob  # type: ignore[import-untyped]

    return lambda texts: [float(value) for value in predict_prob(list(texts))]


def pieces(text: str) -> list[str]:
    """Sentences of the first 8,000 characters, short ones joined to at least 40 characters, long ones cut at 100.

    A heading or a list item of three words says too little: "Saturated fat:" alone would be an insult.
    """
    found: list[str] = []
    pending = ""
    for sentence in _SENTENCE_END.split(text[:READ_CHARS]):
        pending = f"{pending} {sentence}" if pending else sentence
        if len(pending) >= SHORTEST_PIECE:
            found += _cut(pending)
            pending = ""
    return [piece for piece in (*found, pending) if piece.strip()]


def _cut(text: str) -> Iterator[str]:
    while len(text) > LONGEST_PIECE:
        space = text.rfind(" ", LONGEST_PIECE // 2, LONGEST_PIECE)
        end = space if space > 0 else LONGEST_PIECE
        yield text[:end]
        text = text[end:]
    yield text


class ToxicityMeter:
    """Scores texts in batches. What the scorer fails on stays unscored, with the reason; it is never "not toxic"."""

    def __init__(self, make_scorer: Callable[[], Scorer] = local_scorer) -> None:
        """Take a way to get a scorer; it is called when the first text comes."""
        self._make = make_scorer
        self._scorer: Scorer | None = None
        self._broken = ""
        self._owners: list[int] = []
        self._pieces: list[str] = []
        self.highest: dict[int, float] = {}
        """Text number -> probability of its most toxic sentence."""
        self.unscored: dict[int, str] = {}
        """Text number -> why it has none."""

    def add(self, number: int, text: str, *, english: bool) -> None:
        """Take the replies of one dialogue.

        Args:
            number: Names the text in `highest` and `unscored`; each number is given once.
            text: All replies.
            english: Whether they are English; others are unscored.
        """
        if not text.strip():
            self.unscored[number] = NO_TEXT
        elif not english:
            self.unscored[number] = NOT_ENGLISH
        else:
            found = pieces(text)
            self._pieces += found
            self._owners += [number] * len(found)
            if len(self._pieces) >= BATCH_PIECES:
                self.flush()

    def flush(self) -> None:
        """Score what was taken and not scored yet."""
        owners, texts = self._owners, self._pieces
        self._owners, self._pieces = [], []
        if not texts:
            return
        if not self._score(owners, texts):
            # One text that the scorer cannot read must not take its neighbours with it.
            bounds = [n for n in range(len(owners)) if n == 0 or owners[n] != owners[n - 1]]
            for begin, end in zip(bounds, [*bounds[1:], len(owners)], strict=True):
                self._score(owners[begin:end], texts[begin:end])

    def _score(self, owners: Sequence[int], texts: Sequence[str]) -> bool:
        """Whether the texts have numbers now; where not, their owners have a reason."""
        problem = self._broken
        values: Sequence[float] = ()
        try:
            if self._scorer is None and not problem:
                self._scorer = self._make()
            values = self._scorer(texts) if self._scorer else ()
        except Exception as error:  # another project's code: whatever it raises, the text is unscored, not harmless
            problem = f"the scorer failed: {type(error).__name__}"
            if self._scorer is None:
                # It cannot be had at all (not installed, or of another scikit-learn): once is enough, and why is said.
                problem = self._broken = f"{problem}, {error}"
        if not problem and (len(values) != len(texts) or not all(0.0 <= value <= 1.0 for value in values)):
            problem = "the scorer gave no number between 0 and 1"
        if problem:
            self.unscored.update(dict.fromkeys(owners, problem))
            return False
        for owner, value in zip(owners, values, strict=True):
            self.unscored.pop(owner, None)
            self.highest[owner] = max(self.highest.get(owner, 0.0), value)
        return True

    def reasons(self) -> dict[str, int]:
        """Reason -> texts that are unscored for it."""
        return dict(Counter(self.unscored.values()).most_common())


def worst_piece(text: str, scorer: Scorer) -> Piece | None:
    """The sentence for which a text counts as toxic; None when there is nothing to read or the scorer fails."""
    found = pieces(text)
    try:
        values = scorer(found) if found else []
    except Exception:  # as above; this only picks what a reader is shown
        return None
    return max((Piece(piece, value) for piece, value in zip(found, values, strict=True)), key=_by_value, default=None)


def _by_value(piece: Piece) -> float:
    return piece.probability
