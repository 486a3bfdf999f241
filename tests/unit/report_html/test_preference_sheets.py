"""The tables about preference: every number on them is the verdict's, and every dash has its reason."""

from verdicts import ALL, style_only, verdict, with_raters

from components.report.data_sheets import data_sheets
from components.report.html import all_sheets
from components.report.preference_sheets import preference_sheets
from components.report.sheets import Sheet
from components.report.wording import MISSING


def tables() -> dict[str, Sheet]:
    return {sheet.key: sheet for sheet in preference_sheets(with_raters())}


def row(sheet: Sheet, number: int) -> dict[str, tuple[str, str, str]]:
    """Column -> text, small print, footnote of one row; columns of one name are numbered."""
    found: dict[str, tuple[str, str, str]] = {}
    for column, cell in zip(sheet.columns, sheet.rows[number], strict=True):
        name = column.title if column.title not in found else f"{column.title} 2"
        found[name] = (cell.text, cell.sub, sheet.notes[cell.note - 1] if cell.note else "")
    return found


def test_nothing_asked_nothing_shown() -> None:
    assert preference_sheets(verdict(preference=())) == []
    assert [sheet.key for sheet in preference_sheets(style_only())] == ["preference-table"]


def test_adjusted_preference_is_a_share_with_its_interval() -> None:
    first = row(tables()["preference-table"], 0)
    assert first["At least as good"] == ("70.6%", "64.7% to 76.1%", "")
    assert first["Style-adjusted"] == ("53.0%", "46.0% to 60.0%", ""), "effects are above one half, shares are shown"
    assert first["Due to style"] == ("75.0%", "41.0% to 132.0%", "")
    second = row(tables()["preference-table"], 1)
    assert second["Style-adjusted"] == (MISSING, "", "the style regression was not fitted")


def test_what_pulled_names_each_feature_once() -> None:
    sheet = tables()["pull-table"]
    assert [column.title for column in sheet.columns] == ["Source", "longer", "more bold"]
    assert [cell.text for cell in sheet.rows[0]] == ["crowd", "0.61", "−0.07"]


def test_raters_have_agreement_and_judges_what_peoples_labels_make_of_them() -> None:
    people, judge = (row(tables()["raters-table"], i) for i in (0, 1))
    assert people["Krippendorff's alpha"] == ("0.21", "0.15 to 0.28", "")
    assert people["At least as good"] == ("70.6%", "62.2% to 78.3%", "")
    assert people["By people's labels"][2] == "no labels"
    assert judge["Raters"] == (MISSING, "", "a single voice")
    assert judge["By people's labels"] == ("51.2%", "44.0% to 58.0%", "")
    assert judge["By people's labels 2"] == (MISSING, "", "it calls every answer better")


def test_a_fooled_judge_may_not_gate_and_the_table_says_why() -> None:
    sheet = tables()["judges-table"]
    first, second, third = (row(sheet, i) for i in range(3))
    assert first["Was given"][0] == "the base's answer in the target's dress"
    assert first["Fooled"][0] == "yes"
    assert first["May gate"] == ("no", "", "fooled by restyled_base")
    assert second["Judge"][0] == "", "one name for all its rows"
    assert second["Preferred the real answer"] == (MISSING, "", "no readable verdict")
    assert second["Fooled"][0] == "cannot tell"
    assert third["Was given"][0] == "no placebo"
    assert third["Agrees with people"] == ("81.0%", "70.0% to 90.0%", "")


def test_sure_and_wrong_names_who_says_what_sounds_sure() -> None:
    first, second = (row(tables()["confident-table"], i) for i in (0, 1))
    assert first["Sure and wrong"] == ("78.3%", "77.0% to 79.6%", "")
    assert first["Benchmark"][2] == "tone by lexical; sure from 0.60"
    assert second["Sure and wrong"] == (MISSING, "", "no answer has both a tone and a score")


def test_every_missing_number_of_every_table_has_a_reason() -> None:
    for name, make in ALL.items():
        for sheet in [*all_sheets(make()), *data_sheets(make())]:
            for cells in sheet.rows:
                for column, cell in zip(sheet.columns, cells, strict=True):
                    if column.numeric and cell.text == MISSING:
                        assert cell.note, f"{name}: {sheet.key}, {column.title}"
                        assert sheet.notes[cell.note - 1].strip(), f"{name}: {sheet.key}, {column.title}"
