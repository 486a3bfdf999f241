"""What the imitation data cover: declared, measured, unknown, or not a question of coverage."""

from __future__ import annotations

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Support, SupportClaim
from components.report.policy import Policy
from components.report.support_sets import coverage

NAMES = ("nq", "mmlu", "realtoxicityprompts")


def _support(benchmark: str, *similarities: float) -> list[Support]:
    return [Support(item_id=f"i{i}", benchmark=benchmark, similarity=s) for i, s in enumerate(similarities)]


def test_a_benchmark_is_covered_from_the_mean_of_its_items() -> None:
    rows = _support("nq", 0.1, 0.5) + _support("mmlu", 0.1, 0.3)
    found = coverage(NAMES, measured=rows, claims=[], policy=Policy())
    assert found["nq"] == (True, pytest.approx(0.3), "measured")
    assert found["mmlu"] == (False, pytest.approx(0.2), "measured")
    assert found["nq"].in_v
    assert found["mmlu"].in_u


def test_the_threshold_that_belongs_to_the_measurement_goes_before_the_policys() -> None:
    rows = _support("nq", 0.2)
    assert not coverage(NAMES, measured=rows, claims=[], policy=Policy())["nq"].supported
    assert coverage(NAMES, measured=rows, claims=[], policy=Policy(), threshold=0.14)["nq"].supported


def test_a_declaration_goes_before_a_measurement_which_is_still_shown() -> None:
    claim = SupportClaim(benchmark="nq", supported=False)
    found = coverage(NAMES, measured=_support("nq", 0.9), claims=[claim], policy=Policy())
    assert found["nq"] == (False, 0.9, "declared")


def test_unknown_counts_as_not_covered() -> None:
    found = coverage(NAMES, measured=[], claims=[], policy=Policy())["mmlu"]
    assert found == (None, None, "unknown")
    assert found.in_u
    assert not found.in_v


def test_behaviour_is_in_neither_set_even_when_declared() -> None:
    claim = SupportClaim(benchmark="realtoxicityprompts", supported=True)
    found = coverage(NAMES, measured=[], claims=[claim], policy=Policy())["realtoxicityprompts"]
    assert found.source == "behaviour"
    assert not found.in_u
    assert not found.in_v


def test_contradicting_declarations_are_refused() -> None:
    claims = [SupportClaim(benchmark="nq", supported=True), SupportClaim(benchmark="nq", supported=False)]
    with pytest.raises(TouchstoneError, match="both supported and not supported"):
        coverage(NAMES, measured=[], claims=claims, policy=Policy())
