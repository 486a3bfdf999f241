"""Rows of imitation data: conversations with their origin, and what was left out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.contracts.rows import Count, Row, Turn

IsoDate = Annotated[str, Field(pattern=r"^(\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?)?$")]
"""A year, month or day as ISO 8601; empty = not known."""
Terms = Literal["unknown", "open", "restricted"]
"""Whether a target's terms allow training on its outputs; restricted = not for every purpose."""


class Passport(Row):
    """What a dialogue's papers say beside its source and target. An empty text or null = not known."""

    target_date: str = ""
    """The target model's version date, or when the reply was collected, as `IsoDate`."""
    terms: Terms = "unknown"
    """Whether the target's terms allow training on its outputs."""
    licence: str = ""
    """Licence of the dump, as an SPDX name where there is one."""
    origin: str = ""
    """File and place in it, without this machine's folders."""
    language: str = ""
    """ISO 639-1 code of the dialogue's language, as detected."""
    dropped_turns: Count = 0
    """Turns left out on the way: replies without their query, queries without a reply."""
    redacted: dict[str, int] = Field(default_factory=dict)
    """Kind of secret or personal data -> how many were replaced by a placeholder."""


class Dialogue(Row):
    """A conversation between a user and the target: one example of imitation data."""

    id: str
    """Stable across runs; a takedown request names it."""
    source: str
    """Which dump or prompt set it came from."""
    target: str
    """The model that wrote the assistant turns."""
    turns: tuple[Turn, ...]
    """In order; at least one user turn followed by an assistant turn."""
    passport: Passport = Passport()
    """Everything else that is known about where it comes from and what was done to it."""


class Removal(Row):
    """A dialogue that did not enter, kept aside with its reason: in = kept + removed."""

    id: str
    """The dialogue's id."""
    reason: str
    """A short word: duplicate, near_duplicate, empty, no_reply, cut, language, unknown_role, malformed, damaged,
    too_long, too_short, leaked (a held-out prompt that training repeats), seed (repeats an example of the task),
    surplus (more than was wanted), subset."""
    detail: str = ""
    """What was seen."""
    raw: str = ""
    """The removed content, for a person to look at."""
