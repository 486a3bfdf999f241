"""Sets U and V: benchmarks the imitation data do not cover, and those they do. Fixed before scores are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Support, SupportClaim
from components.report.policy import Policy

Source = Literal["declared", "measured", "unknown", "behaviour"]


class Coverage(NamedTuple):
    """What is known of one benchmark."""

    supported: bool | None
    """None = unknown, or behaviour."""
    support: float | None
    """Mean support of its items, where measured."""
    source: Source

    @property
    def in_u(self) -> bool:
        """Unknown counts as not covered; behaviour is in neither set."""
        return self.source != "behaviour" and self.supported is not True

    @property
    def in_v(self) -> bool:
        """Covered by the imitation data."""
        return self.source != "behaviour" and self.supported is True


def coverage(
    benchmarks: Sequence[str],
    *,
    measured: Iterable[Support],
    claims: Iterable[SupportClaim],
    policy: Policy,
    threshold: float | None = None,
) -> dict[str, Coverage]:
    """Which benchmarks the imitation data cover. A declaration goes before a measurement.

    Args:
        benchmarks: Names, as in the scores.
        measured: Support of single items.
        claims: The user's declarations.
        policy: Its `supported_at` is the threshold unless the measurement brings its own.
        threshold: The one that belongs to the measurement's subsample size.

    Raises:
        TouchstoneError: two declarations on one benchmark that contradict each other.
    """
    similarities: dict[str, list[float]] = {}
    for row in measured:
        similarities.setdefault(row.benchmark, []).append(row.similarity)
    declared: dict[str, bool] = {}
    for claim in claims:
        if declared.setdefault(claim.benchmark, claim.supported) != claim.supported:
            raise TouchstoneError(
                f"{claim.benchmark} is declared both supported and not supported", remedy="keep one declaration"
            )
    least = policy.supported_at if threshold is None else threshold
    found = {}
    for name in benchmarks:
        values = similarities.get(name)
        mean = sum(values) / len(values) if values else None
        if policy.is_behaviour(name):
            found[name] = Coverage(None, mean, "behaviour")
        elif name in declared:
            found[name] = Coverage(declared[name], mean, "declared")
        elif mean is not None:
            found[name] = Coverage(mean >= least, mean, "measured")
        else:
            found[name] = Coverage(None, None, "unknown")
    return found
