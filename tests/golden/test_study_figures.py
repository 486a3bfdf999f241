"""What the study prints of its figures (arXiv 2305.15717) gives its own conclusions, written down before it was run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from components.contracts.data_policy import DataPolicy
from components.contracts.evidence_rows import Judgment
from components.contracts.scaling_results import ScalingFit
from components.report.decision import decide
from components.report.sweeping.scaling_fit import Sweep, fit
from tests.golden.test_study_tables import published_rows

FOLDER = Path(__file__).parent / "study"
FIGURES: dict[str, Any] = yaml.safe_load((FOLDER / "figures.yaml").read_text(encoding="utf-8"))
EXPECTED: dict[str, Any] = yaml.safe_load((FOLDER / "expected.yaml").read_text(encoding="utf-8"))
NQ, STYLE = FIGURES["nq_over_base_size"], FIGURES["style_over_data"]


def _fit(figure: dict[str, Any], values: list[float], goal: float, goal_name: str) -> ScalingFit:
    """Printed shares: binomial, independent of each other as far as is known, and rounded (method section 5)."""

    def variance(share: float) -> float:
        return float(share * (1 - share) / figure["n"] + figure["rounding"] ** 2 / 12)

    sweep = Sweep.of_means(
        figure["amounts"],
        np.array(values),
        np.diag([variance(value) for value in values]),
        goal=goal,
        goal_variance=variance(goal),
    )
    return fit(sweep, unit=figure["unit"], goal_name=goal_name)


def test_every_figure_of_the_file_has_an_expectation_and_a_place_in_the_paper() -> None:
    replayed = set(FIGURES) - {"source", "without_numbers"}
    assert replayed == set(EXPECTED)
    assert all("p. " in FIGURES[name]["where"] for name in replayed)


@pytest.mark.parametrize("data", NQ["rows"])
def test_a_larger_base_answers_more_whatever_it_imitates(data: str) -> None:
    found, expected = _fit(NQ, NQ["rows"][data], NQ["goal"]["value"], NQ["goal"]["name"]), EXPECTED["nq_over_base_size"]
    assert found.slope.per_doubling == pytest.approx(expected[data]["per_doubling"], abs=5e-4)
    assert (found.slope.ci[0] > 0) is expected[data]["rises"]
    assert found.needed == expected["needed"]
    assert "two amounts cannot say what ChatGPT (31%) would take" in found.sentence


@pytest.mark.parametrize("metric", STYLE["rows"])
def test_what_more_data_do_to_style(metric: str) -> None:
    row, expected = STYLE["rows"][metric], EXPECTED["style_over_data"][metric]
    found = _fit(STYLE, row["values"], row["goal"], "a second sample of ChatGPT")
    low, high = found.slope.ci
    assert found.slope.per_doubling == pytest.approx(expected["per_doubling"], abs=1e-3)
    assert ("up" if low > 0 else "down" if high < 0 else "unclear") == expected["moves"]
    assert found.needed is not None
    assert (found.needed.answer == "cannot") is expected["data_cannot"]


def _votes() -> list[Judgment]:
    """Seven in ten prompts at least as good; how many of them were ties is not printed, so none is called a win."""
    n = FIGURES["crowd"]["n"]
    good = round(FIGURES["crowd"]["at_least_target"] * n)
    outcomes = ["tie"] * good + ["loss"] * (n - good)
    return [
        Judgment.model_validate(
            {
                "prompt_id": f"p{number}",
                "source": "crowd",
                "rater": "majority",
                "model": "ShareGPT-Mix",
                "opponent": "target",
                "outcome": outcome,
                "order": "none",
            }
        )
        for number, outcome in enumerate(outcomes)
    ]


def test_raters_find_it_as_good_as_the_target_and_the_verdict_stays() -> None:
    scores, styles = published_rows("13B", "ShareGPT-Mix")
    expected = EXPECTED["crowd"]
    silent = decide(published=scores, published_style=styles)
    heard = decide(published=scores, published_style=styles, judgments=_votes())
    (liked,) = heard.preference
    assert liked.at_least_target == pytest.approx(expected["at_least_target"], abs=0.005)
    assert liked.ci is not None
    assert expected["lower_above"] < liked.ci[0] < liked.ci[1] < expected["upper_below"]
    assert heard.verdict == silent.verdict == expected["verdict_13b"]
    assert heard.regressed == ("nq",)
    assert not liked.qualified


@pytest.mark.parametrize("data", ["ShareGPT-Mix", "Super-NaturalInstructions"])
def test_the_gates_default_limit_tells_diverse_queries_from_uniform_ones(data: str) -> None:
    passes = FIGURES["diversity_bleu"][data] <= DataPolicy().max_diversity_bleu
    assert ("passes" if passes else "fails") == EXPECTED["diversity_bleu"][data]


def test_a_doubling_of_the_base_brings_more_than_all_the_broad_data() -> None:
    """Section 4.3: better bases are the lever, more imitation is not."""
    bases, mixed = NQ["rows"]["base"], NQ["rows"]["ShareGPT-Mix"]
    by_size = (mixed[1] - mixed[0]) / math.log2(NQ["amounts"][1] / NQ["amounts"][0])
    assert by_size > 0 > max(tuned - base for tuned, base in zip(mixed, bases, strict=True))
