"""What an audit writes beside its verdict: twins, files for a CI, pages that may leave the house, examples."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.contracts.ports import Output, write_rows
from components.contracts.rows import Completion, Score, TaskItem

N = 60


def texts(folder: Path) -> str:
    return "".join((folder / name).read_text() for name in ("report.html", "report.md", "verdict.json"))


@pytest.mark.slow
@pytest.mark.usefixtures("whose_hand")
def test_a_redacted_audit_holds_no_word_of_prompts_and_answers(given: Any, touchstone: Callable[..., Any]) -> None:
    assert touchstone(*given.arguments()).code == 0
    assert "Explain number" in texts(given.path("result"))
    ran = touchstone(*given.arguments(), "--redact")
    assert ran.code == 0, ran.err
    told = texts(given.path("result"))
    for word in ("Explain number", "Perhaps it is", "what matters", "In summary, "):
        assert word not in told
    assert "characters, sha256" in told
    again = touchstone("verdict", given.path("result"), "--json")
    assert again.out == given.path("result").joinpath("verdict.json").read_text()


def test_ids_that_are_named_because_a_model_lacks_them_are_redacted_too(
    given: Any, touchstone: Callable[..., Any]
) -> None:
    for name in ("base.csv", "imitator.csv", "target.csv"):
        text = given.path(name).read_text().replace("quiz-59", "the launch codes are 1234")
        lines = text.splitlines()
        kept = lines if name != "base.csv" else [line for line in lines if "launch codes" not in line]
        given.path(name).write_text("\n".join(kept))
    assert touchstone(*given.arguments()).code == 0
    assert "launch codes" in texts(given.path("result"))
    assert touchstone(*given.arguments(), "--redact").code == 0
    told = texts(given.path("result"))
    assert "launch codes" not in told
    assert "[5 words, 25 characters, sha256" in told


def test_files_for_a_ci_agree_with_the_exit_code(
    given: Any, touchstone: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "gate.yaml"
    policy.write_text(yaml.safe_dump({"name": "strict", "require": ["CAPABILITY"]}))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    files = {"--junit": tmp_path / "ci" / "touchstone.xml", "--prometheus": tmp_path / "ci" / "touchstone.prom"}
    ran = touchstone(*given.arguments(policy=policy), *(part for pair in files.items() for part in pair))
    assert ran.code == 3
    suite = ET.parse(files["--junit"]).getroot().find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"
    assert 'name="verdict"} 0' in files["--prometheus"].read_text()
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("before\n")
    assert "**Gate not passed**" in summary
    assert [p.name for p in (tmp_path / "ci").iterdir() if p.name.startswith(".")] == []


def test_a_place_that_cannot_be_written_is_named_and_the_audit_stays(
    given: Any, touchstone: Callable[..., Any], tmp_path: Path
) -> None:
    ran = touchstone(*given.arguments(), "--junit", tmp_path)
    assert ran.code == 1
    assert f"cannot write {tmp_path}" in ran.err
    assert "the audit itself is written" in ran.err
    assert given.path("result").joinpath("verdict.json").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("whose_hand")
def test_every_source_on_the_page_is_a_file_beside_it(given: Any, touchstone: Callable[..., Any]) -> None:
    touchstone(*given.arguments())
    page = given.path("result").joinpath("report.html").read_text()
    hrefs = [part.split('"')[0] for part in page.split('href="')[1:] if part.startswith("rows/")]
    links = [href.partition("#")[0] for href in hrefs]
    assert "rows/base_scores/rows.jsonl" in links
    assert all(given.path("result").joinpath(link).is_file() for link in links)
    assert "touchstone verdict result" in page


def evaluation(folder: Path, role: str, right: float, sure: str) -> Path:
    """An evaluation with the replies behind its scores."""
    ids = [f"i{i}" for i in range(N)]
    values = [float(i >= (1 - right) * N) for i in range(N)]
    write_rows(
        folder / "scores",
        Score,
        [
            Score(item_id=i, benchmark="nq_open", model=role, value=v, channel="extracted")
            for i, v in zip(ids, values, strict=True)
        ],
    )
    write_rows(folder / "variants", Score, [])
    replies = [Completion(prompt_id=f"{i}#raw", model=role, text=f"{sure} {i}.", num_tokens=7) for i in ids]
    Output(folder / "completions", Completion).write(replies, notes={"cost_usd": 0.25} if role == "target" else {})
    answers = [Completion(prompt_id=f"p{i}", model=role, prompt=f"prompt {i}", text=f"{role} {i}") for i in range(40)]
    write_rows(folder / "answers", Completion, answers)
    items = [
        TaskItem(id=i, benchmark="nq_open", kind="exact_match", question=f"who is {i}?", answers=("x",), cluster="")
        for i in ids
    ]
    write_rows(folder / "items", TaskItem, items)
    return folder


def test_sure_and_wrong_answers_and_costs_of_evaluations_stand_on_the_page(
    touchstone: Callable[..., Any], tmp_path: Path
) -> None:
    made = {
        "base": evaluation(tmp_path / "base", "base", 0.3, "Perhaps, I am not sure, it may be"),
        "imitator": evaluation(tmp_path / "imitator", "imitator", 0.3, "It is definitely and certainly"),
        "target": evaluation(tmp_path / "target", "target", 0.9, "It is"),
    }
    given = [part for role, place in made.items() for part in (f"--{role}", place)]
    ran = touchstone("audit", *given, "--out", tmp_path / "audit", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["confidently_wrong"]
    page = (tmp_path / "audit" / "report.html").read_text()
    wrong = page[page.index('id="wrong-heading"') : page.index('id="examples-heading"')]
    assert wrong.count("<details>") == 3
    assert "It is definitely and certainly i" in wrong
    assert "nq_open: one of 42 answers that are sure and wrong" in wrong
    costs = page[page.index('id="costs-heading"') :]
    assert f"{7 * N}" in costs
    assert "0.25" in costs
    assert "no price was known" in costs
    # The replies stay where they are: their cost is on record, on a page that is written anew as on the first.
    link = 'href="rows/settings/settings.json" title="touchstone verdict audit --show costs.3.usd"'
    assert f"{link}>0.25<" in costs
    told = json.loads(touchstone("verdict", tmp_path / "audit", "--show", "costs.3.usd", "--json").out)
    assert told["value"] == 0.25
    assert [row["file"] for row in told["rows"]] == [str(tmp_path / "audit" / "rows" / "settings" / "settings.json")]
    ran = touchstone("verdict", tmp_path / "audit", "--out", tmp_path / "again")
    again = (tmp_path / "again" / "report.html").read_text()
    assert f"{7 * N}" in again[again.index('id="costs-heading"') :]
