"""Published base, imitator and target results of other model families give the verdicts written down beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.collect.published import read_published
from components.contracts.verdict import Verdict
from components.report.decision import decide

FOLDER = Path(__file__).parent / "published"
EXPECTED = yaml.safe_load((FOLDER / "expected.yaml").read_text(encoding="utf-8"))


def _replay(name: str) -> Verdict:
    given = read_published(FOLDER / f"{name}.yaml")
    return decide(published=given.scores, published_style=given.style, claims=given.claims)


@pytest.mark.parametrize("name", EXPECTED)
def test_published_numbers_give_the_verdict_written_down_before(name: str) -> None:
    verdict, expected = _replay(name), EXPECTED[name]
    assert verdict.verdict == expected["verdict"], verdict.reason
    assert {b.name: b.label for b in verdict.benchmarks} == expected["labels"]


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if expected.get("nothing_shown")])
def test_where_nothing_was_gained_only_style_is_missing(name: str) -> None:
    verdict = _replay(name)
    (line,) = [line for line in verdict.would_change if line.startswith("Not STYLE_ONLY:")]
    assert line == "Not STYLE_ONLY: style closeness is not known: no outputs were given."


def test_every_file_has_an_expectation_and_every_number_a_source() -> None:
    files = {path.stem for path in FOLDER.glob("*.yaml")} - {"expected"}
    assert files == set(EXPECTED)
    for name in files:
        for row in read_published(FOLDER / f"{name}.yaml").scores:
            assert "lmsys.org" in row.source or "arXiv 2306.04757" in row.source
