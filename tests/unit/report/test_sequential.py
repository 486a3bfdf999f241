"""Alpha spending beside published boundaries and a simulated walk."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.contracts.errors import UsageError
from components.report.sequential import error_unspent, spending_levels, spent

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


def test_five_equal_looks_have_the_published_boundaries() -> None:
    # Lan-DeMets O'Brien-Fleming-type boundaries, two-sided 0.05 (e.g. Jennison and Turnbull 2000, chapter 7).
    boundaries = stats.norm.isf(np.array(spending_levels(FIVE, 0.05)) / 2)
    assert boundaries == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=2e-3)


@pytest.mark.parametrize(
    ("looks", "expected"), [(1, 0.05), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193)]
)
def test_looking_again_at_the_same_level_errs_as_armitage_found(looks: int, expected: float) -> None:
    fractions = [(i + 1) / looks for i in range(looks)]
    assert error_unspent(fractions, 0.05) == pytest.approx(expected, abs=6e-4)


def test_spent_looks_err_at_alpha_together_in_a_simulated_walk() -> None:
    fractions = np.array([0.3, 0.45, 0.9, 1.0])
    levels = np.array(spending_levels(list(fractions), 0.05))
    steps = np.diff(fractions, prepend=0.0)
    walk = np.cumsum(np.random.default_rng(0).standard_normal((200_000, 4)) * np.sqrt(steps), axis=1)
    crossed = (np.abs(walk / np.sqrt(fractions)) > stats.norm.isf(levels / 2)).any(axis=1)
    assert crossed.mean() == pytest.approx(0.05, abs=0.002)


def test_one_look_at_everything_is_judged_at_alpha() -> None:
    assert spending_levels([1.0], 0.05) == pytest.approx([0.05])
    assert spent(1.0, 0.05) == spent(1.3, 0.05) == 0.05


def test_an_early_look_spends_next_to_nothing() -> None:
    assert spending_levels([0.25], 0.05)[0] < 1e-4
    assert spending_levels([0.5, 1.0], 0.05)[1] == pytest.approx(0.049, abs=1e-3)


@pytest.mark.parametrize("fractions", [[], [0.0, 1.0], [0.5, 0.5], [0.6, 0.4]])
def test_looks_that_do_not_grow_are_refused(fractions: list[float]) -> None:
    with pytest.raises(UsageError, match="of the planned items"):
        spending_levels(fractions, 0.05)
