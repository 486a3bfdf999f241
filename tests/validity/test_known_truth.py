"""A quick slice of the simulated error rates: worlds with known truth through the code that decides real ones."""

from __future__ import annotations

from functools import cache

import pytest

from components.report.validity import WORLDS, ErrorRates, error_rates

NUM_WORLDS = 120
BY_NAME = {world.name: number for number, world in enumerate(WORLDS)}


@cache
def _rates(name: str, num_worlds: int = NUM_WORLDS) -> ErrorRates:
    return error_rates([WORLDS[BY_NAME[name]]], num_worlds=num_worlds, seed=BY_NAME[name])[0]


def test_nothing_gained_at_study_sizes_is_style_only_and_hardly_ever_capability() -> None:
    shares = _rates("nothing gained").shares
    assert shares["STYLE_ONLY"] >= 0.90
    assert shares["CAPABILITY"] <= 0.05


def test_half_the_gap_closed_everywhere_is_capability() -> None:
    assert _rates("gap closed 0.5 everywhere").shares["CAPABILITY"] >= 0.95


@pytest.mark.parametrize("world", ["only nq, 0.64", "only humaneval, 0.6", "conflicting: mmlu up 0.3, nq down 0.3"])
def test_a_gain_on_one_benchmark_is_local_not_broad_and_not_hidden(world: str) -> None:
    shares = _rates(world).shares
    assert shares["LOCAL"] >= 0.90
    assert shares["CAPABILITY"] <= 0.07
    assert shares["STYLE_ONLY"] <= 0.05


def test_a_fifth_of_the_gap_is_mostly_inconclusive_by_design() -> None:
    assert _rates("gap closed 0.2 everywhere").shares["INCONCLUSIVE"] >= 0.6


def test_a_loss_without_style_is_regression() -> None:
    assert _rates("nq 0.05 worse, style not captured").shares["REGRESSION"] >= 0.95


def test_a_hundred_items_are_sometimes_inconclusive_and_never_bring_capability() -> None:
    shares = _rates("100 items each, nothing gained", 400).shares
    assert shares["INCONCLUSIVE"] >= 0.1
    assert shares["CAPABILITY"] <= 0.05


def test_ten_identical_outputs_prove_nothing() -> None:
    assert _rates("ten identical outputs, nothing gained").shares["STYLE_ONLY"] <= 0.05
    shares = _rates("ten items each, gap closed 0.3", 400).shares
    assert shares["STYLE_ONLY"] <= 0.05


@pytest.mark.parametrize("world", ["few unequal clusters, nothing gained", "published numbers, nothing gained"])
def test_capability_is_not_found_where_there_is_none(world: str) -> None:
    assert _rates(world, 400).shares["CAPABILITY"] <= 0.05


@pytest.mark.parametrize(
    ("world", "num_worlds"), [("100 items each, nothing gained", 400), ("few unequal clusters, nothing gained", 400)]
)
def test_intervals_cover_the_truth_at_their_nominal_rate(world: str, num_worlds: int) -> None:
    found = _rates(world, num_worlds)
    # 1,200 intervals: a standard error of 0.6 points around the promised 93-97%.
    assert 0.925 <= found.coverage_delta <= 0.975
    assert found.coverage_gap_closed is not None
    assert 0.92 <= found.coverage_gap_closed <= 0.98


def test_rounded_published_numbers_cover_at_least_at_their_nominal_rate() -> None:
    # Without pairing the intervals are honest but wide: the covariance between models is not published.
    assert _rates("published numbers, nothing gained", 400).coverage_delta >= 0.93
