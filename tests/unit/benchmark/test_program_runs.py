"""The step that runs programs: two forms of every completion, each program once, and never again after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.benchmark.program_runs import Params, run, wanted
from components.benchmark.sandbox.work import Limits
from components.benchmark.step import run_programs
from components.contracts import bind
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.journal_file import FILE_NAME, unpacked
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion, ProgramOutcome, TaskItem
from tests.unit.benchmark.sandbox.conftest import isolated

ROOT = Path(__file__).parents[3]
HEAD = "def plus(x):\n    '''One more.'''\n"


def item(key: str = "plus", **fields: Any) -> TaskItem:
    base = {
        "id": key, "benchmark": "b", "kind": "program", "question": HEAD, "answers": ("    return x + 1",),
        "tests": "def check(candidate):\n    assert candidate(1) == 2\n", "entry_point": "plus", "cluster": key,
    }  # fmt: skip
    return TaskItem.model_validate({**base, **fields})


def said(key: str, text: str, **fields: Any) -> Completion:
    return Completion(prompt_id=key, model="m", text=text, **fields)


def stepped(
    folder: Path, items: list[TaskItem], answers: list[Completion]
) -> tuple[list[ProgramOutcome], Mapping[str, float]]:
    isolated().close()
    Output(folder / "items", TaskItem).write(items)
    Output(folder / "said", Completion).write(answers)
    done = bind.call(
        run_programs,
        params={"workers": 1},
        items=folder / "items",
        completions=folder / "said",
        outcomes=folder / "outcomes",
    )
    return Input(folder / "outcomes", ProgramOutcome).rows(), done.metrics


@pytest.mark.slow
def test_each_completion_has_an_outcome_in_both_forms(tmp_path: Path) -> None:
    choice = TaskItem(id="c", benchmark="b", kind="choice", question="?", choices=("a",), answers=("a",), cluster="c")
    fenced = "Sure:\n```python\ndef plus(x):\n    return x + 1\n```"
    rows, metrics = stepped(
        tmp_path,
        [item(), choice, item("shot", split="shots", tests="")],
        [
            said("plus#raw", "    return x + 1"),
            said("plus#raw#1", "    return x"),
            said("plus#chat", fenced),
            said("plus#chat#1", "", unanswered="refused"),
            said("c#raw", "a"),
            said("heldout:x", "text"),
        ],
    )
    found = [(row.request_id, row.form, row.passed, row.unscored) for row in rows]
    assert found == [
        ("plus#raw", "body", True, None),
        ("plus#raw", "extracted", True, None),
        ("plus#raw#1", "body", False, None),
        ("plus#raw#1", "extracted", False, None),
        ("plus#chat", "body", False, None),
        ("plus#chat", "extracted", True, None),
        ("plus#chat#1", "body", None, "refused"),
        ("plus#chat#1", "extracted", None, "refused"),
    ]
    assert "SyntaxError" in rows[4].detail
    assert metrics == {
        "completions": 4.0,
        "programs": 4.0,
        "unscored": 2.0,
        "passed_body": pytest.approx(1 / 3),
        "passed_extracted": pytest.approx(2 / 3),
    }


@pytest.mark.slow
def test_text_that_no_file_can_hold_is_still_an_outcome(tmp_path: Path) -> None:
    rows, _ = stepped(tmp_path, [item()], [said("plus#raw", "    raise ValueError('\\ud800' + chr(0))")])
    assert rows[0].passed is False
    assert "ValueError" in rows[0].detail


@pytest.mark.parametrize(
    ("fields", "problem"),
    [({"tests": " "}, "no tests"), ({"entry_point": ""}, "no entry_point"), ({"entry_point": "a b"}, "no name")],
)
def test_an_item_that_cannot_be_tested_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(TouchstoneError, match=problem):
        wanted([item(**fields)], [], Limits())


def test_two_completions_of_one_id_are_refused() -> None:
    with pytest.raises(TouchstoneError, match="two completions have the id plus#raw"):
        wanted([item()], [said("plus#raw", "a"), said("plus#raw", "b")], Limits())


def test_what_decides_a_verdict_is_in_the_key_and_nothing_else() -> None:
    def key(task: TaskItem, answer: Completion, limits: Limits = Limits()) -> str:  # noqa: B008 - frozen
        program = wanted([task], [answer], limits)[0].program
        assert program is not None
        return program.key

    same = key(item(), said("plus#raw", "x"))
    assert key(item(cluster="other"), said("plus#chat#3", "x")) == same
    others = [
        key(item(), said("plus#raw", "y")),
        key(item(tests="plus(1)"), said("plus#raw", "x")),
        key(item(question=HEAD + "\n"), said("plus#raw", "x")),
        key(item(), said("plus#raw", "x"), Limits(memory_mib=100)),
    ]
    assert len({same, *others}) == 5


def lines_of(folder: Path) -> list[str]:
    """Keys in a journal's file, in its order, those written twice twice."""
    keys = []
    for data in (folder / FILE_NAME).read_bytes().splitlines(keepends=True):
        line = unpacked(data)
        keys += [record.key for record in line.records] if line else []
    return keys


@pytest.mark.slow
def test_a_kill_neither_repeats_nor_loses_a_finished_program(tmp_path: Path) -> None:
    isolated().close()
    answers = [said(f"plus#raw#{n}", f"    return x + {n}") for n in range(60)]
    (tmp_path / "answers.json").write_text(json.dumps([a.model_dump() for a in answers]))
    (tmp_path / "item.json").write_text(item().model_dump_json())
    code = """
    import json, sys
    from pathlib import Path
    from components.benchmark.program_runs import Params, run
    from components.contracts.journal import Journal
    from components.contracts.rows import Completion, TaskItem
    folder = Path(sys.argv[1])
    answers = [Completion.model_validate(a) for a in json.loads((folder / "answers.json").read_text())]
    item = TaskItem.model_validate_json((folder / "item.json").read_text())
    run([item], answers, Journal(folder / "journal"), Params(workers=2))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    killed_at = []
    for wanted_lines in (5, 25):
        process = subprocess.Popen(command, cwd=ROOT)
        journal = tmp_path / "journal" / FILE_NAME
        deadline = time.monotonic() + 60
        while not journal.exists() or len(journal.read_bytes().splitlines()) < wanted_lines:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed_at.append(len(lines_of(journal.parent)))
    assert killed_at[0] < killed_at[1] < 60
    rows, _ = run([item()], answers, Journal(tmp_path / "journal"), Params(workers=2))
    assert [row.request_id for row in rows if row.passed and row.form == "body"] == ["plus#raw#1"]
    assert sorted(lines_of(tmp_path / "journal")) == sorted({*lines_of(tmp_path / "journal")})
    assert len(lines_of(tmp_path / "journal")) == 60
