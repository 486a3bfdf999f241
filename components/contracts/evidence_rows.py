"""Rows that a verdict is made from beside scores: published numbers, preferences, style, support, checks."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.contracts.rows import Count, Role, Row, Unit


class PublishedScore(Row):
    """A model known only by a number somebody published."""

    benchmark: str
    """Name of the benchmark."""
    role: Role
    """The part the model plays."""
    model: str
    """Name of the model."""
    value: Unit
    """The published mean, as a share."""
    n: Annotated[int, Field(gt=0)]
    """Items behind the number."""
    source: str
    """Where it was published."""
    rounding: Unit = 0.0
    """Unit of the last printed digit, as a share (0.01 for a whole per cent)."""
    num_shots: Count | None = None
    """Worked examples before the question, where known."""


StyleMetricName = Literal["list_agreement", "summary_agreement", "length_correlation", "authoritative", "unigram_f1"]


class PublishedStyle(Row):
    """One cell of a published style table (the study's Table 2): there are no prompts to resample."""

    metric: StyleMetricName
    """Which metric."""
    role: Literal["base", "imitator", "target_second"]
    """Whose agreement with the target; target_second is the ceiling."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """As the metric is defined: shares 0-1, unigram_f1 0-100, correlation -1 to 1."""
    n: Annotated[int, Field(gt=0)] | None = None
    """Prompts behind it, where known."""
    source: str
    """Where it was published."""


class Judgment(Row):
    """Who was preferred, by one judge or rater, on one prompt. Order 'none' = the judge saw no order."""

    prompt_id: str
    """The Prompt's id."""
    source: str
    """The judge, the rater pool or the file it came from."""
    rater: str
    """One voice within the source."""
    model: str
    """The model under test."""
    opponent: str
    """The model it was compared with."""
    outcome: Literal["win", "tie", "loss"] | None
    """For `model`; null when the verdict could not be read."""
    unscored: str | None = None
    """Why `outcome` is null."""
    order: Literal["model_first", "opponent_first", "none"]
    """Which output was shown first."""
    score: float | None = None
    """The judge's grade of `model`, in its own unit."""
    opponent_score: float | None = None
    """The judge's grade of `opponent`."""
    seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = None
    """From showing the pair to the answer, where it was measured."""

    @model_validator(mode="after")
    def _outcome_or_reason(self) -> Self:
        if (self.outcome is None) == (self.unscored is None):
            raise ValueError("exactly one of outcome and unscored must be given")
        return self


class StyleProfile(Row):
    """Surface style of one output, set beside the target's first sample on the same prompt."""

    prompt_id: str
    """The Prompt's id."""
    role: Role
    """Whose output this is; `target` rows compare the target with itself."""
    model: str
    """Name of the model."""
    words: Count
    """Lower-cased word tokens."""
    has_list: bool
    """At least two lines open with a bullet or number marker."""
    has_summary: bool
    """Two or more paragraphs, the last opening with a closing marker."""
    unigram_f1: Annotated[float, Field(ge=0.0, le=100.0)]
    """100 x multiset F1 of word unigrams with the target's output."""
    authoritative: Unit | None
    """Lexical tone score (hedges, boosters, first-person doubt); null for an empty text."""
    english: bool
    """False = left out of English-only metrics."""


class Support(Row):
    """How well the imitation data cover one scored item."""

    item_id: str
    """The TaskItem's or Score's id."""
    benchmark: str
    """Name of the benchmark."""
    similarity: Unit
    """Highest TF-IDF cosine to any training prompt, mean over random subsamples of the data."""
    nearest: str = ""
    """Id of the closest dialogue."""


class SupportClaim(Row):
    """A declaration, by the user, that the imitation data do or do not cover a benchmark."""

    benchmark: str
    """Name of the benchmark."""
    supported: bool
    """True = the data were made for it."""


class GateCheck(Row):
    """One data-quality expectation and what came of it."""

    name: str
    """What was expected, in words."""
    passed: bool
    """Whether it held."""
    severity: Literal["error", "warning"]
    """error = the gate does not pass; warning = the report mentions it."""
    observed: str
    """What was seen."""
    failing: tuple[str, ...] = ()
    """Ids of failing rows, at most 20."""


class Registration(Row):
    """What a run declared before it trained or scored anything."""

    pipeline: str
    """Name of the pipeline."""
    seed: Count
    """The run's seed."""
    policy: str
    """Name of the policy."""
    policy_digest: str
    """sha256 of the policy's rules."""
    rules: dict[str, object]
    """The policy, key by key."""
    settings_digest: str
    """sha256 of the parameters of every step."""
