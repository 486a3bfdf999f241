"""Contrasts of items, published numbers and mixtures of both."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.contracts.evidence_rows import PublishedScore
from components.contracts.rows import Score
from components.report.estimates import Estimate, estimate, published_variance
from components.report.joining import Part, tables
from tests.unit.report.rows_for_tests import counted, published, scores


def _numbers(**values: float) -> dict[Part, PublishedScore]:
    return {row.role: row for row in published("nq", values)}  # type: ignore[arg-type, misc]


def _estimate(numbers: dict[Part, PublishedScore] | None = None, **rows: list[float | None]) -> Estimate:
    found = tables({part: scores(v) for part, v in rows.items()}, min_matched=0.0)  # type: ignore[misc]
    return estimate("nq", found[0] if found else None, numbers or {})


def test_with_all_three_published_the_covariance_is_the_bases_variance() -> None:
    rows = _numbers(base=0.20, imitator=0.15, target=0.31)
    c = _estimate(rows).contrasts
    assert c is not None
    assert c.covariance == pytest.approx(published_variance(rows["base"]))
    independent = sum(published_variance(rows[part]) for part in ("base", "imitator"))
    assert c.var_delta == pytest.approx(independent + 1 / 3610**2)
    assert (c.delta, c.gap, c.df) == pytest.approx((-0.05, 0.11, math.inf))


def test_rounding_adds_the_variance_of_what_it_hides() -> None:
    (row,) = published("nq", {"base": 0.2}, rounding=0.01)
    assert published_variance(row) == pytest.approx(0.2 * 0.8 / 3610 + 0.01**2 / 12)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_published_mean_of_zero_or_one_is_not_infinitely_sure(value: float) -> None:
    (row,) = published("nq", {"base": value}, n=98, rounding=0.0)
    share = (value * 98 + 1) / 100
    assert published_variance(row) == pytest.approx(share * (1 - share) / 98)


def test_ten_identical_outputs_keep_a_standard_error_of_a_tenth() -> None:
    found = _estimate(base=[0.0] * 10, imitator=[0.0] * 10, target=[1.0] * 10)
    assert found.change is not None
    assert found.contrasts is not None
    assert found.change.variance == found.contrasts.var_gap == pytest.approx(0.01)


def test_scores_between_zero_and_one_get_no_correction() -> None:
    rng = np.random.default_rng(0)
    base, imitator = rng.random(50), rng.random(50)
    found = _estimate(base=list(base), imitator=list(imitator))
    assert found.change is not None
    assert found.change.variance == pytest.approx(np.var(imitator - base, ddof=1) / 50)
    assert found.p_mcnemar is None


def test_paired_items_with_a_published_target() -> None:
    base, imitator = counted(400, 0.3), counted(400, 0.4)
    found = _estimate(_numbers(target=0.6), base=base, imitator=imitator)
    c = found.contrasts
    assert c is not None
    assert found.paired
    variance = np.var(base, ddof=1) / 400
    assert c.covariance == pytest.approx(variance - np.cov(base, imitator)[0, 1] / 400)
    assert c.var_gap == pytest.approx(variance + published_variance(_numbers(target=0.6)["target"]) + 1 / 400**2)
    assert c.df == 399


def test_a_published_base_cannot_be_paired() -> None:
    imitator, target = counted(400, 0.4), counted(400, 0.6)
    found = _estimate(_numbers(base=0.3), imitator=imitator, target=target)
    assert not found.paired
    assert found.p_mcnemar is None
    assert found.change is not None
    assert found.change.value == pytest.approx(0.1)
    assert found.contrasts is not None
    shared = np.cov(imitator, target)[0, 1] / 400
    assert found.contrasts.covariance == pytest.approx(shared + published_variance(_numbers(base=0.3)["base"]))


def test_items_the_target_lacks_count_in_the_change_but_not_in_the_gap() -> None:
    base, imitator = counted(100, 0.3), counted(100, 0.5)
    found = _estimate(base=base, imitator=imitator, target=counted(100, 0.8)[:60])
    assert found.change is not None
    assert found.contrasts is not None
    assert found.change.n == 100
    assert found.n_gap == 60
    assert found.contrasts.delta == pytest.approx(np.mean(imitator[:60]) - np.mean(base[:60]))


def test_mcnemar_only_where_every_item_is_its_own_cluster() -> None:
    values = {"base": counted(40, 0.3), "imitator": counted(40, 0.5)}
    assert _estimate(**values).p_mcnemar is not None
    clustered = {part: scores(v, cluster=[f"c{i // 2}" for i in range(40)]) for part, v in values.items()}
    (table,) = tables(clustered, min_matched=0.0)  # type: ignore[arg-type]
    assert estimate("nq", table, {}).p_mcnemar is None


def test_without_a_target_there_is_a_change_and_no_gap() -> None:
    found = _estimate(base=counted(40, 0.3), imitator=counted(40, 0.5))
    assert found.change is not None
    assert found.contrasts is None


def test_items_that_nobody_could_score_leave_nothing_to_estimate() -> None:
    found = _estimate(base=[None, None], imitator=[1.0, 0.0], target=[1.0, 1.0])
    assert found.change is None
    assert found.contrasts is None


def test_mmlus_subjects_are_strata_with_the_interval_of_whole_subjects_beside() -> None:
    rng = np.random.default_rng(3)
    subjects = [f"subject{i}" for i in rng.integers(0, 20, 800)]
    helped = {name: rng.random() for name in set(subjects)}
    base = (rng.random(800) < 0.4).astype(float).tolist()
    imitator = [float(rng.random() < helped[name]) for name in subjects]

    def named(benchmark: str) -> Estimate:
        rows: dict[Part, list[Score]] = {
            "base": scores(base, benchmark=benchmark, cluster=subjects),
            "imitator": scores(imitator, benchmark=benchmark, cluster=subjects),
        }
        return estimate(benchmark, tables(rows, min_matched=1.0)[0], {})

    mmlu, other = named("MMLU_pro"), named("nq")
    assert other.change_clustered is None
    assert mmlu.change_clustered == other.change
    assert mmlu.change is not None
    assert other.change is not None
    assert mmlu.change.variance < other.change.variance / 2, "what differs between subjects is no noise"
    assert mmlu.change.df == 800 - 20


def test_mmlu_without_named_subjects_is_a_plain_sample() -> None:
    rows = {part: scores(counted(40, 0.3), benchmark="mmlu") for part in ("base", "imitator")}
    (table,) = tables(rows, min_matched=1.0)  # type: ignore[arg-type]
    found = estimate("mmlu", table, {})
    assert found.change_clustered is None
    assert found.num_clusters == 40
