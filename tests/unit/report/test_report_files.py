"""The report step's folder: verdict, page and twin; examples where replies are given; no text when redacted."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Output
from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Completion, Row, Score, TaskItem
from components.report import step
from tests.unit.report.rows_for_tests import judgment

N = 40


def ports(folder: Path) -> dict[str, Path]:
    """Scores, tones and replies of a base in doubt and of an imitator that is sure of its errors."""
    made: dict[str, tuple[type[Row], list[Row]]] = {}
    for role, tone in (("base", 0.1), ("imitator", 0.9)):
        ids = [f"i{i}" for i in range(N)]
        made[f"{role}_scores"] = (
            Score,
            [Score(item_id=item, benchmark="nq", model=role, value=float(i % 4 == 0)) for i, item in enumerate(ids)],
        )
        made[f"{role}_tones"] = (
            ToneScore,
            [ToneScore(item_id=item, benchmark="nq", model=role, scorer="lexical", authoritative=tone) for item in ids],
        )
        made[f"{role}_replies"] = (
            Completion,
            [
                Completion(prompt_id=f"{item}#raw", model=role, text=f"{role} reply {item}", num_tokens=5)
                for item in ids
            ],
        )
    made["items"] = (
        TaskItem,
        [
            TaskItem(id=f"i{i}", benchmark="nq", kind="exact_match", question=f"riddle {i}", answers=("x",), cluster="")
            for i in range(N)
        ],
    )
    for name, (contract, rows) in made.items():
        notes = {"cost_usd": 1.5} if name == "base_replies" else {}
        Output(folder / name, contract).write(rows, notes=notes)
    return {name: folder / name for name in made}


@pytest.mark.parametrize("redact", [False, True])
def test_replies_make_examples_costs_and_sources(tmp_path: Path, redact: bool) -> None:
    params = {"resamples": 100, "redact": redact}
    bind.call(step.report, params=params, **ports(tmp_path), result=tmp_path / "result")
    result = tmp_path / "result"
    assert {path.name for path in result.iterdir()} == {"manifest.json", "verdict.json", "report.html", "report.md"}
    for text in ((result / "report.html").read_text(), (result / "report.md").read_text()):
        assert ("imitator reply i" in text) is not redact
        assert ("riddle " in text) is not redact
        assert "1.50" in text
        assert "one of 30 answers that are sure and wrong" in text
        assert "imitator_scores" in text
    page = (result / "report.html").read_text()
    assert 'href="#rows-imitator_tones"' in page
    assert 'href="rows/' not in page, "a pipeline's rows do not lie beside its page"
    assert "touchstone verdict" not in page, "which needs an audit's folder"


def test_without_replies_there_are_no_examples(tmp_path: Path) -> None:
    given = {name: path for name, path in ports(tmp_path).items() if "replies" not in name}
    bind.call(step.report, params={"resamples": 100}, **given, result=tmp_path / "result")
    page = (tmp_path / "result" / "report.html").read_text()
    assert 'id="wrong-heading"' not in page
    assert 'id="costs-heading"' not in page
    assert 'id="confident-table"' in page


def test_what_a_judge_was_paid_stands_among_the_costs(tmp_path: Path) -> None:
    rows = [judgment("p1", "win", source="judge-2026-02-03"), judgment("p2", "loss", source="judge-2026-02-03")]
    for name, server in (("known", {"cost_usd": 0.0125}), ("unknown", {})):
        Output(tmp_path / name, Judgment).write(rows, notes={"judge": {"name": "judge-2026-02-03"}, "server": server})
        result = tmp_path / f"{name}-result"
        bind.call(step.report, params={"resamples": 100}, judgments=tmp_path / name, result=result)
        assert ("judge-2026-02-03, verdicts" in (result / "report.html").read_text()) is (name == "known")
    assert "0.01" in (tmp_path / "known-result" / "report.html").read_text()
