"""The tables about preference: every number on them is the verdict's, and every dash has its reason."""

from verdicts import ALL, style_only, verdict, with_raters

from components.contracts.preference_results import RaterPool, RaterRecord
from components.contracts.verdict import Verdict
from components.report.data_sheets import data_sheets
from components.report.html import all_sheets, render_html
from components.report.preference_sheets import preference_sheets
from components.report.rater_sheets import MOST_RECORDS
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


def record(rater: str, **changes: object) -> RaterRecord:
    values: dict[str, object] = {
        "rater": rater,
        "n": 40,
        "num_shared": 36,
        "agreement": 0.75,
        "agreement_ci": (0.589, 0.863),
        "first_share": 0.62,
        "first_ci": (0.45, 0.77),
        "tie_share": 0.15,
        "median_seconds": 34.2,
        "time_trend": -0.42,
        "time_trend_ci": (-0.61, -0.13),
        **changes,
    }
    return RaterRecord.model_validate(values)


NOTHING = dict.fromkeys(
    (
        "agreement",
        "agreement_ci",
        "first_share",
        "first_ci",
        "tie_share",
        "median_seconds",
        "time_trend",
        "time_trend_ci",
    )
)


def pooled(*records: RaterRecord, **changes: object) -> Verdict:
    out = [one for one in records if one.left_out]
    values: dict[str, object] = {
        "num_raters": len(records),
        "num_left_out": len(out),
        "num_left_out_votes": 40 * len(out),
        "first_share": 0.55,
        "first_ci": (0.51, 0.59),
        "time_trend": -0.3,
        "time_trend_ci": (-0.45, 0.02),
        "num_timed": 3,
        "records": records,
        **changes,
    }
    made = with_raters()
    first = made.preference[0].model_copy(update={"raters": RaterPool.model_validate(values)})
    return made.model_copy(update={"preference": (first, *made.preference[1:])})


def shown(verdict: Verdict, key: str) -> Sheet:
    return {sheet.key: sheet for sheet in preference_sheets(verdict)}[key]


def test_who_was_left_out_is_told_by_the_rule_that_was_fixed_before_the_data() -> None:
    out = {
        "a": "1 of 4 gold items right, the rule asks for 50%",
        "b": "0 of 5 gold items right, the rule asks for 50%",
        "c": "median of 1.2 s an answer, the rule asks for 3 s",
        "d": "some rule of yours",
    }
    verdict = pooled(record("ann"), *(record(name, n=0, left_out=why, **NOTHING) for name, why in out.items()))
    pool = row(shown(verdict, "rater-pools-table"), 0)
    assert pool["Raters"][0] == "5"
    told = "2 by gold items, 1 by some rule of yours, 1 by time per answer: rules fixed before the data"
    assert pool["Left out"] == ("4", "", told)
    assert pool["Votes left out"][0] == "160"
    assert pool["Picked the first"] == ("55.0%", "51.0% to 59.0%", "")
    assert pool["Time a vote"] == ("−30.0%", "−45.0% to +2.0%", "")
    records = shown(verdict, "rater-records-table")
    assert [row(records, n)["Counts"][::2] for n in range(3)] == [("yes", ""), ("no", out["a"]), ("no", out["b"])]
    assert row(records, 1)["Agrees"] == (MISSING, "", "no vote counts")


def test_each_raters_record_is_shown_and_the_least_agreeing_first() -> None:
    keys = ("5dee26dc7f900326bd0cdb33", "0acb73a4fd611234646f2200")
    verdict = pooled(record(keys[0]), record(keys[1], agreement=0.4, agreement_ci=(0.25, 0.57), median_seconds=4.25))
    records = shown(verdict, "rater-records-table")
    first, second = row(records, 0), row(records, 1)
    assert (first["Rater"][0], second["Rater"][0]) == ("0acb73a4fd…", "5dee26dc7f…")
    assert (first["Source"][0], second["Source"][0]) == ("crowd", "")
    assert first["Agrees"] == ("40.0%", "25.0% to 57.0%", "")
    assert second["Picked the first"] == ("62.0%", "45.0% to 77.0%", "")
    assert (first["Seconds a vote"][0], second["Seconds a vote"][0]) == ("4.25", "34")
    assert second["Time a vote"] == ("−42.0%", "−61.0% to −13.0%", "")


def test_a_large_crowd_is_cut_and_says_so() -> None:
    verdict = pooled(*(record(f"r{n:03}", agreement=n / 100) for n in range(71)))
    records = shown(verdict, "rater-records-table")
    assert len(records.rows) == MOST_RECORDS
    assert row(records, 0)["Source"][2] == f"the {MOST_RECORDS} of 71 who agree least; verdict.json has all"
    assert [row(records, n)["Rater"][0] for n in (0, MOST_RECORDS - 1)] == ["rater 1", f"rater {MOST_RECORDS}"]


def test_nobody_is_named_on_the_page() -> None:
    verdict = pooled(record("ann@example.org"), record("bob@example.org", agreement=0.1, agreement_ci=(0.0, 0.3)))
    records = shown(verdict, "rater-records-table")
    assert [row(records, n)["Rater"][0] for n in range(2)] == ["rater 2", "rater 1"], "by their place in verdict.json"
    assert "example.org" not in render_html(verdict)


def test_raters_without_times_or_sides_have_dashes_with_reasons() -> None:
    bare = record("ann", **NOTHING)
    verdict = pooled(bare, record("bob", **{**NOTHING, "median_seconds": 3.0}), **dict.fromkeys(list(NOTHING)[2:4]))
    for key in ("rater-pools-table", "rater-records-table"):
        sheet = shown(verdict, key)
        for number in range(len(sheet.rows)):
            assert all(note for text, _, note in row(sheet, number).values() if text == MISSING)
    assert row(shown(verdict, "rater-records-table"), 1)["Time a vote"][2] == "too few timed votes"
