"""Stored judgments of any models, votes without answers, and folders of ours in an audit."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.collect.judgments import read_judgments
from components.collect.outputs import Outputs, read_outputs
from components.collect.stored import read_stored
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Output, write_rows


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def vote(first: str, second: str, winner: str, judge: str = "anne", **changes: Any) -> dict[str, Any]:
    return {"judge": judge, "model_a": first, "model_b": second, "question_id": 81, "winner": winner, **changes}


def test_a_pair_named_in_both_orders_is_one_pair(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "human.jsonl",
        [vote("b", "a", "model_a"), vote("a", "b", "model_a", "bob"), vote("a", "b", "tie", "c")],
    )
    rows = read_stored([path])
    assert {(row.model, row.opponent) for row in rows} == {("a", "b")}
    assert [row.outcome for row in rows] == ["loss", "win", "tie"]
    assert [row.order for row in rows] == ["opponent_first", "model_first", "model_first"]
    assert {row.source for row in rows} == {"human"}


def test_turns_are_prompts_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path, "v.jsonl", [vote("a", "b", "tie", turn=1), vote("a", "b", "tie", turn=2)])
    assert [row.prompt_id for row in read_stored([path])] == ["81", "81 turn 2"]


def test_a_vote_for_nobody_known_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "v.jsonl", [vote("a", "b", "tie"), vote("a", "b", "a")])
    with pytest.raises(TouchstoneError, match=r'v\.jsonl, line 2: winner is "a"'):
        read_stored([path])


def test_verdicts_on_pandalm_need_the_pairs(tmp_path: Path) -> None:
    verdicts = write(tmp_path, "gpt.jsonl", [{"idx": 0, "gpt_result": "2"}, {"idx": 1, "gpt_result": "garbage"}])
    with pytest.raises(TouchstoneError, match="pair 0 is named by no file") as error:
        read_stored([verdicts])
    assert "testset-v1.json" in error.value.remedy
    pairs = [{"idx": str(i), "cmp_key": "opt_llama", "annotator1": "1", "annotator2": "0"} for i in range(2)]
    rows = read_stored([verdicts, write(tmp_path, "testset.jsonl", pairs)])
    judged = {row.prompt_id: row for row in rows if row.source == "gpt-3.5-turbo"}
    assert (judged["0"].model, judged["0"].outcome) == ("llama", "win")
    assert judged["1"].unscored == 'the judge\'s verdict is "garbage"'
    people = [row.outcome for row in rows if row.source == "testset"]
    assert people == ["loss", "tie", "loss", "tie"], "1 = opt, which stands second in the alphabet"


def judgment(prompt: str, model: str, opponent: str, **changes: Any) -> Judgment:
    made = {"prompt_id": prompt, "source": "j", "rater": "j", "model": model, "opponent": opponent, "outcome": "win"}
    return Judgment.model_validate({**made, "order": "none", **changes})


def answered(name: str) -> list[dict[str, Any]]:
    return [{"id": str(i), "prompt": f"q{i}", "output": name, "model": f"{name}:v1"} for i in range(3)]


@pytest.fixture
def outputs(tmp_path: Path) -> list[Outputs]:
    return [
        read_outputs(write(tmp_path, f"{name}.jsonl", answered(name)), role)
        for role, name in (("base", "llama"), ("imitator", "vicuna"), ("target", "gpt"))
    ]


@pytest.mark.parametrize("inside", ["", "judgments"])
def test_an_audit_takes_a_folder_of_judgments_with_its_placebos(
    tmp_path: Path, outputs: list[Outputs], inside: str
) -> None:
    rows = [
        judgment("0", "vicuna", "gpt"),
        judgment("1", "placebo:constant", "gpt:v1"),
        judgment("2", "vicuna", "claude"),
        judgment("9", "vicuna", "gpt"),
    ]
    write_rows(tmp_path / "out" / inside if inside else tmp_path / "out", Judgment, rows)
    found = read_judgments([tmp_path / "out"], outputs)
    assert [(row.model, row.opponent) for row in found.rows] == [
        ("vicuna:v1", "gpt:v1"),
        ("placebo:constant", "gpt:v1"),
    ]
    assert found.skipped == {"out": 2}


def test_a_folder_about_other_models_names_them(tmp_path: Path, outputs: list[Outputs]) -> None:
    write_rows(tmp_path / "out", Judgment, [judgment("0", "claude", "gpt"), judgment("0", "placebo:constant", "bard")])
    with pytest.raises(TouchstoneError, match="judges claude against gpt on prompt 0") as error:
        read_judgments([tmp_path / "out"], outputs)
    assert "vicuna:v1 (--imitator)" in error.value.expected
    write_rows(tmp_path / "none", Judgment, [])
    with pytest.raises(TouchstoneError, match="holds no judgments"):
        read_judgments([tmp_path / "none"], outputs)


def test_what_speaks_against_a_judge_goes_along(tmp_path: Path, outputs: list[Outputs]) -> None:
    notes = {"warnings": ["the server answered as 2 models: a, b"]}
    Output(tmp_path / "judged", Judgment).write([judgment("0", "vicuna", "gpt")], notes=notes)
    found = read_judgments([tmp_path / "judged"], outputs)
    assert found.warnings == ("judged: the server answered as 2 models: a, b",)


def test_a_changed_folder_is_refused(tmp_path: Path, outputs: list[Outputs]) -> None:
    write_rows(tmp_path / "out", Judgment, [judgment("0", "vicuna", "gpt")])
    path = tmp_path / "out" / "rows.jsonl"
    path.write_text(path.read_text().replace('"win"', '"loss"'))
    with pytest.raises(TouchstoneError, match="was changed after it was written"):
        read_judgments([tmp_path / "out"], outputs)
