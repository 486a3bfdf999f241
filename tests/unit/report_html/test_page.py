import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from pages import EMPTY_ICON, Checker
from verdicts import ALL, extras, hostile, many, study, style_only, with_data

from components.report.figures.scale import Scale, domain, spread
from components.report.html import StudyClaim, render_html, render_study_html
from components.report.markdown import render_markdown
from components.report.wording import ratio


@pytest.fixture(params=ALL)
def page(request: pytest.FixtureRequest) -> str:
    return render_html(ALL[request.param](), extras=extras())


def test_the_page_is_well_formed_and_needs_nothing_from_outside(page: str) -> None:
    found = Checker(page)
    assert found.misnested == []
    assert found.open == []
    assert "script" not in found.tags
    outside = [ref for ref in found.references if re.match(r"^([a-z]+:|//)", ref) and ref != EMPTY_ICON]
    assert outside == []
    assert "url(" not in page
    assert len(page) < 300_000


def test_numbers_that_cannot_be_had_are_not_printed_as_none_or_nan(page: str) -> None:
    assert not re.search(r"\b(None|nan|NaN|inf)\b", Checker(page).visible)


def test_every_figure_is_valid_xml_with_title_and_description(page: str) -> None:
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    figures = [figure for figure in drawn if 'role="img"' in figure]
    assert figures
    assert all('aria-hidden="true"' in figure for figure in drawn if figure not in figures)
    for figure in figures:
        root = ET.fromstring(figure)
        names = [child.tag.rpartition("}")[2] for child in root]
        assert {"title", "desc"} <= set(names)


def test_names_from_users_are_escaped() -> None:
    page = render_html(hostile(), extras=extras())
    assert "<script>" not in page
    assert "alert(" in Checker(page).visible
    assert "\x00" not in page


def test_the_verdict_its_reason_and_its_numbers_stand_on_the_page() -> None:
    verdict = style_only()
    visible = Checker(render_html(verdict)).visible
    assert verdict.reason in visible
    for result in verdict.benchmarks:
        assert result.name in visible
        assert ratio(result.gap_closed) in visible
    assert ratio(verdict.style.closeness) in visible


def test_every_figure_of_the_imitation_data_stands_on_the_page() -> None:
    visible = Checker(render_html(with_data())).visible
    for wanted in ("48,310", "20,114", "near duplicate 9,120", "e mail 311", "8.2", "held-out prompts", "−0.2", "14%"):
        assert wanted in visible
    assert "at most 2.0% of dialogues have a toxic reply" in visible
    assert "a, b, c, d, e, …" in visible


def test_without_imitation_data_the_page_does_not_speak_of_them() -> None:
    assert "What the imitator was trained on" not in Checker(render_html(style_only())).visible


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(tag[1]) for tag in Checker(page).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_the_study_page_links_every_arm_and_shows_every_claim() -> None:
    claims = [
        StudyClaim(text="Style <b>only</b>", holds=True, detail="d"),
        StudyClaim(text="No", holds=False, detail="e"),
    ]
    found = Checker(render_study_html(study(), claims=claims))
    assert {entry.href for entry in study()} <= set(found.references)
    assert "Style <b>only</b>" in found.visible
    assert found.misnested == []


def test_base_and_target_stand_at_the_places_of_0_and_1() -> None:
    scale = Scale(-0.2, 1.2, 100, 800)
    assert (scale.at(0), scale.at(1)) == (200, 700)
    assert scale.clipped(5) == 800
    assert not scale.holds(5)


def test_one_wild_interval_does_not_squeeze_the_axis() -> None:
    assert domain([0.1, 40.0, float("inf")], inner=(0, 1), outer=(-1, 1.5)) == (0, 1.5)


def test_labels_are_moved_apart_and_stay_inside() -> None:
    placed = spread([50, 52, 54], [20, 20, 20], 0, 100)
    assert all(b - a >= 20 for a, b in itertools.pairwise(placed))
    assert placed[0] >= 10
    assert placed[-1] <= 90


def test_how_far_a_change_would_carry_stands_where_subjects_were_chosen() -> None:
    assert "Change, other subjects" not in Checker(render_html(style_only())).visible
    first, *rest = style_only().benchmarks
    carried = first.model_copy(update={"delta_ci_clustered": (-0.031, 0.042)})
    page = Checker(render_html(style_only().model_copy(update={"benchmarks": (carried, *rest)}))).visible
    assert "−3.1 to +4.2" in page
    assert "the interval of its change is by whole clusters already" in page


def test_ten_benchmarks_with_long_names_all_appear() -> None:
    visible = Checker(render_html(many())).visible
    assert all(result.name in visible for result in many().benchmarks)


@pytest.mark.parametrize(
    ("gate", "require", "said"),
    [
        ("pass", [], "Policy study, which sets no gate"),
        ("pass", ["CAPABILITY"], "Gate passed, policy study"),
        ("fail", ["CAPABILITY"], "Gate not passed, policy study"),
    ],
)
def test_a_policy_that_requires_nothing_passes_nothing(gate: str, require: list[str], said: str) -> None:
    made = style_only()
    policy = {**made.provenance["policy"], "require": require}  # type: ignore[dict-item]
    made = made.model_copy(
        update={
            "gate": gate,
            "policy": made.policy.model_copy(update={"name": "study"}),
            "provenance": {**made.provenance, "policy": policy},
        }
    )
    assert said in Checker(render_html(made)).visible
    assert said in render_markdown(made).replace("**", "")
