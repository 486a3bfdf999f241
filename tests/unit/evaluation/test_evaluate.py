"""One command from benchmark files to scores, logs and a verdict; the echo backend answers, or a tiny checkpoint."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.contracts.ports import Input
from components.contracts.rows import Completion, Request, Score, TaskItem
from tests.unit.audit.conftest import touchstone as touchstone

SUBJECTS = ("anatomy", "virology")


def mmlu(path: Path, split: str, number: int) -> Path:
    options = {letter: letter.lower() for letter in "ABCD"}
    rows = [
        {"subject": subject, "split": split, "question": f"{subject} {split} {i}?", **options, "answer": "ABCD"[i % 4]}
        for subject in SUBJECTS
        for i in range(number)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Benchmarks and prompts as people have them."""
    quiz = tmp_path / "quiz.jsonl"
    quiz.write_text("".join(json.dumps({"question": f"who is {i}", "answer": [f"x{i}"]}) + "\n" for i in range(12)))
    shots = tmp_path / "shots.jsonl"
    shots.write_text("".join(json.dumps({"question": f"shot {i}", "answer": [f"y{i}"]}) + "\n" for i in range(3)))
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"question_id": i, "text": f"tell me of {i}"}) + "\n" for i in range(4)))
    return {
        "dev": mmlu(tmp_path / "mmlu_dev.jsonl", "dev", 5),
        "test": mmlu(tmp_path / "mmlu_test.jsonl", "test", 8),
        "quiz": quiz,
        "shots": shots,
        "prompts": prompts,
    }


def arguments(files: dict[str, Path], out: Path, *more: object) -> list[object]:
    asked: list[object] = ["--items", files["dev"], "--items", files["test"], "--items", f"nq_open={files['quiz']}"]
    asked += ["--shots", f"nq_open={files['shots']}", "--heldout", files["prompts"]]
    return ["evaluate", *asked, "--out", out, *more]


def test_files_become_scores_of_every_item_in_every_reading(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    ran = touchstone(*arguments(files, tmp_path / "out", "--backend", "echo", "--name", "echo", "--json"))
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    found = {(s["benchmark"], s["channel"]): s for s in told["scores"]}
    assert found["mmlu", "likelihood"]["n"] == 16
    assert found["nq_open", "extracted"]["n"] == found["nq_open", "strict"]["n"] == 12
    assert [s["benchmark"] for s in told["scores"] if s["headline"]] == ["mmlu", "nq_open"]
    assert told["answers"] == 4
    assert {row.model for row in Input(tmp_path / "out" / "scores", Score).iter_rows()} == {"echo"}


def test_its_logs_are_read_as_lm_evals_and_give_the_same_scores(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    from components.collect.scores import read_scores

    assert touchstone(*arguments(files, tmp_path / "out", "--backend", "echo")).code == 0
    rows = Input(tmp_path / "out" / "scores", Score).iter_rows()
    ours = sorted(row.value or 0.0 for row in rows if row.benchmark == "mmlu")
    read = read_scores([(tmp_path / "out" / "lm_eval" / "raw-likelihood", None)], "base")
    assert Counter(row.benchmark for row in read.scores) == {"mmlu": 16, "nq_open": 12}
    assert sorted(row.value or 0.0 for row in read.scores if row.benchmark == "mmlu") == ours


def test_a_limit_keeps_the_same_items_for_every_model(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    for name in ("one", "two"):
        assert (
            touchstone(*arguments(files, tmp_path / name, "--backend", "echo", "--name", name, "--limit", 5)).code == 0
        )
    kept = [{r.item_id for r in Input(tmp_path / name / "scores", Score).iter_rows()} for name in ("one", "two")]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 10
    assert sum(i.split == "shots" for i in Input(tmp_path / "one" / "items", TaskItem).iter_rows()) == 13


def test_the_same_command_again_finds_everything_done(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    command = arguments(files, tmp_path / "out", "--backend", "echo")
    first = touchstone(*command)
    entries = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / ".touchstone").glob("*/metrics.json")}
    assert touchstone(*command).out == first.out
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / ".touchstone").glob("*/metrics.json")} == entries


def test_with_the_bases_answers_gold_is_weighed_against_them(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    assert touchstone(*arguments(files, tmp_path / "base", "--backend", "echo", "--name", "base")).code == 0
    more = ("--backend", "echo", "--name", "imitator", "--base", tmp_path / "base", "--json")
    told = json.loads(touchstone(*arguments(files, tmp_path / "imitator", *more)).out)
    assert ("nq_open", "likelihood", 12) in [(s["benchmark"], s["channel"], s["n"]) for s in told["scores"]]
    asked = [Input(tmp_path / role / "rival_requests", Request).rows() for role in ("base", "imitator")]
    assert asked[0] == asked[1], "both models weigh the same answers"


@pytest.mark.slow
def test_a_plain_checkpoint_answers_in_both_styles_and_an_audit_takes_the_folders(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any], checkpoints: dict[str, Path]
) -> None:
    params = '{"questions": {"heldout_max_tokens": 4, "templates": {"mmlu": {"free_text_tokens": 0, "num_shots": 1}}}}'
    for role, place in checkpoints.items():
        more = ("--style", "raw", "--style", "chat", "--params", params, "--name", role)
        ran = touchstone("evaluate", place, *arguments(files, tmp_path / role, *more)[1:])
        assert ran.code == 0, ran.err
        chats = [r for r in Input(tmp_path / role / "requests", Request).iter_rows() if r.chat]
        assert len(chats) > 12
        assert all(row.unanswered is None for row in Input(tmp_path / role / "completions", Completion).iter_rows())
    given = [part for role in checkpoints for part in (f"--{role}", tmp_path / role)]
    ran = touchstone("audit", *given, "--out", tmp_path / "audit", "--json")
    assert ran.code == 0, ran.err
    verdict = json.loads(ran.out)
    assert {b["name"] for b in verdict["benchmarks"]} == {"mmlu", "nq_open"}
    assert {r["channel"] for r in verdict["readings"]} >= {"strict", "extracted"}


