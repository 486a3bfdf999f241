"""Raters who reward style, truth or both, the prompts they are shown, and the share of votes that is so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.special import expit

from components.report.clustered import Floats

POPULATION = 2000
"""Points that stand for all prompts there might be."""
Bond = Literal["loosely", "tightly"]
"""How length is tied to the model. loosely: the imitator's answers are longer by half on average, with wide scatter.
tightly: three times as long nearly everywhere: length and model say almost the same (a variance inflation of 14)."""


@dataclass(frozen=True)
class StyleWorld:
    """Raters and what they reward, in log-odds."""

    name: str
    prompts: int
    raters: int
    bond: Bond
    strength: float = 0.0
    """The model, whatever its surface: truth."""
    length: float = 0.0
    """A normalised difference in words of 1: style."""
    place: float = 0.3
    """Being shown first."""
    tie: float = 0.4
    """Within which a rater does not care."""
    lean: float = 0.0
    """Spread between raters of their own liking for the model."""
    taste: float = 0.0
    """Spread between raters of what length is worth to them."""

    @property
    def title(self) -> str:
        """All that tells it from the others."""
        return f"{self.name}; {self.prompts} prompts, raters: {self.raters}, length {self.bond} tied to the model"

    @property
    def beyond(self) -> str | None:
        """Why nothing is promised of it: what the regression leaves out."""
        tied = self.taste > 0 and self.bond == "tightly"
        return "a rater's taste for a length that is tied to the model passes for leaning" if tied else None


def _worlds() -> tuple[StyleWorld, ...]:
    style, truth = {"length": 3.0}, {"strength": 0.8}
    with_it, against = {"strength": 0.6, "length": 2.0}, {"strength": -0.6, "length": 2.0}
    loud = {"place": 1.0, "tie": 1.5}
    differ = {"lean": 1.0, "taste": 1.5}
    return (
        StyleWorld("only style", 80, 1, "loosely", **style),
        StyleWorld("only style", 80, 1, "tightly", **style),
        StyleWorld("only truth", 80, 1, "loosely", **truth),
        StyleWorld("only truth", 80, 1, "tightly", **truth),
        StyleWorld("style and truth", 80, 1, "loosely", **with_it),
        StyleWorld("style against truth", 80, 1, "tightly", **against),
        StyleWorld("only style, many ties, strong place", 80, 1, "loosely", **style, **loud),
        StyleWorld("only truth, many ties, strong place", 80, 1, "tightly", **truth, **loud),
        StyleWorld("only style, raters lean", 80, 3, "tightly", **style, lean=1.0),
        StyleWorld("only truth, raters lean", 80, 3, "loosely", **truth, lean=1.0),
        StyleWorld("only style, raters lean and differ in taste", 80, 10, "loosely", **style, **differ),
        StyleWorld("only style", 200, 1, "tightly", **style),
        StyleWorld("only truth, many ties, strong place", 200, 1, "loosely", **truth, **loud),
        StyleWorld("style against truth", 200, 1, "loosely", **against),
        StyleWorld("style and truth", 200, 3, "loosely", **with_it),
        StyleWorld("only style, raters lean", 200, 3, "tightly", **style, lean=1.0),
        StyleWorld("only truth, raters lean and differ in taste", 200, 10, "tightly", **truth, **differ),
        StyleWorld("only style", 800, 1, "tightly", **style),
        StyleWorld("only truth", 800, 1, "tightly", **truth),
        StyleWorld("style and truth, raters lean", 800, 3, "loosely", **with_it, lean=1.0),
        StyleWorld("style and truth, nearly always won", 80, 1, "tightly", strength=2.0, length=1.5),
        StyleWorld("style and truth, nearly always won", 200, 1, "loosely", strength=3.0, length=2.0),
    )


WORLDS = _worlds()


def lengths_of(bond: Bond, n: int, rng: np.random.Generator) -> Floats:
    """(n, 2) words of imitator and target."""
    target = np.floor(rng.gamma(3, 60.0, n)) + 1
    longer = rng.gamma(3, 90.0, n) if bond == "loosely" else target * np.exp(rng.normal(1.1, 0.35, n))
    return np.stack([np.floor(longer) + 1, target], axis=1).astype(np.float64)


@cache
def _population(bond: Bond) -> Floats:
    """Normalised differences in words of all prompts, as evenly spaced quantiles of many draws."""
    words = lengths_of(bond, 100 * POPULATION, np.random.default_rng(1))
    pull = np.sort((words[:, 0] - words[:, 1]) / words.sum(axis=1))
    found: Floats = pull.reshape(POPULATION, -1).mean(axis=1)
    return found


def share_won(world: StyleWorld, strength: float, taste: float) -> float:
    """Share of votes that a model of this strength wins with the imitator's surface, ties half, both places alike.

    Args:
        world: Its prompts, ties and pull of the place.
        strength: Log-odds of the model, as one rater sees it.
        taste: The rater's, for length.
    """
    felt = strength + taste * _population(world.bond)
    edges = [place + tie for place in (world.place, -world.place) for tie in (world.tie, -world.tie)]
    return float(np.mean([expit(felt + edge).mean() for edge in edges]))
