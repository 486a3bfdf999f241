"""Every number of the page leads to its rows, and its address gives that very number."""

from __future__ import annotations

import re
from html import unescape

import pytest
from pages import Checker
from verdicts import ALL, style_only, verdict

from components.contracts.errors import UsageError
from components.contracts.verdict import Verdict
from components.report.cost_sheet import cost_sheet
from components.report.data_sheets import data_sheets
from components.report.html import all_sheets, render_html
from components.report.numbers import find, numbers
from components.report.page_inputs import CostLine, ReportExtras, RowSource
from components.report.row_sources import PORTS
from components.report.table_addresses import cell_addresses

PORT_NAMES = sorted({port for ports in PORTS.values() for port in ports})
COMMAND = "touchstone verdict runs/mine"


def given(*, beside: bool = True) -> ReportExtras:
    sources = tuple(
        RowSource(name=name, rows=7, digest="ab" * 32, href=f"rows/{name}/rows.jsonl" if beside else "")
        for name in PORT_NAMES
    )
    return ReportExtras(sources=sources, command=COMMAND if beside else "")


COSTS = (
    CostLine(what="imitator, all replies", replies=805, tokens=91_204, usd=0.37),
    CostLine(what="base, answers to prompts", replies=80, port="base_outputs"),
)


@pytest.mark.parametrize("name", ALL)
def test_the_number_of_an_address_is_the_one_that_is_printed_in_its_cell(name: str) -> None:
    made = ALL[name]()
    known = numbers(made, COSTS)
    for sheet in (*all_sheets(made), *data_sheets(made), cost_sheet(COSTS)):
        for cells, addresses in zip(sheet.rows, cell_addresses(made, sheet), strict=True):
            for cell, address, column in zip(cells, addresses, sheet.columns, strict=True):
                if address in known:
                    assert known[address].text == cell.text or not cell.text or cell.note, address
                elif column.numeric and not column.cited and column.title != INTERVALS:
                    assert not any(map(str.isdigit, cell.text)), (
                        f"{sheet.key}: {address or column.title} has no address"
                    )


INTERVALS = "Change, other subjects"
"""A column of intervals, which stand beside a number with an address."""


@pytest.mark.parametrize("name", ALL)
def test_every_number_of_every_table_is_a_link(name: str) -> None:
    made = ALL[name]()
    page = render_html(made, extras=given())
    for sheet in (*all_sheets(made), *data_sheets(made)):
        part = page[page.index(f'<table id="{sheet.key}"') :]
        cells = re.findall(r'<td class="num">(.*?)</td>', part[: part.index("</table>")])
        bare = [cell for cell in cells if re.search(r'<span class="main">[^<]*\d', cell)]
        cited = len(sheet.rows) * sum(column.cited for column in sheet.columns)
        assert len(bare) == cited, sheet.key


def test_a_link_names_the_file_which_rows_of_it_and_the_command() -> None:
    made = style_only()
    scored = {b.name: {"given": {"base": b.n, "imitator": b.n, "target": b.n}} for b in made.benchmarks}
    page = render_html(made.model_copy(update={"provenance": {"joins": scored}}), extras=given())
    found = re.findall(r'<a class="n main" href="([^"]+)" title="([^"]+)">', page)
    links = {unescape(title): unescape(href) for href, title in found}
    name = style_only().benchmarks[1].name
    assert links[f"{COMMAND} --show {name}.base"] == f"rows/base_scores/rows.jsonl#benchmark={name}"
    assert links[f"{COMMAND} --show {name}.delta"].startswith("rows/imitator_scores/")
    assert links[f"{COMMAND} --show style.unigram_f1.imitator"] == "rows/profiles/rows.jsonl"
    big = re.findall(r'<dd class="big"><a class="n" href="[^"]+" title="([^"]+)">', page)
    assert f"{COMMAND} --show pooled.all.gap_closed" in big


def test_rows_that_do_not_lie_beside_the_page_are_named_on_it() -> None:
    found = Checker(render_html(style_only(), extras=given(beside=False)))
    inner = [ref for ref in found.references if ref.startswith("#rows-")]
    assert "#rows-base_scores" in inner
    assert not any(ref.startswith("rows/") for ref in found.references)


def test_a_role_without_item_scores_leads_to_the_number_that_was_published() -> None:
    joins = {"joins": {"nq": {"given": {"base": 100, "imitator": 100}}}}
    made = style_only()
    made = made.model_copy(update={"provenance": {**made.provenance, **joins}})
    nq = next(b.name for b in made.benchmarks if b.name == "nq")
    assert find(made, f"{nq}.target").rows == (("published", (("benchmark", "nq"), ("role", "target"))),)
    assert find(made, f"{nq}.base").rows == (("base_scores", (("benchmark", "nq"),)),)


def test_formulas_are_those_that_were_used() -> None:
    made = style_only()
    joins = {"joins": {b.name: {"given": {"base": 9, "imitator": 9, "target": 9}} for b in made.benchmarks}}
    first = made.benchmarks[0]
    for p_mcnemar, said in ((0.2, "score_intervals.py"), (None, "fieller.py")):
        one = first.model_copy(update={"p_mcnemar": p_mcnemar})
        told = made.model_copy(update={"benchmarks": (one,), "provenance": joins})
        assert said in find(told, f"{first.name}.gap_closed").measure.how
        assert ("Tango 1998" in find(told, f"{first.name}.delta").measure.how) == (p_mcnemar is not None)


def test_an_address_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is no number nq\.dleta") as caught:
        find(style_only(), "nq.dleta")
    assert "nq.delta" in caught.value.expected


def test_a_number_that_cannot_be_had_keeps_its_reason_and_is_no_link() -> None:
    made: Verdict = verdict()
    missing = [n for n in numbers(made).values() if n.value is None and n.reason]
    for number in missing:
        assert number.text == "—"
