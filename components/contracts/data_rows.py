"""Rows about imitation data: how near they come to held-out texts and to each other, and what a person said of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import Field

from components.contracts.rows import Count, Row, Unit

Bleu = Annotated[float, Field(ge=0.0, le=100.0 + 1e-9, allow_inf_nan=False)]
"""A sacrebleu score, 0 to 100 (and the last bit of rounding above it)."""

CategoryName = Literal[
    "Generation",
    "General QA",
    "Coding",
    "Brainstorming",
    "Chat",
    "Summarization",
    "Rewrite",
    "Non-English",
    "Invalid",
]
"""The nine categories of the study's Table 5, in its order."""
CATEGORIES: tuple[CategoryName, ...] = get_args(CategoryName)
"""The same, as values."""
STUDY_SHARES: Mapping[CategoryName, float] = MappingProxyType(
    dict(zip(CATEGORIES, (0.31, 0.16, 0.16, 0.08, 0.06, 0.04, 0.02, 0.14, 0.02), strict=True))
)
"""Table 5: shares of 50 ShareGPT queries, as printed; they add up to 0.99."""


class Overlap(Row):
    """The training text that comes nearest to one held-out prompt or benchmark item, by three measures."""

    item_id: str
    """The Prompt's or TaskItem's id."""
    benchmark: str
    """Name of the benchmark; empty for a held-out prompt."""
    bleu: Bleu
    """Highest sacrebleu sentence BLEU of the item against any single training text, user or model side."""
    bleu_dialogue: str = ""
    """Id of the dialogue that holds that text; empty when `bleu` is 0."""
    bleu_turn: Count = 0
    """Its turn, from 0."""
    ngram8: Unit | None
    """Share of the item's word 8-grams found anywhere in the training texts; null for an item of fewer than 8 words."""
    ngram13: Unit | None
    """The same for 13-grams."""
    cosine: Unit
    """Highest TF-IDF cosine to any training prompt (user turn)."""
    cosine_dialogue: str = ""
    """Id of the dialogue that holds that prompt; empty when `cosine` is 0."""
    dirty: bool
    """Counts as leaked under the thresholds that the manifest's notes give."""


class QueryNeighbour(Row):
    """One query of the imitation data and the most similar other query."""

    dialogue_id: str
    """The dialogue the query opens or stands in."""
    turn: Count
    """Its turn, from 0."""
    bleu: Bleu
    """Highest sacrebleu sentence BLEU of this query against any single other query."""
    nearest_dialogue: str = ""
    """Id of the dialogue that holds that other query; empty when `bleu` is 0."""
    nearest_turn: Count = 0
    """Its turn, from 0."""


class CategoryReview(Row):
    """One query put into a category by a person."""

    dialogue_id: str
    """The dialogue whose first query was read."""
    category: CategoryName
    """What the person chose."""
    rater: str = ""
    """Who; empty = not said."""


class CategoryShare(Row):
    """How common one category of queries is."""

    category: CategoryName
    """Which."""
    share: Unit
    """The classifier's share over all queries, corrected by the reviewed ones where there are any."""
    ci: tuple[float, float] | None
    """Interval of the share from the reviewed sample; null without a review."""
    classified: Unit
    """The classifier's share alone."""
    reviewed: Count = 0
    """Reviewed queries of this category."""


class BenchmarkLeakage(Row):
    """One benchmark against the imitation data."""

    benchmark: str
    """Name of the benchmark; empty = the held-out prompts."""
    n: Count
    """Items searched."""
    dirty: Count
    """Items that count as leaked."""
    bleu_mean: Bleu
    """Mean over items of the highest BLEU."""
    bleu_above_20: Count
    """Items whose highest BLEU exceeds 20, the study's limit for prompts."""
    ngram8_found: Count
    """Items of which an 8-gram is found."""
    ngram13_found: Count
    """Items of which a 13-gram is found."""


class DataFigures(Row):
    """What the report says about one set of imitation data: a single row."""

    name: str
    """What the data are called."""
    dialogues: Count
    """Dialogues kept."""
    turns: Count
    """Turns in them."""
    imitation_words: Count
    """Words (runs of letters, digits and underscores) in the assistant turns."""
    removed: dict[str, int] = Field(default_factory=dict)
    """Reason -> dialogues set aside."""
    sources: dict[str, int] = Field(default_factory=dict)
    """Source -> dialogues."""
    targets: dict[str, int] = Field(default_factory=dict)
    """Target model -> dialogues."""
    languages: dict[str, int] = Field(default_factory=dict)
    """ISO 639-1 code -> dialogues; an empty key = not looked at."""
    terms: dict[str, int] = Field(default_factory=dict)
    """Terms flag of the passport -> dialogues."""
    redacted: dict[str, int] = Field(default_factory=dict)
    """Kind of secret or personal data -> placeholders put in."""
    diversity_bleu: Bleu | None = None
    """Mean over queries of the BLEU to the most similar other query (ShareGPT-Mix: 8); null = not measured."""
    diversity_queries: Count = 0
    """Queries behind that mean."""
    leakage: tuple[BenchmarkLeakage, ...] = ()
    """One entry for each benchmark, and one for the held-out prompts."""
    categories: tuple[CategoryShare, ...] = ()
    """Table 5's categories."""
    toxic_share: Unit | None = None
    """Share of dialogues with a reply that the local scorer calls toxic; null = not measured."""
    toxic_unscored: Count = 0
    """Dialogues whose replies the scorer could not read."""
