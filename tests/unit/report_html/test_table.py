import io

import pytest
from rich.console import Console
from verdicts import ALL, study, style_only, with_support

from components.report.table import render_study_table, render_table


def printed(renderable: object, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("name", ALL)
def test_the_terminal_table_fits_eighty_columns(name: str) -> None:
    text = printed(render_table(ALL[name]()))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text, "no colour codes where nobody sees them"


def test_the_terminal_table_begins_with_the_verdict_and_its_reason() -> None:
    text = printed(render_table(style_only()))
    assert text.startswith("STYLE_ONLY")
    assert style_only().reason.split()[0] in text
    assert "What would change it" in text


def test_the_study_table_has_a_row_an_arm() -> None:
    text = printed(render_study_table(study()))
    assert all(entry.name in text for entry in study())
    assert max(map(len, text.splitlines())) <= 80


def test_what_the_support_map_says_is_told() -> None:
    assert "Support: Within benchmarks, each 0.1 of support goes" in printed(render_table(with_support()), 200)
