"""Part of verdict.json that says whose hand the answers seem to be."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from components.contracts.attribution_rows import Classifier

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TakenShare(_Part):
    """One role's answers, none of which the classifier learned from."""

    share: float
    """Of them, taken for the target's rather than the base's."""
    ci: Interval
    """Its interval by resampling prompts; the classifier is taken as it is."""
    n: int
    """Answers that were asked about."""
    unscored: int
    """Answers that were not, being empty or without embedding."""


class ToldApart(_Part):
    """How often a classifier names the right one of two authors, asked about prompts that it did not learn from."""

    accuracy: float
    """Share of texts given to the one who wrote them."""
    ci: Interval
    """Its interval."""
    n: int
    """Texts asked about."""
    chance: float
    """Accuracy of always naming the author with the most texts."""


class ClassifierResult(_Part):
    """What one classifier takes the answers for, having learned the base's and the target's to other prompts."""

    classifier: Classifier
    """What it looks at."""
    imitator: TakenShare
    """The number that the question is about."""
    base: TakenShare | None
    """Where 0 would be, were the classifier perfect."""
    target: TakenShare | None
    """Where 1 would be: the target's own answers to prompts that were not learned from."""
    target_second: TakenShare | None
    """A second sample of the target: what an imitator's share is best read beside."""
    base_or_target: ToldApart
    """How well it tells the two that it learned."""
    imitator_or_target: ToldApart | None = None
    """The same of imitator and target, learned in their turn; null = not asked."""


class AttributionResult(_Part):
    """Whose the answers are taken for: style alone, for no classifier looks at whether an answer is right."""

    classifiers: tuple[ClassifierResult, ...]
    """In the order in which they were asked; the first speaks for all, lest the best be chosen afterwards."""

    @property
    def headline(self) -> ClassifierResult:
        """The one whose numbers stand in sentences."""
        return self.classifiers[0]
