"""Parts of verdict.json that say whom people and judges prefer, why, and whether a judge may be believed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from components.contracts.preference_rows import PlaceboArm
from components.contracts.rows import Role

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Agreement(_Part):
    """How far several voices on the same pairs agree."""

    num_items: int
    """Pairs with two voices or more."""
    num_raters: int
    """Voices in all."""
    raw: float | None
    """Share of pairs of voices on the same item that say the same."""
    alpha: float | None
    """Krippendorff's alpha, nominal, missing votes allowed; null when only one category occurs."""
    alpha_ci: Interval | None
    """Its interval by resampling items."""
    fleiss: float | None
    """Fleiss' kappa; null when items have different numbers of votes."""
    cohen: float | None
    """Cohen's kappa; null unless there are exactly two voices."""
    reason: str | None = None
    """Why a number is null."""


class RaterRecord(_Part):
    """What one rater did. Nobody is left out by it: rules of exclusion are fixed before the data."""

    rater: str
    """The voice's name; of the crowd's, a keyed hash."""
    n: int
    """Readable votes."""
    num_shared: int
    """Pairs on which the other raters have a strict majority to agree with."""
    agreement: float | None
    """Share of those on which this rater says the same."""
    agreement_ci: Interval | None
    """Wilson's interval."""
    first_share: float | None
    """Share of picks that went to the output shown first; one half = no liking for a side. Ties are no picks."""
    first_ci: Interval | None
    """Wilson's interval."""
    tie_share: float | None
    """Share of votes that are ties."""
    median_seconds: float | None
    """Time per vote; null when times are not given."""
    time_trend: float | None
    """Change of time per vote over the session, last vote against first, as a factor less 1; -0.5 = twice as fast."""
    time_trend_ci: Interval | None
    """Its interval, from least squares on log seconds."""
    left_out: str | None = None
    """The rule, fixed before the data, by which none of the rater's votes counts; null = they count."""


class RaterPool(_Part):
    """The raters of one source: who was left out, and what the others lean to."""

    num_raters: int
    """All, those left out included."""
    num_left_out: int
    """Raters of whom a rule that was fixed before the data counts no vote."""
    num_left_out_votes: int
    """Their votes."""
    first_share: float | None
    """Share of all picks that went to the output shown first; null where no order was seen, or all votes are ties."""
    first_ci: Interval | None
    """Its interval for other raters, whose leanings differ; null for a single one."""
    time_trend: float | None
    """Geometric mean, over raters, of the change of time per vote over the session, as a factor less 1."""
    time_trend_ci: Interval | None
    """Student's interval over raters."""
    num_timed: int
    """Raters behind it: three timed votes or more."""
    records: tuple[RaterRecord, ...]
    """Rater by rater, by name."""


class StyleCoefficient(_Part):
    """One term of the style-adjusted preference model."""

    feature: str
    """words, list_items, headers, bold_runs, has_summary, first_position."""
    value: float
    """Change of the log-odds of being preferred per standard difference; of first_position per position."""
    ci: Interval | None
    """Interval by resampling prompts."""


class AdjustedPreference(_Part):
    """A preference with surface held equal: logistic Bradley-Terry with style differences (method section 5)."""

    raw: float | None
    """Average marginal effect of being the model under test, its style included: share above one half, both places
    weighed alike."""
    raw_ci: Interval | None
    """Its interval by resampling prompts."""
    adjusted: float | None
    """The same with style differences in the model."""
    adjusted_ci: Interval | None
    """Its interval."""
    style_share: float | None
    """1 - adjusted / raw; null where the raw interval reaches 0."""
    style_share_ci: Interval | None
    """Its interval."""
    coefficients: tuple[StyleCoefficient, ...]
    """What pulled."""
    ridge: float
    """Penalty on the style terms."""
    sensitivity: tuple[tuple[float, float | None], ...]
    """(ridge, style share) at other penalties."""
    num_prompts: int
    """Prompts behind it."""
    reason: str | None = None
    """Why a number is null."""


class CorrectedPreference(_Part):
    """A judge's rate set right by a sample that people labelled."""

    method: Literal["ppi++", "rogan-gladen"]
    """Angelopoulos et al. 2023, or Rogan & Gladen 1978."""
    value: float | None
    """The corrected share of prompts at least as good."""
    ci: Interval | None
    """Its interval."""
    num_labelled: int
    """Prompts with both a person's label and the judge's."""
    weight: float | None = None
    """PPI++: lambda, how much the judge is trusted; null otherwise."""
    reason: str | None = None
    """Why the value is null."""


class PlaceboResult(_Part):
    """One placebo put before one judge."""

    arm: PlaceboArm
    """Which."""
    opponent: str
    """What it was compared with: the target, or the base it was made of."""
    n: int
    """Prompts judged."""
    unscored: int
    """Prompts without a verdict: it could not be read, or one of the two answers does not exist."""
    opponent_preferred: float | None
    """Wins of the opponent plus half the ties, as a share: 1 = never fooled."""
    ci: Interval | None
    """Its interval (Clopper and Pearson)."""
    fooled: bool | None
    """Of the corrupted target and the constant: the judge does not clearly prefer the target. Of the others, which know
    what the base knows: it prefers the placebo beyond chance. Null = too few to tell, or beside a model that may be
    worse."""


class JudgeQualification(_Part):
    """Whether a judge may gate."""

    source: str
    """Name of the judge or rater pool."""
    qualified: bool
    """All demands of the policy are met. Otherwise its numbers are shown and gate nothing."""
    placebos: tuple[PlaceboResult, ...]
    """What it did with each."""
    gold_agreement: float | None
    """Share of gold-labelled pairs on which it agrees with people."""
    gold_ci: Interval | None
    """Its interval."""
    num_gold: int
    """Gold-labelled pairs it judged."""
    reasons: tuple[str, ...]
    """What is not met, or was not asked."""


class ConfidentlyWrong(_Part):
    """Authoritative tone crossed with factual error, for one model on one benchmark."""

    benchmark: str
    """Name of the benchmark."""
    role: Role
    """The model's part."""
    model: str
    """Its name."""
    scorer: str
    """Who says what sounds sure."""
    threshold: float
    """Tone from which an answer counts as sure."""
    n: int
    """Answers with both a tone and a score."""
    unscored: int
    """Answers that lack one."""
    wrong: float | None
    """Share that is wrong."""
    sure: float | None
    """Share that sounds sure."""
    sure_and_wrong: float | None
    """Share that is both: the cell of the study's Figure 2."""
    ci: Interval | None
    """Interval of `sure_and_wrong`, clustered as the items are."""
    wrong_given_sure: float | None
    """Share of wrong answers among those that sound sure."""
    wrong_given_sure_ci: Interval | None
    """Its interval."""
