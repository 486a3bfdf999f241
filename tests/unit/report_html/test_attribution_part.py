"""Whose hand: rows of two attributions -> a part of the verdict, a section of the page and of its twins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import Checker, pictures, words_of
from verdicts import inconclusive, style_only

from components.contracts import bind
from components.contracts.attribution_results import AttributionResult
from components.contracts.attribution_rows import Attribution, AuthorShare
from components.contracts.errors import TouchstoneError
from components.contracts.ports import write_rows
from components.contracts.verdict import Verdict
from components.report import step
from components.report.attribution_result import attribution_result
from components.report.ci_outputs import prometheus
from components.report.html import render_html
from components.report.markdown import render_markdown
from components.report.not_measured import not_measured


def row(classifier: str, author: str, share: float, other: str = "base") -> Attribution:
    low, high = max(0.0, share - 0.05), min(1.0, share + 0.05)
    return Attribution.model_validate(
        {
            **{"classifier": classifier, "author": author, "learned": author != "imitator", "num_texts": 400},
            **{"unscored": 3, "accuracy": 0.9, "accuracy_ci": (0.86, 0.93), "num_tested": 800, "chance": 0.5},
            **{"resampled": "group", "folds": 5},
            "shares": (
                AuthorShare(author="target", share=share, ci=(low, high)),
                AuthorShare(author=other, share=1 - share, ci=(1 - high, 1 - low)),
            ),
        }
    )


def rows(*, second: bool = True) -> list[Attribution]:
    shares = {"base": 0.12, "imitator": 0.84, "target": 0.9, **({"target_second": 0.91} if second else {})}
    return [
        row(classifier, author, share) for classifier in ("embedding", "surface") for author, share in shares.items()
    ] + [row("majority", author, 1.0) for author in shares]


def apart() -> list[Attribution]:
    return [row(classifier, "imitator", 0.4, "imitator") for classifier in ("embedding", "surface", "majority")]


def shown(*, second: bool = True) -> Verdict:
    return style_only().model_copy(update={"attribution": attribution_result(rows(second=second), apart())})


def test_the_claim_stands_beside_the_gap_closed_on_the_page_and_in_its_twin() -> None:
    made = shown()
    closed = made.pooled.all.gap_closed
    assert closed is not None
    for text in (Checker(render_html(made)).visible, render_markdown(made)):
        text = text.replace("\\", "")
        assert "84.0% (79.0% to 89.0%) of the imitator’s answers are taken for the target’s" in text
        assert "of the base’s 12.0% (7.0% to 17.0%)" in text
        assert "of its second sample 91.0%" in text
        assert f"Of the gap in capability it closed {closed:.2f}".replace("-", "−") in text
        assert "right about 90.0%" in text
    assert 'id="attribution-table"' in render_html(made)


def test_a_gap_that_is_not_known_is_told_beside_the_share() -> None:
    made = shown().model_copy(update={"pooled": inconclusive().pooled})
    part = made.pooled.all.model_copy(update={"gap_closed": None, "ci": None, "reason": "no gap to close"})
    made = made.model_copy(update={"pooled": made.pooled.model_copy(update={"all": part})})
    visible = Checker(render_html(made)).visible
    assert "How much of the gap in capability it closed is not known: no gap to close." in visible


def test_embeddings_and_the_lexical_baseline_have_a_line_each_and_chance_has_none() -> None:
    found = shown().attribution
    assert found is not None
    assert [by.classifier for by in found.classifiers] == ["embedding", "surface"]
    figure = next(f for f in pictures(render_html(shown())) if "taken for the target" in words_of(f, "title"))
    said = words_of(figure, "desc")
    assert "Embeddings: base: 12.0%" in said
    assert "Surface: base: 12.0%" in said


def test_without_a_second_sample_the_mark_is_the_targets_own_answers() -> None:
    visible = Checker(render_html(shown(second=False))).visible
    assert "target, on other prompts" in visible
    assert "no second sample of the target was given" in visible


def test_a_verdict_without_attribution_does_not_speak_of_it() -> None:
    assert attribution_result([]) is None
    assert "Who wrote this?" not in Checker(render_html(style_only())).visible


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (apart(), [], "attributions: embedding chose among imitator, target"),
        (rows(), rows(), "told_apart: embedding chose among base, target"),
        ([row("majority", "imitator", 1.0)], [], "no classifier was asked about the imitator"),
        ([row("surface", "base", 0.1)], [], "no classifier was asked about the imitator"),
    ],
)
def test_rows_of_other_questions_are_refused(first: list[Attribution], second: list[Attribution], told: str) -> None:
    with pytest.raises(TouchstoneError, match=re.escape(told)):
        attribution_result(first, second)


def test_the_step_takes_both_ports(tmp_path: Path) -> None:
    write_rows(tmp_path / "attributions", Attribution, rows())
    write_rows(tmp_path / "told_apart", Attribution, apart())
    ports = {name: tmp_path / name for name in ("attributions", "told_apart", "result")}
    bind.call(step.report, params={"resamples": 100}, **ports)
    made = Verdict.model_validate_json((tmp_path / "result" / "verdict.json").read_text())
    assert made.verdict == "INCONCLUSIVE", "style alone decides nothing"
    assert made.attribution == attribution_result(rows(), apart())
    page = (tmp_path / "result" / "report.html").read_text()
    assert 'href="#rows-attributions"' in page
    assert 'href="#rows-told_apart"' in page


def test_what_nobody_asked_of_the_hand_is_said() -> None:
    assert any("Whose hand the answers seem to be" in gap.what for gap in not_measured(style_only()))
    assert not any("Whose hand" in gap.what for gap in not_measured(shown())), "embeddings were asked"
    found = shown().attribution
    assert found is not None
    surface = AttributionResult(classifiers=found.classifiers[1:])
    gaps = not_measured(style_only().model_copy(update={"attribution": surface}))
    assert any("--model FOLDER" in gap.remedy for gap in gaps)


def test_prometheus_has_a_line_for_each_classifier_and_role() -> None:
    lines = prometheus(shown(second=False)).splitlines()
    found = [line for line in lines if line.startswith("touchstone_taken_for_target{")]
    assert len(found) == 6
    assert any('classifier="embedding",role="imitator"} 0.84' in line for line in found)
    assert "touchstone_taken_for_target" not in prometheus(style_only())
