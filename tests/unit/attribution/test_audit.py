"""An audit of outputs asks whose hand they seem to be, on their surface."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.contracts.attribution_rows import AttributedText
from components.contracts.ports import Input
from components.contracts.verdict import Verdict
from pipelines.audit import attribution
from pipelines.audit.request import make_request
from pipelines.audit.run import run_audit
from pipelines.recheck.recheck import recheck
from tests.unit.attribution.writers import written

WRITES_AS = {"base": "base", "imitator": "target", "target": "target", "target_second": "target"}


def audit(folder: Path, prompts: int) -> Verdict:
    """An audit of made-up outputs; the imitator has the target's habits."""
    given: dict[str, object] = {"out": folder / "result"}
    for number, (role, habit) in enumerate(WRITES_AS.items()):
        given[role] = folder / f"{role}.jsonl"
        lines = [
            {
                "prompt_id": f"p{i}",
                "prompt": f"question {i}",
                "output": written("base", i, seed=number, habit=habit).text,
            }
            for i in range(prompts)
        ]
        (folder / f"{role}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run_audit(make_request(given, where="test")).verdict


@pytest.mark.slow
def test_an_audit_says_whose_hand_the_outputs_seem_to_be(tmp_path: Path) -> None:
    verdict = audit(tmp_path, 30)
    found = verdict.attribution
    assert found is not None
    by = found.headline
    assert by.classifier == "char_ngrams"
    assert by.imitator.share > 0.9
    assert by.base is not None
    assert by.base.share < 0.1
    assert by.target_second is not None
    assert by.imitator_or_target is not None
    assert 0.2 < by.imitator_or_target.accuracy < 0.8, "the same habits"
    assert verdict.verdict == "INCONCLUSIVE", "it decides nothing"
    said = Input(tmp_path / "result" / "rows" / "attributed", AttributedText).rows()
    mine = [row for row in said if (row.author, row.classifier) == ("imitator", "char_ngrams")]
    assert by.imitator.share == sum(row.attributed_to == "target" for row in mine) / len(mine)
    assert "Who wrote this?" in (tmp_path / "result" / "report.html").read_text()
    assert recheck(tmp_path / "result").verdict == verdict
    stricter = recheck(tmp_path / "result", policy="research").verdict
    assert stricter.attribution == found
    assert "Whose hand: intervals are the audit's own, at alpha 0.05." in stricter.warnings


def test_too_few_prompts_are_told_and_no_error(tmp_path: Path) -> None:
    verdict = audit(tmp_path, 12)
    assert verdict.attribution is None
    assert any("12 prompts are too few to learn from" in line for line in verdict.warnings)


@pytest.mark.slow
def test_of_very_many_prompts_some_are_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MOST_PROMPTS", 24)
    verdict = audit(tmp_path, 30)
    assert verdict.attribution is not None
    assert verdict.attribution.headline.imitator.n == 24
    assert "Whose hand: asked of 24 of 30 prompts, drawn by hash." in verdict.warnings
