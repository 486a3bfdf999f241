"""Parts of verdict.json that say what is known of the imitation data, and how far leaked items move a change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from components.contracts.data_rows import DataFigures
from components.contracts.evidence_rows import GateCheck

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class CleanDirty(_Part):
    """One benchmark's change on the items that the imitation data leak, beside the change on the others."""

    benchmark: str
    """Name of the benchmark."""
    n_clean: int
    """Items of base and imitator both that do not count as leaked."""
    n_dirty: int
    """Items that do."""
    delta_clean: float | None
    """imitator - base on the clean items."""
    delta_clean_ci: Interval | None
    """Its interval; null where there is no variance to compute it from."""
    delta_dirty: float | None
    """imitator - base on the leaked items."""
    delta_dirty_ci: Interval | None
    """Its interval."""
    reason: str | None = None
    """Why a number is null."""


class DataResult(_Part):
    """What is known of the imitation data. It decides nothing; it explains."""

    figures: tuple[DataFigures, ...]
    """One entry for each set of imitation data."""
    checks: tuple[GateCheck, ...]
    """The data-quality gate's checks; a failed one of severity warning was let pass."""
    clean_dirty: tuple[CleanDirty, ...]
    """One entry for each benchmark whose items were searched for."""
