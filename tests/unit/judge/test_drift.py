"""A frozen set judged again: change beyond its interval warns, and chance does not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from components.contracts import bind
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Output
from components.judge.drift import outcomes_of, paired_interval, wilson
from components.judge.rows import DriftCheck
from components.judge.step import check_drift


def rows(outcomes: Sequence[str | None], model: str = "m", **changes: Any) -> list[Judgment]:
    return [
        Judgment.model_validate(
            {
                "prompt_id": str(i), "source": "j", "rater": "j", "model": model, "opponent": "t", "outcome": outcome,
                "unscored": "no verdict in the reply" if outcome is None else None, "order": "none", **changes,
            }
        )
        for i, outcome in enumerate(outcomes)
    ]  # fmt: skip


def drift(folder: Path, before: list[Judgment], after: list[Judgment], **params: Any) -> dict[str, DriftCheck]:
    for name, made in (("frozen", before), ("judgments", after)):
        Output(folder / name, Judgment).write(made)
    outcome = bind.call(
        check_drift, params=params, **{name: folder / name for name in ("frozen", "judgments", "drift")}
    )
    found = {row.measure: row for row in Input(folder / "drift", DriftCheck).rows()}
    assert outcome.metrics["warnings"] == sum(row.warns for row in found.values())
    return found


MIXED = ["win", "loss", "tie", "loss"] * 25


def test_a_judge_that_repeats_itself_does_not_warn(tmp_path: Path) -> None:
    found = drift(tmp_path, rows(MIXED), rows(MIXED))
    assert not any(row.warns for row in found.values())
    assert found["preference"].change == 0
    assert found["preference"].before == pytest.approx(0.375)
    low, high = found["preference"].ci or (0, 0)
    assert low < 0 < high, "a hundred equal pairs are not infinitely sure"


def test_a_judge_that_grew_kinder_warns(tmp_path: Path) -> None:
    after = ["win" if i % 5 == 0 else o for i, o in enumerate(MIXED)]
    found = drift(tmp_path, rows(MIXED), rows(after), max_changed=0.5)
    assert found["preference"].warns
    assert found["preference"].change == pytest.approx(np.mean([0, 1, 0.5, 1]) * 0.2)
    assert "beyond its interval" in found["preference"].sentence
    assert not found["changed"].warns


def test_a_judge_that_grew_careless_warns_though_its_mean_stands(tmp_path: Path) -> None:
    swap = {"win": "loss", "loss": "win", "tie": "tie"}
    even = ["win", "loss"] * 50
    after = [swap[o] if i % 4 < 2 else o for i, o in enumerate(even)]
    found = drift(tmp_path, rows(even), rows(after))
    assert not found["preference"].warns
    assert found["preference"].change == 0
    assert found["changed"].warns
    assert found["changed"].change == 0.5


def test_a_share_that_chance_may_have_carried_over_the_limit_does_not_warn(tmp_path: Path) -> None:
    changed = drift(tmp_path, rows(["win"] * 100), rows(["loss"] * 6 + ["tie"] * 6 + ["win"] * 88))["changed"]
    assert changed.change == 0.12
    assert not changed.warns
    assert drift(tmp_path, rows(["win"] * 100), rows(["loss"] * 20 + ["win"] * 80))["changed"].warns


def test_a_judge_that_no_longer_follows_the_template_warns(tmp_path: Path) -> None:
    found = drift(tmp_path, rows(MIXED), rows([None if i % 4 == 0 else o for i, o in enumerate(MIXED)]))
    assert found["unscored"].warns
    assert (found["unscored"].n, found["unscored"].change) == (100, 0.25)
    assert found["preference"].n == 75


def test_chance_alone_warns_about_as_often_as_alpha_says() -> None:
    # A judge with noise: outcomes of the same pair drawn twice from the same distribution.
    draw = np.random.default_rng(0)
    warned = 0
    for _ in range(400):
        differences = draw.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=60, p=[0.1, 0.15, 0.5, 0.15, 0.1])
        low, high = paired_interval([str(i) for i in range(60)], differences, 0.05) or (0, 0)
        warned += not low <= 0 <= high
    assert 0.01 <= warned / 400 <= 0.08


def test_intervals_equal_statsmodels_but_for_the_floor() -> None:
    draw = np.random.default_rng(1)
    clusters = np.repeat(np.arange(30), 3)
    values = draw.normal(size=90) + draw.normal(size=30)[clusters]
    fit = OLS(values, np.ones(90)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": True}, use_t=True
    )
    # statsmodels corrects by C / (C - 1) x (n - 1) / (n - k), which is ours at k = 1; we add 1 / n^2 to the variance.
    half = (fit.conf_int()[0][1] - fit.conf_int()[0][0]) / 2
    t = half / fit.bse[0]
    low, high = paired_interval([str(c) for c in clusters], values, 0.05) or (0, 0)
    assert (low + high) / 2 == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(t * np.sqrt(fit.bse[0] ** 2 + 1 / 90**2))


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 40), (40, 40)])
def test_wilson_equals_statsmodels(successes: int, n: int) -> None:
    assert wilson(successes, n, 0.05) == pytest.approx(proportion_confint(successes, n, 0.05, "wilson"))


def test_both_orders_are_one_outcome() -> None:
    both = rows(["win", "win", "win"], order="model_first") + rows(["win", "loss", None], order="opponent_first")
    assert list(outcomes_of(both).values()) == ["win", "tie", None]


def test_nothing_in_common_is_an_error_and_one_pair_has_no_interval(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="judges none of the pairs"):
        drift(tmp_path, rows(["win"]), rows(["win"], model="other"))
    found = drift(tmp_path, rows(["win"]), rows(["loss"]))
    assert (found["preference"].ci, found["preference"].warns) == (None, False)
    silent = drift(tmp_path, rows(["win", "win"]), rows([None, None]))
    assert (silent["preference"].n, silent["preference"].change) == (0, None)
