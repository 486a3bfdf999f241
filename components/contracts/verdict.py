"""verdict.json: the stable contract with the outside. Every number that cannot be had is null with its reason beside.

All shares, scores and closeness values are on [0, 1] except `unigram_f1` (0-100) and correlations (-1 to 1).
Intervals are two-sided at 1 - alpha of the policy.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from components.contracts.attribution_results import AttributionResult
from components.contracts.data_results import DataResult
from components.contracts.preference_results import (
    AdjustedPreference,
    Agreement,
    ConfidentlyWrong,
    CorrectedPreference,
    JudgeQualification,
    RaterPool,
)
from components.contracts.reading_results import FormatLoss, Reading
from components.contracts.support_results import SupportMap

VerdictWord = Literal["CAPABILITY", "LOCAL", "STYLE_ONLY", "REGRESSION", "INCONCLUSIVE"]
BenchmarkLabel = Literal["gained", "nothing", "regressed", "cannot tell", "gap not measurable", "unusable"]
Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PolicyRef(_Part):
    """Which rules decided."""

    name: str
    """Preset or file name."""
    digest: str
    """sha256 of the policy's canonical JSON."""


class BenchmarkResult(_Part):
    """One benchmark, base against imitator on the same items, beside the target."""

    name: str
    """Benchmark."""
    n: int
    """Items with a score for base and imitator both; for published numbers the smaller n."""
    unscored: int
    """Items left out because some model's answer could not be scored."""
    num_clusters: int | None
    """Clusters behind the interval; null for published numbers."""
    num_shots: int | None
    """Worked examples before each question, where known."""
    paired: bool
    """False when a model is known only by a published number."""
    base: float | None
    """Mean score."""
    imitator: float | None
    """Mean score."""
    target: float | None
    """Mean score; null when the target was not measured."""
    delta: float | None
    """imitator - base."""
    delta_ci: Interval | None
    """Interval of delta."""
    p: float | None
    """Two-sided p for delta = 0, unadjusted."""
    p_gain_holm: float | None
    """One-sided p for delta > 0, Holm-adjusted over benchmarks."""
    p_regression_holm: float | None
    """One-sided p for delta >= -regression_margin, Holm-adjusted."""
    p_mcnemar: float | None
    """Exact McNemar p; null unless scores are 0/1 and every cluster is a single item."""
    gap: float | None
    """target - base."""
    gap_ci: Interval | None
    """Interval of the gap."""
    gap_closed: float | None
    """delta / gap; null where the gap is not measurable."""
    gap_closed_ci: Interval | None
    """Fieller interval; null where it is not a bounded interval."""
    gap_closed_reason: str | None
    """Why gap_closed or its interval is null."""
    supported: bool | None
    """Whether the imitation data cover this benchmark; null = unknown, or `behaviour`."""
    support: float | None
    """Mean support of the items, where measured."""
    support_source: Literal["declared", "measured", "unknown", "behaviour"]
    """Where `supported` comes from."""
    label: BenchmarkLabel
    """What this benchmark alone says."""
    mde: float | None
    """Smallest delta detectable with 80% power at this n."""
    n_needed: int | None
    """Items that would settle this benchmark; null when it is settled or cannot be told."""
    sources: tuple[str, ...] = ()
    """Where published numbers come from."""
    unmatched: int = 0
    """Items that only one of base and imitator has; left out."""
    n_gap: int | None = None
    """Items behind the gap and gap_closed: those that the target has too; null when it was not measured."""
    delta_ci_clustered: Interval | None = None
    """Interval of delta by whole clusters, where `delta_ci` takes clusters as fixed strata (MMLU's subjects): how far
    the change would carry to other subjects of the kind; null for other benchmarks."""


class Pooled(_Part):
    """Sum of deltas over sum of gaps for a set of benchmarks fixed by the policy."""

    benchmarks: tuple[str, ...]
    """Members of the set."""
    gap_closed: float | None
    """Pooled share of the gap closed."""
    ci: Interval | None
    """Fieller interval with Satterthwaite degrees of freedom."""
    reason: str | None = None
    """Why a number is null."""
    weights: dict[str, float] = {}
    """Benchmark -> its share of the summed gap: what drives the pooled number."""


class PooledSets(_Part):
    """The three sets of method section 6."""

    unsupported: Pooled
    """U."""
    supported: Pooled
    """V."""
    all: Pooled
    """U and V together."""


class StyleMetric(_Part):
    """One row of Table 2."""

    base: float | None
    """Agreement of the base with the target."""
    imitator: float | None
    """Agreement of the imitator with the target."""
    ceiling: float | None
    """Agreement of a second target sample with the first; the identity when there is none."""
    closeness: float | None
    """(imitator - base) / (ceiling - base)."""
    ci: Interval | None
    """Interval by resampling prompts."""
    measurable: bool
    """The span's lower bound is above 0."""
    reason: str | None = None
    """Why a number is null."""


