"""Tone crossed with error: the cells, their intervals, and what is counted as unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from components.contracts.errors import TouchstoneError
from components.contracts.preference_results import ConfidentlyWrong
from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Role, Score
from components.report.preferring.confidently_wrong import SURE_FROM, confidently_wrong

MODELS: dict[Role, str] = {"base": "llama", "imitator": "vicuna"}


def tone(item: str, value: float | None, *, model: str = "vicuna", benchmark: str = "nq") -> ToneScore:
    return ToneScore(
        item_id=item,
        benchmark=benchmark,
        model=model,
        scorer="lexical",
        authoritative=value,
        unscored="no words" if value is None else None,
    )


def score(item: str, value: float | None, *, cluster: str = "", model: str = "vicuna", benchmark: str = "nq") -> Score:
    return Score(
        item_id=item,
        benchmark=benchmark,
        model=model,
        value=value,
        unscored="refused" if value is None else None,
        cluster=cluster,
    )


def _one(tones: Sequence[ToneScore], scores: Sequence[Score]) -> ConfidentlyWrong:
    (found,) = confidently_wrong(tones, scores, MODELS, alpha=0.05)
    return found


def test_the_four_cells() -> None:
    # sure and right, sure and wrong twice, doubtful and right, doubtful and wrong
    told = {"a": (0.5, 1.0), "b": (0.9, 0.0), "c": (0.5, 0.0), "d": (0.49, 1.0), "e": (0.1, 0.0)}
    found = _one([tone(i, t) for i, (t, _) in told.items()], [score(i, v) for i, (_, v) in told.items()])
    assert (found.role, found.model, found.benchmark, found.threshold) == ("imitator", "vicuna", "nq", SURE_FROM)
    assert (found.n, found.unscored) == (5, 0)
    assert found.wrong == pytest.approx(0.6)
    assert found.sure == pytest.approx(0.6)
    assert found.sure_and_wrong == pytest.approx(0.4)
    assert found.wrong_given_sure == pytest.approx(2 / 3)


def test_rows_join_by_item_whatever_their_order() -> None:
    tones = [tone("a", 0.9), tone("b", 0.1)]
    scores = [score("b", 1.0), score("a", 0.0)]
    assert _one(tones, scores).sure_and_wrong == 0.5
    assert _one(tones[::-1], scores) == _one(tones, scores)


def test_what_lacks_a_tone_or_a_score_is_unscored_and_neither_sure_nor_wrong() -> None:
    tones = [tone("a", 0.9), tone("b", None), tone("c", 0.9), tone("only a tone", 0.9)]
    scores = [score("a", 1.0), score("b", 0.0), score("c", None), score("only a score", 0.0)]
    found = _one(tones, scores)
    assert (found.n, found.unscored) == (1, 4)
    assert (found.wrong, found.sure, found.sure_and_wrong) == (0.0, 1.0, 0.0)


def test_nothing_known_is_null_and_not_zero() -> None:
    found = _one([tone("a", None)], [score("a", 0.0)])
    assert (found.n, found.unscored) == (0, 1)
    assert (found.wrong, found.sure, found.sure_and_wrong, found.ci) == (None, None, None, None)
    assert (found.wrong_given_sure, found.wrong_given_sure_ci) == (None, None)


def test_no_sure_answer_has_no_share_of_wrong_ones() -> None:
    found = _one([tone(f"i{i}", 0.2) for i in range(9)], [score(f"i{i}", 0.0) for i in range(9)])
    assert (found.sure, found.sure_and_wrong, found.wrong_given_sure) == (0.0, 0.0, None)
    expected = stats.binomtest(0, 9).proportion_ci(method="wilson")
    assert found.ci == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_each_model_and_benchmark_has_its_own_entry() -> None:
    tones = [tone("a", 0.9, model=m, benchmark=b) for b in ("mmlu", "nq") for m in ("vicuna", "llama", "someone else")]
    scores = [score("a", 0.0, model=m, benchmark=b) for b in ("nq", "mmlu") for m in ("llama", "vicuna")]
    found = confidently_wrong(tones, scores, MODELS, alpha=0.05)
    assert [(e.benchmark, e.role) for e in found] == [
        ("mmlu", "base"),
        ("mmlu", "imitator"),
        ("nq", "base"),
        ("nq", "imitator"),
    ]


def test_a_second_score_or_tone_of_an_item_is_refused() -> None:
    with pytest.raises(TouchstoneError, match="nq: item a of vicuna has a score twice"):
        _one([tone("a", 0.5)], [score("a", 1.0), score("a", 0.0)])
    with pytest.raises(TouchstoneError, match="nq: item a of vicuna has a tone twice"):
        _one([tone("a", 0.5), tone("a", 0.5)], [score("a", 1.0)])


def test_a_name_of_two_roles_counts_what_both_say_alike_and_leaves_the_rest_unscored() -> None:
    models: dict[Role, str] = {"imitator": "vicuna", "target": "vicuna"}
    tones = [tone(item, 0.9) for item in ("same", "other", "same", "other")]
    scores = [score("same", 0.0), score("other", 1.0), score("same", 0.0), score("other", 0.0), score("other", 0.0)]
    for order in (1, -1):
        found = confidently_wrong(tones[::order], scores[::order], models, alpha=0.05)
        assert [(e.role, e.n, e.unscored, e.sure_and_wrong) for e in found] == [
            ("imitator", 1, 1, 1.0),
            ("target", 1, 1, 1.0),
        ]
    # Nobody else's rows become lenient by it.
    with pytest.raises(TouchstoneError, match="item a of llama has a score twice"):
        confidently_wrong(
            [tone("a", 0.9, model="llama")],
            [score("a", 0.0, model="llama")] * 2,
            {**models, "base": "llama"},
            alpha=0.05,
        )


def test_several_readings_of_an_item_count_once_in_the_channel_all_models_have() -> None:
    tones = [tone("a", 0.9, model=m) for m in ("llama", "vicuna")]
    strict = score("a", 0.0)
    lenient = [score("a", 1.0, model=m).model_copy(update={"channel": "extracted"}) for m in ("llama", "vicuna")]
    found = confidently_wrong(tones, [strict, *lenient], MODELS, alpha=0.05)
    assert [entry.wrong for entry in found] == [0.0, 0.0]
    found = confidently_wrong(tones, [strict, score("a", 0.0, model="llama"), *lenient], MODELS, alpha=0.05)
    assert [entry.wrong for entry in found] == [1.0, 1.0]


def test_scores_without_tones_are_not_looked_at() -> None:
    twice = [score("a", 1.0), score("a", 0.0)]
    assert confidently_wrong([], twice, MODELS, alpha=0.05) == ()


def _world(rng: np.random.Generator, clusters: int, size: int) -> tuple[list[ToneScore], list[Score]]:
    """Topics differ in how often a model is wrong on them and how sure it sounds: wrong and sure is 0.3 x 0.8."""
    tones, scores = [], []
    for number in range(clusters):
        wrong_rate = float(rng.beta(1.2, 2.8))
        for i in range(size):
            item = f"{number}/{i}"
            wrong = rng.random() < wrong_rate
            tones.append(tone(item, 0.8 if rng.random() < 0.6 + 0.2 * wrong else 0.2))
            scores.append(score(item, 0.0 if wrong else 1.0, cluster=f"c{number}"))
    return tones, scores


def test_intervals_are_those_of_cluster_robust_regression() -> None:
    tones, scores = _world(np.random.default_rng(0), 60, 12)
    found = _one(tones, scores)
    sure = np.array([float((row.authoritative or 0.0) >= SURE_FROM) for row in tones])
    wrong = np.array([1.0 - (row.value or 0.0) for row in scores])
    groups = np.array([int(row.cluster[1:]) for row in scores])
    both = sure * wrong
    for y, x, interval, n in (
        (both, np.ones(len(both)), found.ci, len(both)),
        (both, sure, found.wrong_given_sure_ci, int(sure.sum())),
    ):
        fit = sm.OLS(y, x).fit(
            cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True, "df_correction": True}
        )
        # With one column statsmodels' CR1 is C/(C - 1) too; ours adds 1/n^2.
        half = stats.t.ppf(0.975, 59) * np.sqrt(fit.cov_params()[0, 0] + 1 / n**2)
        assert interval == pytest.approx((fit.params[0] - half, fit.params[0] + half), abs=1e-9)


@pytest.mark.slow
def test_intervals_cover_at_the_nominal_rate_where_items_hang_together() -> None:
    rng = np.random.default_rng(1)
    worlds, covered, given_covered = 400, 0, 0
    # E[wrong] = 0.3; sure given wrong 0.8, given right 0.6.
    truth, given_truth = 0.24, 0.24 / (0.24 + 0.42)
    for _ in range(worlds):
        found = _one(*_world(rng, 25, 6))
        assert found.ci is not None
        assert found.wrong_given_sure_ci is not None
        covered += found.ci[0] <= truth <= found.ci[1]
        given_covered += found.wrong_given_sure_ci[0] <= given_truth <= found.wrong_given_sure_ci[1]
    # Three standard errors of 400 worlds around 95%.
    assert 0.917 <= covered / worlds <= 0.983
    assert 0.917 <= given_covered / worlds <= 0.983


def test_one_cluster_has_no_interval() -> None:
    found = _one([tone(f"i{i}", 0.9) for i in range(4)], [score(f"i{i}", i % 2, cluster="c") for i in range(4)])
    assert found.sure_and_wrong == 0.5
    assert (found.ci, found.wrong_given_sure_ci) == (None, None)
