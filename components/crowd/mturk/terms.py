"""What people on Mechanical Turk are offered, whom it is offered to, and what it may cost at most."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Place = Literal["sandbox", "production"]

FEE_PERCENT = 20
LARGE_HIT = 10
"""From so many assignments on, a HIT costs FEE_PERCENT more."""
APPROVED_PERCENT_TYPE = "000000000000000000L0"
NUM_APPROVED_TYPE = "00000000000000000040"
LOCALE_TYPE = "00000000000000000071"
"""Mechanical Turk's own qualifications: share of assignments approved, number of HITs approved, country."""


class Terms(BaseModel):
    """The offer."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    place: Place = "sandbox"
    """Where tasks are created. The sandbox pays nobody; production must be named."""
    title: Annotated[str, Field(min_length=1, max_length=128)] = "Compare two answers and say which is better"
    """What people see in the list of tasks."""
    description: Annotated[str, Field(min_length=1, max_length=2000)] = (
        "Read a question and two answers side by side, and choose the better one. No special knowledge is needed."
    )
    """The line below it."""
    keywords: Annotated[str, Field(max_length=1000)] = "compare, text, reading, english, quality"
    """Words by which the task is found."""
    reward_usd: Annotated[float, Field(ge=0.01, le=100.0)] = 8.0
    """Paid for one assignment, in whole cents: a person's whole part in the study, as many items as its design gives
    one rater. Slow readers get a bonus on top (see `payments`)."""
    assignments_per_hit: Annotated[int, Field(ge=1, le=9)] = 9
    """People per HIT; from ten on, Mechanical Turk's fee doubles."""
    minutes_allowed: Annotated[int, Field(ge=5)] = 90
    """Time from accepting to submitting, long enough that nobody hurries."""
    days_to_approval: Annotated[int, Field(ge=1, le=30)] = 3
    """Mechanical Turk approves by itself after so many days."""
    min_approved_percent: Annotated[int, Field(ge=0, le=100)] = 95
    """Share of a person's earlier assignments that were approved."""
    min_approved_hits: Annotated[int, Field(ge=0)] = 100
    """Number of a person's earlier HITs that were approved."""
    countries: tuple[Annotated[str, Field(pattern="^[A-Z]{2}$")], ...] = ("US", "GB", "CA", "AU", "NZ", "IE")
    """Where a person may live (ISO 3166 codes): countries in which English is the first language of most."""
    max_usd: Annotated[float, Field(gt=0.0)] | None = None
    """Rewards and fees of all tasks may not cost more; production wants it said."""

    @model_validator(mode="after")
    def _money_is_said(self) -> Self:
        if abs(self.reward_usd * 100 - round(self.reward_usd * 100)) > 1e-6:
            raise ValueError(f"reward_usd is {self.reward_usd}, not a whole number of cents")
        if self.place == "production" and self.max_usd is None:
            raise ValueError("place is production and max_usd is not given: say what the tasks may cost at most")
        return self

    @property
    def reward_cents(self) -> int:
        """The reward in whole cents."""
        return round(self.reward_usd * 100)

    def qualifications(self) -> list[dict[str, object]]:
        """What a person must have, as CreateHIT wants it; who has it not cannot even see the task."""
        guarded = {"ActionsGuarded": "DiscoverPreviewAndAccept"}
        at_least = {"Comparator": "GreaterThanOrEqualTo", **guarded}
        return [
            {"QualificationTypeId": APPROVED_PERCENT_TYPE, "IntegerValues": [self.min_approved_percent], **at_least},
            {"QualificationTypeId": NUM_APPROVED_TYPE, "IntegerValues": [self.min_approved_hits], **at_least},
            {
                "QualificationTypeId": LOCALE_TYPE,
                "Comparator": "In",
                "LocaleValues": [{"Country": country} for country in self.countries],
                **guarded,
            },
        ]


class Estimate(NamedTuple):
    """What the tasks will cost if everybody takes them; bonuses come on top."""

    num_assignments: int
    hit_sizes: tuple[int, ...]
    """Assignments of every HIT."""
    reward_cents: int
    """All rewards together."""
    fee_cents: int
    """Mechanical Turk's part."""

    @property
    def usd(self) -> float:
        """Rewards and fees."""
        return (self.reward_cents + self.fee_cents) / 100

    def __str__(self) -> str:
        return (
            f"{self.num_assignments} assignments in {len(self.hit_sizes)} HITs: rewards {self.reward_cents / 100:.2f}"
            f" + fees {self.fee_cents / 100:.2f} = {self.usd:.2f} USD, bonuses not counted"
        )


def fee_cents(paid_cents: int, *, num_assignments: int = 1) -> int:
    """Mechanical Turk's fee on one reward or bonus, in cents, rounded up; at least one cent.

    20%, and 20% more for the reward of a HIT with ten or more assignments (Mechanical Turk's price list of 2025).
    """
    percent = FEE_PERCENT * (2 if num_assignments >= LARGE_HIT else 1)
    return max(1, math.ceil(paid_cents * percent / 100))


def estimate(num_assignments: int, terms: Terms) -> Estimate:
    """Tasks for so many people, and their price."""
    full, rest = divmod(num_assignments, terms.assignments_per_hit)
    sizes = (terms.assignments_per_hit,) * full + ((rest,) if rest else ())
    fees = sum(size * fee_cents(terms.reward_cents, num_assignments=size) for size in sizes)
    return Estimate(num_assignments, sizes, num_assignments * terms.reward_cents, fees)
