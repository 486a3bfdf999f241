"""Parts of verdict.json that say how a change hangs on the way in which questions are put and answers read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from components.contracts.rows import Channel, PromptStyle

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Reading(_Part):
    """One benchmark's change when questions are put and answers are read in one way."""

    benchmark: str
    """Name of the benchmark."""
    base_style: PromptStyle
    """How the base was asked."""
    imitator_style: PromptStyle
    """How the imitator was asked."""
    channel: Channel
    """How answers were read, of both alike."""
    headline: bool
    """Whether this is the reading that the verdict uses."""
    n: int
    """Items with a score of both, among those of the headline."""
    unscored: int
    """Items of the headline that one of them has no score for in this reading."""
    base: float | None
    """Mean score."""
    imitator: float | None
    """Mean score."""
    delta: float | None
    """imitator - base."""
    delta_ci: Interval | None
    """Its paired, clustered interval."""
    reason: str | None = None
    """Why a number is null."""


class FormatLoss(_Part):
    """One benchmark's change under the strict rule, taken apart: knowledge + form = strict, item by item.

    Knowledge is the change of the extracted reading, form that of strict - extracted (method section 2.8).
    """

    benchmark: str
    """Name of the benchmark."""
    n: int
    """Items with both readings of both models."""
    strict: float | None
    """Change under the strict rule."""
    strict_ci: Interval | None
    """Its interval."""
    knowledge: float | None
    """Change when the answer is looked for inside the reply."""
    knowledge_ci: Interval | None
    """Its interval."""
    form: float | None
    """What is left: points won or lost by the form of replies alone."""
    form_ci: Interval | None
    """Its interval."""
