"""report.md says what the page says, and no name in it becomes markup."""

import re

import pytest
from markdown_it import MarkdownIt
from pages import Checker
from verdicts import ALL, extras, hostile, style_only, with_raters

from components.report.html import all_sheets, render_html
from components.report.markdown import escaped, render_markdown, render_summary
from components.report.page_inputs import CostLine, ReportExtras, RowSource
from components.report.wording import clean

READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def text_of(markdown: str) -> str:
    return Checker(READER.render(markdown)).visible


@pytest.mark.parametrize("name", ALL)
def test_every_number_of_the_page_stands_in_the_twin(name: str) -> None:
    made = ALL[name]()
    shown = text_of(render_markdown(made, extras=extras()))
    for sheet in all_sheets(made):
        for cells in sheet.rows:
            for cell in cells:
                assert " ".join(clean(cell.text).split()) in shown
                assert " ".join(clean(cell.sub).split()) in shown
        assert all(" ".join(note.split()) in shown for note in sheet.notes)


@pytest.mark.parametrize("name", ALL)
def test_tables_are_read_as_tables(name: str) -> None:
    made = ALL[name]()
    found = Checker(READER.render(render_markdown(made, extras=extras())))
    assert found.tags.count("tr") == 4 + sum(1 + len(sheet.rows) for sheet in all_sheets(made)) + _data_rows(name)
    assert found.misnested == []


def _data_rows(name: str) -> int:
    from components.report.data_sheets import data_sheets

    return sum(1 + len(sheet.rows) for sheet in data_sheets(ALL[name]()))


def test_names_from_users_do_not_become_markup() -> None:
    for markdown in (render_markdown(hostile(), extras=extras()), render_summary(hostile())):
        found = Checker(READER.render(markdown))
        assert "script" not in found.tags
        assert 'alert("x")' in found.visible
        assert "\x00" not in markdown


@pytest.mark.parametrize(
    "text",
    ["a | b", "# head", "1. one", "1) one", "- dash", "+ plus", "---", "`code`", "[x](y)", "<b>", "a * b * c", "&amp;"],
)
def test_what_means_something_to_markdown_is_taken_literally(text: str) -> None:
    assert Checker(READER.render(escaped(text))).visible == text


def test_the_summary_is_the_verdict_with_its_scores() -> None:
    shown = text_of(render_summary(style_only()))
    assert style_only().reason in shown
    assert "Scores per benchmark" not in shown
    assert "47.8%" in shown
    assert len(render_summary(ALL["many"]())) < 20_000


def test_rows_and_the_command_stand_on_both() -> None:
    given = ReportExtras(
        sources=(
            RowSource(name="judgments", rows=1_234, digest="ab" * 32, href="rows/judgments/rows.jsonl"),
            RowSource(name="base_scores", rows=9, digest="cd" * 32, href="https://elsewhere.example/rows"),
        ),
        command="touchstone verdict runs/mine",
    )
    page = render_html(with_raters(), extras=given)
    found = Checker(page)
    assert "touchstone verdict runs/mine" in found.visible
    assert "rows/judgments/rows.jsonl" in found.references
    assert not any("elsewhere" in ref for ref in found.references)
    targets = set(re.findall(r'<div id="(rows-[a-z_]+)"', page))
    assert {ref[1:] for ref in found.references if ref.startswith("#rows-")} == targets
    table = page[page.index('id="preference-table"') : page.index('id="pull-table"')]
    assert 'href="#rows-judgments"' in table
    shown = text_of(render_markdown(with_raters(), extras=given))
    assert "touchstone verdict runs/mine" in shown
    assert f"judgments : 1,234 rows, sha256 {'ab' * 32}" in shown


def test_costs_are_told_or_said_to_be_unknown() -> None:
    given = ReportExtras(
        costs=(
            CostLine(what="target, all replies", replies=1_200, tokens=80_000, usd=0.0042),
            CostLine(what="base, all replies", replies=1_200, tokens=79_000),
        )
    )
    for shown in (
        Checker(render_html(style_only(), extras=given)).visible,
        text_of(render_markdown(style_only(), extras=given)),
    ):
        assert "80,000" in shown
        assert "0.0042" in shown
        assert "no price was known" in shown


def test_rules_that_were_changed_after_registration_are_called_so() -> None:
    said = "not the rules that were registered before the run"
    for changed in (True, False):
        made = style_only().model_copy(
            update={"provenance": {**style_only().provenance, "registered_policy": "ab", "policy_changed": changed}}
        )
        assert (said in Checker(render_html(made)).visible) is changed
        assert (said in render_markdown(made)) is changed
