"""Made-up authors: texts whose author is told by some words alone, or by nothing at all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.attribution.step import attribute
from components.contracts import bind
from components.contracts.attribution_rows import AttributedText, Attribution, AuthoredText, Embedding, MapPoint
from components.contracts.ports import Input, write_rows

COMMON = [
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "is",
    "that",
    "it",
    "was",
    "for",
    "on",
    "are",
    "with",
    "as",
    "his",
    "they",
    "be",
    "at",
    "one",
    "have",
    "this",
    "from",
]
SUBJECTS = [
    "river",
    "stone",
    "market",
    "letter",
    "engine",
    "harvest",
    "teacher",
    "window",
    "signal",
    "forest",
    "bridge",
    "paper",
]
HABITS = {"base": ("perhaps", "quite"), "target": ("overall", "indeed"), "nobody": ()}


def written(author: str, prompt: int, *, seed: int = 0, habit: str | None = None) -> AuthoredText:
    """Some words about the prompt's subject, with the habits of a writer."""
    rng = random.Random(f"{seed}/{author}/{prompt}")
    subject = random.Random(prompt).sample(SUBJECTS, 3)
    habits = HABITS[habit or author]
    words = [rng.choice(COMMON if rng.random() < 0.7 else subject) for _ in range(60)]
    words += [rng.choice(habits) for _ in range(8) if habits]
    rng.shuffle(words)
    return AuthoredText(id=f"{author}/{prompt}", author=author, group=str(prompt), text=" ".join(words) + ".")


def clouds(
    texts: Sequence[AuthoredText], *, apart: float, seed: int = 0, like: dict[str, str] | None = None
) -> list[Embedding]:
    """Vectors from a normal distribution around a centre for each author, `apart` standard deviations from zero."""
    rng = np.random.default_rng(seed)
    like = like or {}
    names = sorted({like.get(text.author, text.author) for text in texts})
    centres = {name: apart * rng.normal(size=16) / 4 for name in names}
    return [
        Embedding(
            id=text.id,
            vector=tuple((centres[like.get(text.author, text.author)] + rng.normal(size=16)).tolist()),
            num_tokens=60,
            num_windows=1,
        )
        for text in texts
    ]


class Told:
    """What the step made."""

    def __init__(self, folder: Path) -> None:
        self.rows = Input(folder / "attribution", Attribution).rows()
        self.texts = Input(folder / "attributed", AttributedText).rows()
        self.apart = Input(folder / "told_apart", Attribution).rows()
        self.apart_texts = Input(folder / "told_apart_texts", AttributedText).rows()
        self.points = Input(folder / "points", MapPoint).rows()

    def of(self, classifier: str, author: str) -> Attribution:
        """One row."""
        return next(row for row in self.rows if (row.classifier, row.author) == (classifier, author))


def tell(
    folder: Path, texts: Sequence[AuthoredText], embeddings: Sequence[Embedding] | None = None, **params: object
) -> Told:
    """Call the step."""
    write_rows(folder / "texts", AuthoredText, texts)
    made = ("attribution", "attributed", "told_apart", "told_apart_texts", "points")
    ports = {name: folder / name for name in ("texts", *made)}
    if embeddings is not None:
        write_rows(folder / "embeddings", Embedding, embeddings)
        ports["embeddings"] = folder / "embeddings"
    bind.call(attribute, params={"map": False, **params}, **ports)
    return Told(folder)
