"""What a person asks of a judging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Judge:
    """Who judges, and how it is asked."""

    model: str = ""
    """Its name on the server, with its date; of a checkpoint any name, the folder's unless given."""
    revision: str = ""
    """Commit or sha256 of the weights behind a server, where the name has no date."""
    checkpoint: Path | None = None
    """A judge of one's own: an artifact of ours, or a Hugging Face folder."""
    likelihood: bool = False
    """The judge says how likely it finds each answer, and writes no verdict."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the generate step: backend, server, pace, budget."""
    template: str | Mapping[str, Any] = "pairwise"
    """A shipped template's name, or a template's fields."""


@dataclass(frozen=True)
class JudgingRequest:
    """Candidates, what they are compared with, the judge, and where everything goes."""

    out: Path
    """Folder of all artifacts; the same command continues what it finds there."""
    candidates: Sequence[str]
    """Answers of models or placebos, each as PLACE or NAME=PLACE."""
    reference: str
    """Answers of the model they are compared with."""
    judge: Judge
    base: str = ""
    """The base's answers: placebos made of it are compared with these. Empty = with the reference."""
    prompts: Path | None = None
    """Ids and texts of the prompts, where answers do not hold both."""
    gold: Path | None = None
    """What people hold to be right: GoldLabel rows, or their votes."""
    policy: str = "study"
    """Policy file or preset; says what a judge must show before it may gate."""
    limit: int | None = None
    """At most so many prompts, drawn by hash."""
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of prepare_verdicts: seed, longest_answer_chars, max_tokens, round."""
