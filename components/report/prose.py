"""Numbers inside sentences. Negative ones have a hyphen, as programs read it; pages set a minus (`wording.typeset`)."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMES = 12
"""In a sentence; of more, the first and how many others there are."""


def and_list(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of very many the first ones and the number of the others."""
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 2], f"{len(names) - MOST_NAMES + 2:,} others"]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def percent(share: float) -> str:
    """A share of a gap or of style as a percentage, one decimal where a whole number would hide the side of a limit."""
    value = 100 * share
    whole = abs(value - round(value)) < 0.05 or abs(value) >= 100
    return f"{value:.0f}%" if whole else f"{value:.1f}%"


def points(difference: float) -> str:
    """A difference of mean scores in percentage points."""
    return f"{100 * difference:.1f} points"


def apart(limit: float, value: float) -> tuple[str, str]:
    """Two numbers with two decimals, or as many more as they need to look different."""
    digits = next((n for n in range(2, 7) if round(limit, n) != round(value, n)), 2)
    return f"{limit:.{digits}f}", f"{value:.{digits}f}"


def times(factor: float) -> str:
    """A factor of growth, to two digits."""
    return f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"