def test_what_has_no_score_or_answer_is_told_with_the_reason(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any], checkpoints: dict[str, Path]
) -> None:
    problem = tmp_path / "HumanEval.jsonl"
    problem.write_text(
        json.dumps({"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f", "test": "def check(f): pass"})
    )
    given = ["--items", problem, "--heldout", files["prompts"], "--out", tmp_path / "out"]
    ran = touchstone(
        "evaluate", checkpoints["imitator"], *given, "--params", '{"questions": {"heldout_max_tokens": 4096}}'
    )
    assert ran.code == 0, ran.err
    assert "0 of 4 prompts answered\nunanswered: 4 max_tokens 4096 leaves no room" in ran.out
    assert "unscored, humaneval: 1 " in ran.out


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda a: [x for x in a if x != "--backend" and x != "echo"], "needs a checkpoint"),
        (lambda a: [*a, "--params", '{"modle": {}}'], "generate, questions, programs"),
        (lambda a: [*a, "--items", a[2]], "stands twice"),
        (lambda a: [*a, "--items", "nowhere.jsonl"], "nowhere.jsonl"),
        (lambda a: [*a[:1], "--out", a[a.index("--out") + 1], "--backend", "echo"], "nothing to ask"),
        (lambda a: [x for x in a if "mmlu_dev" not in str(x)][:1] + a[3:], "worked examples"),
    ],
)
def test_bad_requests_say_what_is_wrong(
    broken: Callable[[list[object]], list[object]],
    says: str,
    files: dict[str, Path],
    tmp_path: Path,
    touchstone: Callable[..., Any],
) -> None:
    ran = touchstone(*broken(arguments(files, tmp_path / "out", "--backend", "echo")))
    assert ran.code in (1, 2)
    assert says in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("earlier", "says"),
    [
        ("a person's folder", "holds notes.txt"),
        ("another command's", "holds dialogues"),
        ("another model's", "holds the evaluation of one, and this is two"),
        ("a file", "is not a folder"),
    ],
)
def test_only_an_evaluation_of_the_same_model_is_written_over(
    earlier: str, says: str, files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    if earlier == "a file":
        out.write_text("precious")
    elif earlier == "another model's":
        assert (
            touchstone(
                "evaluate", "--heldout", files["prompts"], "--out", out, "--backend", "echo", "--name", "one"
            ).code
            == 0
        )
    else:
        (out / "dialogues").mkdir(parents=True)
        if earlier == "a person's folder":
            (out / "dialogues").rmdir()
            (out / "notes.txt").write_text("precious")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    ran = touchstone(*arguments(files, out, "--backend", "echo", "--name", "two"))
    assert ran.code == 2
    assert says in ran.err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_server_that_is_not_named_is_asked_for_with_what_to_type(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    ran = touchstone(*arguments(files, tmp_path / "out", "--backend", "api"))
    assert ran.code == 2
    assert '--params \'{"generate": {"api": {"base_url"' in ran.err


def test_a_folder_without_model_is_named(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    (tmp_path / "empty").mkdir()
    ran = touchstone("evaluate", tmp_path / "empty", *arguments(files, tmp_path / "out")[1:])
    assert ran.code == 1
    assert "config.json" in ran.err


def test_an_interrupted_evaluation_keeps_what_was_answered(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    command = arguments(files, tmp_path / "out", "--backend", "echo")
    first = touchstone(*command)
    for name in ("scores", "variants", "answers"):
        shutil.rmtree(tmp_path / "out" / name)
    assert touchstone(*command).out == first.out


def test_a_server_without_likelihoods_is_asked_for_none(
    files: dict[str, Path], tmp_path: Path, touchstone: Callable[..., Any]
) -> None:
    more = ("--backend", "echo", "--params", '{"questions": {"likelihoods": false}}', "--json")
    told = json.loads(touchstone(*arguments(files, tmp_path / "out", *more)).out)
    assert {row.kind for row in Input(tmp_path / "out" / "requests", Request).iter_rows()} == {"completion"}
    headline = {s["benchmark"]: s["channel"] for s in told["scores"] if s["headline"]}
    assert headline == {"mmlu": "extracted", "nq_open": "extracted"}
    assert not any(s["channel"] == "likelihood" for s in told["scores"])
    only = '{"questions": {"likelihoods": false, "templates": {"mmlu": {"free_text_tokens": 0}}}}'
    ran = touchstone(*arguments(files, tmp_path / "two", "--backend", "echo", "--params", only))
    assert ran.code == 2
    assert "free_text_tokens" in ran.err
