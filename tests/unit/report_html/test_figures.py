"""The pictures of a training and of a sweep: what they say in words, what they draw, and what they leave out."""

import itertools
import xml.etree.ElementTree as ET

import pytest
from pages import local, pictures, words_of
from verdicts import style_only, sweep, sweep_cell, sweep_curve, training, with_support

from components.contracts.verdict import Pooled, PooledSets, Verdict
from components.report.figures.contrast import contrast_figure
from components.report.figures.growth import growth_figure
from components.report.figures.loss import MOST_POINTS, loss_figure
from components.report.figures.style_closeness import style_figure
from components.report.figures.support import support_figure
from components.report.figures.trade_off import trade_off_figure
from components.report.page_inputs import PolicyLimits

EVIL = '</svg><script>alert("x")</script> & \x00'


def both(svg: str) -> tuple[ET.Element, ET.Element]:
    wide, narrow = pictures(svg)
    assert (wide.get("class"), narrow.get("class")) == ("figure wide", "figure narrow")
    return wide, narrow


def marks(figure: ET.Element, kind: str) -> list[ET.Element]:
    return [e for e in figure.iter() if (e.get("class") or "").split()[:1] == [kind]]


def visible_text(figure: ET.Element) -> str:
    return " ".join(e.text or "" for e in figure.iter() if local(e) == "text")


def test_the_loss_is_drawn_and_told_from_first_to_last() -> None:
    for figure in both(loss_figure(training())):
        said = words_of(figure, "desc")
        assert "40 steps; loss 3.40 at first" in said
        assert "on dialogues kept out 4.20, then 1.90" in said
        assert len(marks(figure, "m-base")) == 2, "a circle for each measurement on kept-out dialogues"
        assert "50k" in visible_text(figure)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_training_of_less_than_two_steps_has_no_picture(steps: int) -> None:
    assert loss_figure(training(steps)) == ""


def test_a_long_training_is_averaged_to_a_line_that_can_be_drawn() -> None:
    wide, _ = both(loss_figure(training(5000)))
    line = next(e for e in wide.iter() if local(e) == "polyline" and e.get("class") == "whisker")
    points = [tuple(map(float, p.split(","))) for p in str(line.get("points")).split()]
    assert len(points) <= MOST_POINTS
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(points)), "it falls"


def test_a_constant_loss_does_not_divide_by_its_range() -> None:
    flat = [step.model_copy(update={"loss": 2.0, "heldout_loss": None}) for step in training(5)]
    assert "loss 2.00 at first, 2.00 at the end" in words_of(both(loss_figure(flat))[0], "desc")


def test_a_growth_picture_has_a_mark_for_every_point_and_says_each_number() -> None:
    curves = [sweep_curve("nq"), sweep_curve("mmlu", amounts=(500.0, 2000.0, 8000.0))]
    for figure in both(growth_figure(curves)):
        assert len(marks(figure, "m-imitator")) == 5
        assert len(marks(figure, "m-base")) == 5
        said = words_of(figure, "desc")
        assert "nq, small base, broad data: 500 dialogues 20.0%; 2,000 dialogues 21.0%" in said
        assert "+0.5 points per doubling (−0.2 to +1.2)" in said
        assert {"500", "2,000", "8,000"} <= set(visible_text(figure).split())


def test_more_data_stands_further_right_and_a_better_score_higher() -> None:
    wide, _ = both(growth_figure([sweep_curve("nq", amounts=(500.0, 2000.0, 8000.0))]))
    line = next(e for e in wide.iter() if local(e) == "polyline")
    xs, ys = zip(*(map(float, p.split(",")) for p in str(line.get("points")).split()), strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys, reverse=True)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.02), "the same factor is the same step"


def test_cells_without_both_numbers_are_not_in_the_trade_off() -> None:
    for figure in both(trade_off_figure(sweep().cells)):
        said = words_of(figure, "desc")
        assert "plain: style 0.83 (0.78 to 0.88), capability −1.2 points (−2.2 to −0.2)." in said
        assert "Not beaten on both: plain and replay." in said
        assert "frozen" not in said
        assert len(marks(figure, "m-imitator")) == 2


def test_style_goes_up_and_capability_to_the_right() -> None:
    cells = [sweep_cell("a", 0.0, 0.2), sweep_cell("b", 0.05, 0.9)]
    wide, _ = both(trade_off_figure(cells))
    first, second = (tuple(map(float, str(m.get("points")).split()[0].split(","))) for m in marks(wide, "m-imitator"))
    assert second[0] > first[0]
    assert second[1] < first[1]


