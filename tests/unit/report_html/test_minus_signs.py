"""One sign for negative numbers: a minus on pages, a hyphen in files that programs read."""

from __future__ import annotations

import re

import pytest
from pages import Checker
from verdicts import study

from components.contracts.rows import Score
from components.contracts.verdict import Verdict
from components.report.ci_outputs import junit
from components.report.decision import decide
from components.report.html import render_html, render_study_html
from components.report.markdown import render_markdown
from components.report.page_inputs import ExampleOutput, ReportExtras, StudyClaim
from components.report.wording import MINUS, typeset, untypeset

HYPHEN_BEFORE_A_NUMBER = re.compile(r"(?<![\w.-])-\d")


@pytest.mark.parametrize(
    ("typed", "set_"),
    [
        ("fell by -3.1 points (-5 to -.5)", "fell by −3.1 points (−5 to −.5)"),
        ("[-1.5, +2.0]", "[−1.5, +2.0]"),
        ("gpt-4 on 2024-05-03, items 3-5, --top 3", "gpt-4 on 2024-05-03, items 3-5, --top 3"),
        ("rule: 0.05 -> 0.01", "rule: 0.05 -> 0.01"),
    ],
)
def test_only_a_hyphen_that_negates_a_number_becomes_a_minus(typed: str, set_: str) -> None:
    assert typeset(typed) == set_
    assert untypeset(set_) == typed


@pytest.fixture
def worse() -> Verdict:
    """The imitator lost on one benchmark; of another the target is not measurably better."""
    return decide(
        base_scores=[*_scores("quiz", 400, 0.5), *_scores("even", 60, 0.5)],
        imitator_scores=[*_scores("quiz", 400, 0.35), *_scores("even", 60, 0.5)],
        target_scores=[*_scores("quiz", 400, 0.8), *_scores("even", 60, 0.5, shift=9)],
        resamples=100,
    )


def _scores(benchmark: str, n: int, share: float, *, shift: int = 0) -> list[Score]:
    """A row an item, the right answers from `shift` on."""
    right = [(i - shift) % n < share * n for i in range(n)]
    return [Score(item_id=f"i{i}", benchmark=benchmark, model="m", value=float(r)) for i, r in enumerate(right)]


def test_a_page_has_minus_signs_where_its_json_has_hyphens(worse: Verdict) -> None:
    record = worse.model_dump_json()
    assert MINUS not in record + junit(worse)
    assert HYPHEN_BEFORE_A_NUMBER.search(" ".join((worse.reason, *worse.would_change, record)))
    for page in (Checker(render_html(worse)).visible.partition("Provenance")[0], render_markdown(worse)):
        assert MINUS in page
        assert not HYPHEN_BEFORE_A_NUMBER.findall(page)


def test_claims_are_set_like_sentences() -> None:
    claim = StudyClaim(text="A larger base brings more", holds=True, detail="difference -0.3 points [-1.2, +0.6]")
    assert "difference −0.3 points [−1.2, +0.6]" in render_study_html(study(), claims=[claim])


def test_what_models_said_is_left_as_it_is(worse: Verdict) -> None:
    extras = ReportExtras(examples=(ExampleOutput(prompt="What is 2 - 5?", base="-3", imitator="x = -3", target="-3"),))
    assert "x = -3" in render_html(worse, extras=extras)
    assert "x = -3" in render_markdown(worse, extras=extras)
