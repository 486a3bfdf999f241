"""The page of a sweep: one file, every cell linked, every number or its reason."""

from pages import EMPTY_ICON, Checker, pictures
from verdicts import sweep, sweep_cell

from components.contracts.sweep_results import SweepStudy
from components.report.page_inputs import PolicyLimits
from components.report.sweeping.sweep_page import cells_sheet, curves_sheet, render_sweep_html
from components.report.wording import MISSING

EVIL = '<script>alert("x")</script> & \x00'
ALPHA = PolicyLimits(alpha=0.05)


def test_the_page_is_well_formed_and_links_every_cell() -> None:
    page = render_sweep_html(sweep(), ALPHA)
    found = Checker(page)
    assert found.misnested == []
    assert found.open == []
    assert {cell.page for cell in sweep().cells} <= set(found.references)
    assert [ref for ref in found.references if ":" in ref] == [EMPTY_ICON]
    assert "script" not in found.tags
    assert len(pictures(page)) == 4, "two pictures, each for a desk and for a phone"
    assert "95% intervals" in found.visible
    assert sweep().findings[0] in found.visible


def test_a_sweep_without_curves_or_measured_cells_still_makes_a_page() -> None:
    bare = SweepStudy(title="One", cells=(sweep_cell("only", None, None),), curves=(), findings=())
    page = render_sweep_html(bare, PolicyLimits())
    assert pictures(page) == []
    assert "style was not measured" in Checker(page).visible


def test_names_from_users_are_escaped() -> None:
    page = render_sweep_html(sweep(EVIL), ALPHA)
    assert "<script>" not in page
    assert "alert(" in Checker(page).visible
    assert "\x00" not in page


def test_a_cell_shows_its_numbers_or_says_why_not() -> None:
    sheet = cells_sheet(sweep().cells)
    plain, _, frozen = sheet.rows
    assert [c.text for c in plain] == ["plain", "Style only", "2,000", "−1.2", "−0.11", "0.83", MISSING, "nq"]
    assert plain[0].sub == "not beaten on both style and capability"
    whys = [sheet.notes[cell.note - 1] for cell in frozen if cell.note]
    assert whys == [
        "base or imitator has no score",
        "no gap could be measured",
        "style was not measured",
        "no judgments",
    ]


def test_a_curve_says_what_the_target_would_take_or_that_no_amount_would_do() -> None:
    sheet = curves_sheet(sweep().curves)
    two, three = sheet.rows
    assert [sheet.notes[c.note - 1] for c in two if c.note] == ["fewer than three amounts fix no curve"] * 3
    assert three[2].text == "+0.5"
    assert (three[3].text, three[3].sub) == ("23.0%", "21.0% to 26.0%")
    reason = "no amount: the curve levels off below the target"
    assert [sheet.notes[c.note - 1] for c in three if c.note] == [reason] * 2
