"""Style closeness beside plain Python, and what keeps a metric or the whole from counting."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import numpy as np
import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import PublishedStyle, StyleProfile
from components.contracts.verdict import StyleResult
from components.report.closeness import MIN_PROMPTS, measured_style, printed_style, resample_weights
from tests.unit.report.rows_for_tests import profile, profiles

ALPHA = 0.05


def _measure(rows: Sequence[StyleProfile], resamples: int = 1000) -> StyleResult:
    return measured_style(rows, alpha=ALPHA, resamples=resamples, seed=0)


def _plain(rows: Sequence[StyleProfile], role: str, prompts: Sequence[str]) -> dict[str, float]:
    """The five metrics of method section 4, written down once more without vectors."""
    mine = [next(r for r in rows if r.role == role and r.prompt_id == p) for p in prompts]
    target = [next(r for r in rows if r.role == "target" and r.prompt_id == p) for p in prompts]
    pairs = list(zip(mine, target, strict=True))
    return {
        "list_agreement": statistics.fmean(x.has_list for x, t in pairs if t.has_list),
        "summary_agreement": statistics.fmean(x.has_summary for x, t in pairs if t.has_summary),
        "length_correlation": statistics.correlation([x.words for x in mine], [t.words for t in target]),
        "authoritative": statistics.fmean(x.authoritative for x in mine if x.authoritative is not None),
        "unigram_f1": statistics.fmean(x.unigram_f1 for x in mine),
    }


def test_points_are_the_definitions() -> None:
    rows = profiles(0.7)
    result = _measure(rows)
    prompts = [row.prompt_id for row in rows if row.role == "target"]
    base, imitator, ceiling = (_plain(rows, role, prompts) for role in ("base", "imitator", "target_second"))
    for name, metric in result.metrics.items():
        assert metric.base == pytest.approx(base[name])
        assert metric.imitator == pytest.approx(imitator[name])
        assert metric.ceiling == pytest.approx(ceiling[name])
        assert metric.closeness == pytest.approx((imitator[name] - base[name]) / (ceiling[name] - base[name]))
    assert result.n == 200
    assert not result.lower_bound
    assert result.closeness == pytest.approx(
        statistics.fmean(min(1.0, m.closeness) for m in result.metrics.values() if m.closeness is not None)
    )


@pytest.mark.slow
@pytest.mark.parametrize("closeness", [0.6, 1.0])
def test_intervals_are_those_of_resampling_prompts_one_by_one(closeness: float) -> None:
    rows = profiles(closeness, n=60)
    result = _measure(rows, resamples=200)
    prompts = sorted(row.prompt_id for row in rows if row.role == "target")
    table = {(row.role, row.prompt_id): row for row in rows}
    overall = []
    for weights in resample_weights(60, 200, np.random.default_rng([0, 1])):
        # A drawn prompt appears as often as it was drawn, under a name of its own each time.
        drawn = [(p, f"{p}#{k}") for p, w in zip(prompts, weights, strict=True) for k in range(int(w))]
        again = [
            table[role, p].model_copy(update={"prompt_id": name})
            for p, name in drawn
            for role in ("base", "imitator", "target", "target_second")
        ]
        names = [name for _, name in drawn]
        base, imitator, ceiling = (_plain(again, role, names) for role in ("base", "imitator", "target_second"))
        kept = [name for name, m in result.metrics.items() if m.measurable]
        overall.append(statistics.fmean(min(1.0, (imitator[m] - base[m]) / (ceiling[m] - base[m])) for m in kept))
    assert result.ci == pytest.approx(tuple(np.quantile(overall, [0.025, 0.975])), rel=1e-9)


def test_a_metric_on_which_base_and_target_agree_does_not_count() -> None:
    rows = [row.model_copy(update={"authoritative": 0.9}) for row in profiles(0.7)]
    result = _measure(rows)
    assert not result.metrics["authoritative"].measurable
    assert result.metrics["authoritative"].closeness is None
    assert result.closeness is not None


def test_fewer_than_three_measurable_metrics_give_no_closeness() -> None:
    flat = {"authoritative": 0.9, "unigram_f1": 50.0, "has_list": True}
    result = _measure([row.model_copy(update=flat) for row in profiles(0.7)])
    assert result.closeness is None
    assert result.ci is None
    assert result.reason is not None
    assert "2 of the 5 metrics, 3 are needed" in result.reason


@pytest.mark.parametrize(("n", "known"), [(MIN_PROMPTS - 1, False), (MIN_PROMPTS + 10, True)])
def test_fewer_than_thirty_prompts_give_no_closeness(n: int, known: bool) -> None:
    assert (_measure(profiles(0.8, n=n)).closeness is not None) is known


def test_without_a_second_sample_the_ceiling_is_the_identity_and_closeness_a_lower_bound() -> None:
    rows = profiles(0.7)
    with_second, without = _measure(rows), _measure([row for row in rows if row.role != "target_second"])
    assert without.lower_bound
    ceilings = {name: metric.ceiling for name, metric in without.metrics.items()}
    tone = statistics.fmean(row.authoritative for row in rows if row.role == "target" and row.authoritative is not None)
    assert ceilings == pytest.approx(
        {"list_agreement": 1, "summary_agreement": 1, "length_correlation": 1, "unigram_f1": 100, "authoritative": tone}
    )
    assert without.closeness is not None
    assert with_second.closeness is not None
    assert without.closeness < with_second.closeness


def test_each_metric_is_capped_at_the_target() -> None:
    rows = profiles(0.7)
    bold = [row.model_copy(update={"unigram_f1": 90.0}) if row.role == "imitator" else row for row in rows]
    result = _measure(bold)
    closeness = result.metrics["unigram_f1"].closeness
    assert closeness is not None
    assert closeness > 2
    assert result.closeness is not None
    assert result.closeness < 1


def test_texts_in_other_languages_are_left_out_of_english_only_metrics() -> None:
    rows = profiles(0.7, n=100)
    foreign = [
        row.model_copy(update={"english": False, "has_summary": False, "authoritative": 0.0})
        if row.role == "imitator" and row.prompt_id in {f"p{i}" for i in range(40)}
        else row
        for row in rows
    ]
    kept = [f"p{i}" for i in range(40, 100)]
    expected, result = _plain(rows, "imitator", kept), _measure(foreign)
    assert result.metrics["summary_agreement"].imitator == pytest.approx(expected["summary_agreement"])
    assert result.metrics["authoritative"].imitator == pytest.approx(expected["authoritative"])
    whole = _plain(rows, "imitator", [f"p{i}" for i in range(100)])
    assert result.metrics["list_agreement"].imitator == pytest.approx(whole["list_agreement"])


def test_prompts_that_one_model_did_not_answer_are_left_out() -> None:
    rows = profiles(0.7, n=100)
    fewer = [row for row in rows if not (row.role == "base" and row.prompt_id == "p7")]
    assert _measure(fewer).n == 99


def test_a_target_that_never_lists_leaves_the_metric_undefined() -> None:
    rows = [row.model_copy(update={"has_list": False}) for row in profiles(0.7)]
    metric = _measure(rows).metrics["list_agreement"]
    assert metric.imitator is None
    assert metric.reason == "no prompt on which it is defined"


def test_texts_of_one_length_have_no_correlation() -> None:
    rows = [row.model_copy(update={"words": 100}) if row.role == "base" else row for row in profiles(0.7)]
    metric = _measure(rows).metrics["length_correlation"]
    assert metric.base is None
    assert not metric.measurable


@pytest.mark.parametrize("missing", ["base", "imitator", "target"])
def test_a_missing_role_is_named(missing: str) -> None:
    result = _measure([row for row in profiles(0.7) if row.role != missing])
    assert result.closeness is None
    assert result.reason == f"no outputs of {missing} were given"


def test_empty_outputs_are_measured_and_have_no_tone() -> None:
    rows = [row for row in profiles(0.7, n=60) if not (row.role == "imitator" and row.prompt_id == "p0")]
    rows.append(profile(0, "imitator", 0, False, False, 0.0, None))
    assert _measure(rows).n == 60


def _cells(n: int | None, second: bool = True) -> list[PublishedStyle]:
    table = {"list_agreement": (0.1, 0.5, 0.9), "summary_agreement": (0.0, 0.4, 0.5), "unigram_f1": (20.0, 45.0, 40.0)}
    return [
        PublishedStyle.model_validate({"metric": name, "role": role, "value": value, "n": n, "source": "a paper"})
        for name, values in table.items()
        for role, value in zip(("base", "imitator", "target_second"), values, strict=True)
        if second or role != "target_second"
    ]


def test_a_printed_table_gives_points_capped_and_no_interval() -> None:
    result = printed_style(_cells(255))
    assert result.closeness == pytest.approx((0.5 + 0.8 + 1.0) / 3)
    assert result.ci is None
    assert result.reason is not None
    assert "no interval" in result.reason
    assert result.n == 255
    without = printed_style(_cells(255, second=False))
    assert without.lower_bound
    assert without.metrics["unigram_f1"].ceiling == 100


def test_a_printed_table_of_few_prompts_captures_nothing() -> None:
    assert printed_style(_cells(29)).closeness is None
    assert printed_style(_cells(None)).closeness is not None


def test_805_prompts_with_2000_resamples_take_well_under_a_second() -> None:
    rows = profiles(0.7, n=805)
    started = time.process_time()
    measured_style(rows, alpha=ALPHA, resamples=2000, seed=0)
    assert time.process_time() - started < 1.0


def test_two_profiles_of_one_prompt_are_refused() -> None:
    with pytest.raises(TouchstoneError, match="base has two profiles of prompt p0"):
        _measure([*profiles(0.7, n=40), profile(0, "base", 10, False, False, 20.0, 0.5)])


def test_two_numbers_for_one_cell_are_refused() -> None:
    with pytest.raises(TouchstoneError, match="two published numbers for list_agreement of the base"):
        printed_style([*_cells(255), _cells(255)[0]])


def test_the_order_of_rows_decides_nothing() -> None:
    rows = profiles(0.7, n=60)
    assert _measure(rows[::-1]).ci == pytest.approx(_measure(rows).ci, rel=1e-12)
