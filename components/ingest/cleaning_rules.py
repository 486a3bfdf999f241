"""What a dialogue must be to enter, as parameters."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class CleaningRules(BaseModel):
    """What a dialogue must be to enter."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the languages that enter; empty = all. What is too short to tell enters."""
    min_chars: Annotated[int, Field(ge=0)] = 16
    """Shortest conversation, all turns together; the public cleaning script for ShareGPT has the same limit."""
    redact: bool = True
    """Replace secrets and personal data by placeholders, in what enters and in what is set aside."""
    near_duplicate_jaccard: Annotated[float, Field(ge=0.5, le=1.0)] | None = 0.9
    """Least similarity of word shingles of two queries of which one only adds words; null = exact duplicates only."""
