"""The list of what was not measured: true of the verdict, and with a way to add it."""

import subprocess
import sys

import pytest
from pages import Checker
from verdicts import ALL, inconclusive, local, published, style_only, verdict, with_data, with_raters

from components.contracts.verdict import Verdict
from components.report.html import render_html
from components.report.not_measured import not_measured


def told(made: Verdict) -> str:
    return "\n".join(f"{gap.what} -> {gap.remedy}" for gap in not_measured(made))


@pytest.mark.parametrize("name", ALL)
def test_other_seeds_are_never_measured_by_one_verdict_and_the_page_lists_all(name: str) -> None:
    made = ALL[name]()
    assert not_measured(made)[-1].what.startswith("How much another training run")
    visible = Checker(render_html(made)).visible
    assert all(" ".join(gap.what.split()) in visible for gap in not_measured(made) if "\x00" not in gap.what)


def test_what_was_given_is_not_missed() -> None:
    assert "second sample" not in told(style_only())
    assert "second sample" in told(local())
    assert "Preference" in told(local())
    assert "no vote of several raters" not in told(with_raters())
    assert "Whether wrong answers sound sure" not in told(with_raters())
    assert "The imitation data" not in told(with_data())


def test_a_judge_that_saw_no_placebo_is_named() -> None:
    assert "Whether crowd, majority of three and gpt-4-0314 review would fall for style alone" in told(style_only())
    assert "would fall for style" not in told(with_raters()), "people are no judge, and the judge was tried"


def test_benchmarks_without_target_items_or_support_are_named() -> None:
    text = told(inconclusive())
    assert "The target on winogrande" in text
    assert "Whether the imitation data cover arc, boolq and winogrande -> `--train FILE`" in text
    assert "Single items of nq" in told(published())


def test_with_nothing_but_outputs_capability_leads_the_list() -> None:
    assert not_measured(verdict(benchmarks=()))[0].what == "Capability: no benchmark was given"


def test_a_hundred_benchmarks_are_not_all_named() -> None:
    one = style_only().benchmarks[0]
    many = tuple(one.model_copy(update={"name": f"b{i}", "target": None}) for i in range(100))
    assert "b0, b1, b2, b3, b4 and 95 more" in told(verdict(benchmarks=many))


@pytest.mark.slow
def test_every_command_that_is_named_exists() -> None:
    for name in ("evaluate", "judge answers", "judge placebos", "crowd create"):
        words = [sys.executable, "-m", "pipelines", *name.split(), "--help"]
        assert subprocess.run(words, capture_output=True, check=False).returncode == 0, name


def test_data_that_were_given_are_not_asked_for_again() -> None:
    made = with_data()
    unknown = tuple(
        b.model_copy(update={"support_source": "unknown", "supported": None, "support": None}) for b in made.benchmarks
    )
    said = told(made.model_copy(update={"benchmarks": unknown}))
    line = next(line for line in said.splitlines() if line.startswith("Whether the imitation data cover"))
    assert "--train" not in line
    assert "carry their questions" in line
