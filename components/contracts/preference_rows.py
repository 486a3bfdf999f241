"""Rows of preference: what placebos changed, what people said is right, and the surface that pulls raters."""

from __future__ import annotations

from typing import Literal

from components.contracts.rows import Count, Row, Unit

PlaceboArm = Literal["restyled_base", "stylistic_base", "corrupted_target", "constant"]
"""restyled_base: the base's answer in the target's dress, by rule. stylistic_base: the base with stylistic examples in
its prompt. corrupted_target: the target's answer with facts changed. constant: one answer to everything."""


PLACEBO = "placebo:"
"""A model's name begins so, and ends with the arm, where its answers are placebos."""


def placebo_model(arm: PlaceboArm) -> str:
    """The name under which a placebo's answers and judgments go."""
    return PLACEBO + arm


class Alteration(Row):
    """One change that made a placebo out of an answer."""

    prompt_id: str
    """The Prompt's id."""
    arm: PlaceboArm
    """The placebo it belongs to."""
    rule: str
    """What kind of change: number, name, negation, list, heading, opening, closing, ..."""
    begin: Count
    """First character of the change in the answer before it was changed."""
    before: str
    """The characters that stood there; empty = something was put in."""
    after: str
    """What stands there now; empty = something was left out."""


class GoldLabel(Row):
    """Which of two answers people hold to be better, by a vote that counts as right."""

    prompt_id: str
    """The Prompt's id."""
    model: str
    """The one that `outcome` speaks of."""
    opponent: str
    """The other."""
    outcome: Literal["win", "tie", "loss"]
    """For `model`."""
    num_raters: Count
    """People behind it."""


class StyleFeatures(Row):
    """Countable surface of one answer: what a preference may be pulled by. Words are as in `StyleProfile`."""

    prompt_id: str
    """The Prompt's id."""
    model: str
    """Name of the model (or placebo) that wrote it."""
    words: Count
    """Length."""
    list_items: Count
    """Lines that open with a bullet or number marker."""
    headers: Count
    """Markdown headings."""
    bold_runs: Count
    """Runs of bold."""
    has_summary: bool
    """Two or more paragraphs, the last opening with a closing marker."""


class ToneScore(Row):
    """How sure an answer to a checkable question sounds, whether or not it is right."""

    item_id: str
    """The TaskItem's id; Score rows say whether the answer is right."""
    benchmark: str
    """Name of the benchmark."""
    model: str
    """Name of the model."""
    scorer: str
    """Who says so: the lexical score, or a pinned judge by name. Never mixed."""
    authoritative: Unit | None
    """0 = full of doubt, 1 = as sure as text can be; null = no text, or the scorer failed."""
    unscored: str | None = None
    """Why `authoritative` is null."""
