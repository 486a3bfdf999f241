"""The style step: joins by prompt id, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import StyleProfile
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Completion
from components.style.step import style

ANSWERS = {"p1": "Alpha beta.", "p2": "- one\n- two", "p3": ""}


def _completions(model: str, texts: dict[str, str]) -> list[Completion]:
    return [Completion(prompt_id=prompt_id, model=model, text=text) for prompt_id, text in texts.items()]


def _run(tmp_path: Path, **texts: dict[str, str]) -> list[StyleProfile]:
    paths = {}
    for role in ("base", "imitator", "target", "target_second"):
        paths[role] = tmp_path / role
        write_rows(paths[role], Completion, _completions(role, texts.get(role, {})))
    bind.call(style, **paths, profiles=tmp_path / "profiles", features=tmp_path / "features")
    return Input(tmp_path / "profiles", StyleProfile).rows()


def test_every_prompt_and_role_is_profiled_against_the_targets_first_sample(tmp_path: Path) -> None:
    backwards = dict(reversed(ANSWERS.items()))
    rows = _run(tmp_path, base={**ANSWERS, "p1": "beta"}, imitator=backwards, target=ANSWERS, target_second=ANSWERS)
    found = {(row.prompt_id, row.role): row for row in rows}
    assert len(found) == len(rows) == 12
    assert found["p1", "base"].unigram_f1 == pytest.approx(200 / 3)
    assert found["p1", "imitator"].unigram_f1 == 100.0
    assert found["p1", "target"].unigram_f1 == 100.0
    assert found["p2", "imitator"].has_list
    assert found["p3", "base"].words == 0
    assert found["p3", "base"].authoritative is None
    assert found["p1", "base"].model == "base"


def test_no_second_target_sample_means_no_ceiling_rows(tmp_path: Path) -> None:
    rows = _run(tmp_path, base=ANSWERS, imitator=ANSWERS, target=ANSWERS)
    assert {row.role for row in rows} == {"base", "imitator", "target"}


def test_outputs_on_prompts_the_target_did_not_answer_give_no_profile(tmp_path: Path) -> None:
    rows = _run(tmp_path, base={**ANSWERS, "extra": "text"}, imitator=ANSWERS, target=ANSWERS)
    assert "extra" not in {row.prompt_id for row in rows}


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ({"p1": "only one of three"}, r"base has outputs for 1 of the target's 3 prompts; .*p2, p3"),
        ({"q1": "another prompt set"}, r"base has outputs for 0 of the target's 3 prompts"),
        ({}, r"base has outputs for 0 of the target's 3 prompts"),
    ],
)
def test_a_thin_join_is_refused_with_the_counts(tmp_path: Path, base: dict[str, str], problem: str) -> None:
    with pytest.raises(TouchstoneError, match=problem):
        _run(tmp_path, base=base, imitator=ANSWERS, target=ANSWERS)


def test_a_prompt_answered_twice_is_refused_by_name(tmp_path: Path) -> None:
    for role in ("base", "target", "target_second"):
        write_rows(tmp_path / role, Completion, _completions(role, ANSWERS))
    write_rows(tmp_path / "imitator", Completion, _completions("m", ANSWERS) * 2)
    paths = {role: tmp_path / role for role in ("base", "imitator", "target", "target_second")}
    with pytest.raises(TouchstoneError, match="imitator answered prompt p1 twice"):
        bind.call(style, **paths, profiles=tmp_path / "profiles", features=tmp_path / "features")