class StyleResult(_Part):
    """How much of the target's style the imitator took on."""

    closeness: float | None
    """Mean over measurable metrics, each capped at 1."""
    ci: Interval | None
    """Interval by resampling prompts; null for published tables."""
    n: int
    """Prompts."""
    lower_bound: bool
    """True when no second target sample exists, so the ceiling is the identity."""
    reason: str | None
    """Why closeness is null or has no interval."""
    metrics: dict[str, StyleMetric]
    """list_agreement, summary_agreement, length_correlation, authoritative, unigram_f1."""


class PreferenceResult(_Part):
    """One judge or rater pool on imitator against target."""

    source: str
    """Judge, pool or file."""
    model: str
    """The model under test."""
    opponent: str
    """What it was compared with."""
    n: int
    """Prompts with a readable outcome."""
    unscored: int
    """Prompts without."""
    at_least_target: float | None
    """Share of prompts where the model won or tied."""
    ci: Interval | None
    """Interval by resampling prompts (Wilson at shares of 0 or 1)."""
    wins: int
    """Prompts won."""
    ties: int
    """Prompts tied, order disagreements included."""
    losses: int
    """Prompts lost."""
    order_flips: int | None
    """Prompts on which the two orders disagreed; null when only one order, or none, was judged."""
    score_total: float | None
    """Sum of the judge's grades of the model, where it graded."""
    opponent_score_total: float | None
    """Sum of the judge's grades of the opponent."""
    adjusted: float | None
    """Style-adjusted share; null until the style regression is fitted."""
    style_share: float | None
    """Part of the preference explained by style."""
    qualified: bool | None
    """Whether the judge passed the placebo arms; null = not asked."""
    note: str | None = None
    """What a reader must know (one order only, judge has no order, ...)."""
    ci_raters: Interval | None = None
    """Interval of at_least_target by resampling prompts and raters; null for a single voice."""
    agreement: Agreement | None = None
    """How far voices agree; null for a single voice."""
    raters: RaterPool | None = None
    """Each rater's record, who was left out, and what the others lean to; null for a single voice."""
    adjustment: AdjustedPreference | None = None
    """The style regression behind `adjusted` and `style_share`; null when no features were given."""
    corrected: tuple[CorrectedPreference, ...] = ()
    """at_least_target of a judge set right by people's labels, where there are any."""


class Plan(_Part):
    """What an INCONCLUSIVE verdict tends to, and the items that should settle it."""

    verdict: VerdictWord
    """The verdict if the numbers stayed as they are."""
    growth: float
    """How many times the items, of the benchmark that needs most."""
    items: dict[str, int]
    """Benchmark -> items."""


class Verdict(_Part):
    """Everything the report says."""

    verdict: VerdictWord
    """The first rule that holds."""
    reason: str
    """One plain sentence."""
    would_change: tuple[str, ...]
    """What would change the verdict: failed conditions, by how much, the n needed."""
    plan: Plan | None = None
    """The items that should settle an INCONCLUSIVE verdict; null for others, and where more items would not help."""
    gate: Literal["pass", "fail"]
    """Whether everything that the policy requires was shown: a verdict, and of judges that may gate a preference."""
    gate_missing: tuple[str, ...] = ()
    """What it requires and was not shown; empty = the gate passes."""
    policy: PolicyRef
    """Which rules decided."""
    support: Literal["known", "unknown"]
    """unknown: no imitation data were given and nothing was declared."""
    regressed: tuple[str, ...]
    """Benchmarks labelled regressed."""
    gained: tuple[str, ...]
    """Benchmarks labelled gained."""
    benchmarks: tuple[BenchmarkResult, ...]
    """In the order given."""
    pooled: PooledSets
    """Over U, V and both."""
    style: StyleResult
    """Table 2."""
    preference: tuple[PreferenceResult, ...]
    """One row a source."""
    judges: tuple[JudgeQualification, ...] = ()
    """One entry for each source that was given placebos or gold labels."""
    confidently_wrong: tuple[ConfidentlyWrong, ...] = ()
    """Tone crossed with error, one entry a benchmark and model."""
    data: DataResult | None = None
    """The imitation data; null when nothing about them was given."""
    support_map: SupportMap | None = None
    """Gain against support, item by item; null when no item's support was measured."""
    readings: tuple[Reading, ...] = ()
    """Every way in which questions were put and answers read, where there are several."""
    format_loss: tuple[FormatLoss, ...] = ()
    """Where answers were read strictly and leniently: how much of a change is form."""
    attribution: AttributionResult | None = None
    """Whose the answers are taken for; null when nobody was asked. It decides nothing."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before believing a number."""
    provenance: dict[str, object]
    """Models, files, digests, versions, joins. The only part that may hold times."""