def test_ticks_say_the_values_they_stand_at() -> None:
    wide, _ = both(trade_off_figure([sweep_cell("a", 0.0, 0.0), sweep_cell("b", 0.05, 1.0)]))
    labels = [e for e in wide.iter() if local(e) == "text" and e.get("text-anchor") == "end"]
    at = {float(e.text or ""): float(str(e.get("y"))) for e in labels if (e.text or "").replace(".", "").isdigit()}
    (v0, y0), (v1, y1) = min(at.items()), max(at.items())
    assert len(at) > 2
    for value, y in at.items():
        assert y == pytest.approx(y0 + (value - v0) * (y1 - y0) / (v1 - v0), abs=0.05)


@pytest.mark.parametrize("cells", [[], [sweep_cell("a", 0.1, 0.2)]])
def test_a_trade_off_needs_two_cells(cells: list) -> None:
    assert trade_off_figure(cells) == ""
    assert growth_figure([]) == ""


def test_names_from_users_cannot_leave_a_picture() -> None:
    made = sweep(EVIL)
    drawn = support_figure(with_support(EVIL).support_map)
    for svg in (growth_figure(made.curves), trade_off_figure(made.cells), drawn):
        assert "<script>" not in svg
        assert "alert(" in words_of(both(svg)[0], "desc")


def test_the_support_map_says_the_line_and_every_mean() -> None:
    for figure in both(support_figure(with_support().support_map)):
        said = words_of(figure, "desc")
        assert "nq: +3.0 points per 0.1 of support (+2.5 to +3.5); support 0.05 to 0.15: +5.0 points" in said
        assert "mmlu: +3.0 points per 0.1 of support (no interval)" in said
        assert "quiz" not in said, "no line through one item"
        assert len(marks(figure, "m-imitator")) == 5 + 2
        assert len(marks(figure, "fitted")) == 2


def test_the_line_of_the_support_map_runs_through_its_means() -> None:
    wide, _ = both(support_figure(with_support().support_map))
    (x1, y1), (x2, y2) = (map(float, p.split(",")) for p in str(marks(wide, "fitted")[0].get("points")).split())
    for diamond in marks(wide, "m-imitator")[:5]:
        corners = [tuple(map(float, p.split(","))) for p in str(diamond.get("points")).split()]
        x, y = corners[0][0], (corners[0][1] + corners[2][1]) / 2
        assert y == pytest.approx(y1 + (x - x1) * (y2 - y1) / (x2 - x1), abs=0.3)


def test_without_measured_support_there_is_no_map() -> None:
    assert support_figure(style_only().support_map) == ""


def test_on_a_phone_long_names_are_whole_beside_their_numbers() -> None:
    _, narrow = both(style_figure(style_only().style, PolicyLimits()))
    said = [element.text or "" for element in narrow.iter() if local(element) == "text"]
    assert "Closing summary where the target has one" in said
    assert not any(line.endswith("…") for line in said)


def test_on_a_phone_no_line_runs_through_names_and_numbers() -> None:
    _, narrow = both(style_figure(style_only().style, PolicyLimits(style_captured=0.5)))
    uprights = [e for e in narrow.iter() if local(e) == "line" and e.get("x1") == e.get("x2")]
    assert {(e.get("class") or "").split()[0] for e in uprights} >= {"end", "limit"}
    said = [e for e in narrow.iter() if local(e) == "text" and (e.get("class") or "").split()[0] in ("name", "value")]
    assert len(said) > 10
    for words in said:
        baseline = float(str(words.get("y")))
        crossing = [e for e in uprights if float(str(e.get("y1"))) < baseline - 2 < float(str(e.get("y2")))]
        assert crossing == [], words.text


def test_a_question_that_nobody_asked_keeps_its_place_in_the_one_view() -> None:
    made = style_only().model_copy(update={"preference": ()})
    names = {"base": "b", "imitator": "i", "target": "t"}
    wide, _ = both(contrast_figure(made, names))
    said = [element.text or "" for element in wide.iter() if local(element) == "text"]
    assert "no judgments were given" in said
    assert contrast_figure(made.model_copy(update={"benchmarks": (), "pooled": without_benchmarks(made)}), names) == ""


def without_benchmarks(made: Verdict) -> PooledSets:
    """No benchmark in any set."""
    nothing = Pooled(benchmarks=(), gap_closed=None, ci=None, reason="none")
    return made.pooled.model_copy(update={"all": nothing, "unsupported": nothing, "supported": nothing})
