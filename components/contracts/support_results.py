"""Part of verdict.json: whether what the imitator gained lies where its imitation data lie."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Interval = tuple[float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SupportBin(_Part):
    """Items of one benchmark that the imitation data cover about equally well."""

    low: float
    """Least support among them."""
    high: float
    """Highest."""
    support: float
    """Mean support."""
    n: int
    """Items."""
    gain: float
    """Mean of imitator - base."""
    ci: Interval | None
    """Its interval, clustered as the items are; null where there is no variance to compute it from."""


class SupportSlope(_Part):
    """One benchmark's gain against the support of its items."""

    benchmark: str
    """Name of the benchmark."""
    n: int
    """Items with a score of both models and a support."""
    without_support: int
    """Items with a score of both models whose support is not known; left out."""
    num_clusters: int
    """Clusters behind the interval."""
    gain_at_zero: float | None
    """The line's gain at support 0."""
    slope: float | None
    """Change of imitator - base per unit of support (0 to 1), by least squares over items."""
    slope_ci: Interval | None
    """Its cluster-robust interval."""
    p: float | None
    """Two-sided p for a slope of 0, unadjusted."""
    bins: tuple[SupportBin, ...]
    """By growing support, about equally many items each."""
    reason: str | None = None
    """Why a number is null."""


class SupportMap(_Part):
    """Gain against support. It decides nothing; it explains."""

    benchmarks: tuple[SupportSlope, ...]
    """One entry for each benchmark whose items' support was measured."""
    sentence: str
    """What the map says about the verdict."""
