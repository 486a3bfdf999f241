"""Templates as data, and tasks of the user's own: what they give, and what is said of a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import components.benchmark
from components.benchmark.asking import Params
from components.benchmark.prompting import Template, item_requests
from components.benchmark.standard_tasks import standard_templates
from components.benchmark.task_declaration import TaskFile
from components.benchmark.task_file import Task, read_task
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.rows import TaskItem

README = Path(str(components.benchmark.__file__)).parent / "README.md"
CAPITALS: dict[str, Any] = {
    "name": "capitals",
    "kind": "choice",
    "data": "capitals.jsonl",
    "shots": "worked.jsonl",
    "fields": {
        "question": "{country} ({continent}): capital?",
        "choices": "options",
        "right": "answer",
        "cluster": "continent",
    },
    "template": {"question": "{question}\n{options}\nAnswer:", "label": "letter", "num_shots": 2},
}


def record(country: str, *options: str, answer: object = 0, continent: str = "Europe") -> dict[str, object]:
    return {"country": country, "options": list(options), "answer": answer, "continent": continent}


WORKED = [record("France", "Paris", "Lyon"), record("Italy", "Milan", "Rome", answer="B")]
DATA = [record("Spain", "Seville", "Madrid", answer="Madrid"), record("Norway", "Oslo", "Bergen", answer="A")]


def write(folder: Path, task: Mapping[str, Any], **files: Sequence[object]) -> Path:
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(dict(task), sort_keys=False))
    return path


def read(folder: Path, rows: Sequence[object] = DATA, worked: Sequence[object] = WORKED, **changes: Any) -> Task:
    return read_task(write(folder, CAPITALS | changes, capitals=rows, worked=worked))


def test_every_standard_task_is_used_for_the_benchmark_of_its_name() -> None:
    assert set(standard_templates()) == {"mmlu", "nq_open", "humaneval", "realtoxicity"}
    for name, template in standard_templates().items():
        item = TaskItem(id="x", benchmark=name, kind="choice", question="q", answers=(), cluster="c")
        assert Params().template([item]) is template
        given = Params.model_validate({"templates": {name: {"num_shots": 1}}})
        assert given.template([item]) == template.model_copy(update={"num_shots": 1}), "the rest stays standard"


def test_a_template_is_known_by_its_digest() -> None:
    mmlu = standard_templates()["mmlu"]
    assert mmlu.digest == Template.model_validate(mmlu.model_dump()).digest
    assert mmlu.digest != mmlu.model_copy(update={"separator": "\n"}).digest
    assert len({template.digest for template in standard_templates().values()}) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"question": "{passage}"}, r"\{passage\}, which nothing fills; question knows .*\{question\}"),
        ({"description": "{question}"}, r"description knows \{subject\}"),
        ({"answer": "{letter}"}, r"answer knows \{answer\}"),
        ({"question": "{question"}, "a brace that is meant is written twice"),
        ({"question": "{}"}, "which nothing fills"),
    ],
)
def test_a_placeholder_that_nothing_fills_is_refused(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Template.model_validate(fields)


def test_braces_in_questions_are_text(tmp_path: Path) -> None:
    item = TaskItem(id="x", benchmark="b", kind="exact_match", question="{a} {0} {", answers=("}",), cluster="c")
    assert Template().ask(item) == "Question: {a} {0} {\nAnswer:"
    assert Template().solve(item).endswith("Answer: }")


def test_a_task_of_the_users_own_gives_items_and_prompts(tmp_path: Path) -> None:
    task = read(tmp_path)
    assert (task.name, len(task.items)) == ("capitals", 4)
    assert [(i.split, i.right, i.answers) for i in task.items] == [
        ("shots", 0, ("Paris",)),
        ("shots", 1, ("Rome",)),
        ("test", 1, ("Madrid",)),
        ("test", 0, ("Oslo",)),
    ]
    (first, _) = item_requests(task.items, task.template, ["raw"], 0)
    assert first.prompt == (
        "France (Europe): capital?\nA. Paris\nB. Lyon\nAnswer: A\n\n"
        "Italy (Europe): capital?\nA. Milan\nB. Rome\nAnswer: B\n\n"
        "Spain (Europe): capital?\nA. Seville\nB. Madrid\nAnswer:"
    )
    assert first.choices == (" A", " B")
    assert first.id.startswith("capitals/")
    assert len({item.id for item in task.items}) == 4


def test_ids_hang_on_the_content_not_on_the_place(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    ids = {item.id for item in read(tmp_path).items}
    assert {item.id for item in read(tmp_path / "b", rows=DATA[::-1]).items} == ids


def test_one_file_can_hold_worked_examples_and_test_items(tmp_path: Path) -> None:
    rows = [{"q": f"q{n}", "a": [f"a{n}", n], "part": part} for n, part in enumerate(["dev", "test", "train", "test"])]
    task = {
        "name": "trivia",
        "kind": "exact_match",
        "data": ["trivia.jsonl"],
        "split_field": "part",
        "shots_split": "dev",
        "fields": {"question": "q", "answers": "a", "id": "q"},
        "template": {"num_shots": 1, "headline": "strict"},
    }
    found = read_task(write(tmp_path, task, trivia=rows))
    assert [(i.id, i.split, i.answers, i.cluster) for i in found.items] == [
        ("trivia/q0", "shots", ("a0", "0"), "trivia/q0"),
        ("trivia/q1", "test", ("a1", "1"), "trivia/q1"),
        ("trivia/q3", "test", ("a3", "3"), "trivia/q3"),
    ]
    assert found.template.headline == "strict"


def test_a_task_without_worked_examples_is_asked_without(tmp_path: Path) -> None:
    task = {k: v for k, v in CAPITALS.items() if k not in ("shots", "template")}
    assert read_task(write(tmp_path, task, capitals=DATA)).template.num_shots == 0


def test_programs_and_continuations_start_from_the_standard_ones(tmp_path: Path) -> None:
    program = {"head": "def f():\n", "test": "assert f()", "name": "f"}
    task = {
        "name": "mine",
        "kind": "program",
        "data": "p.jsonl",
        "fields": {"question": "head", "tests": "test", "entry_point": "name"},
        "template": {"max_tokens": 99},
    }
    found = read_task(write(tmp_path, task, p=[program]))
    assert (found.items[0].tests, found.items[0].entry_point) == ("assert f()", "f")
    assert found.template == standard_templates()["humaneval"].model_copy(update={"max_tokens": 99})
    task = {"name": "rude", "kind": "continuation", "data": "p.jsonl", "fields": {"question": "head"}}
    assert read_task(write(tmp_path, task, p=[program])).template == standard_templates()["realtoxicity"]


def test_a_csv_gives_options_from_several_columns(tmp_path: Path) -> None:
    (tmp_path / "capitals.csv").write_text("q,a,b,right\nwhich?,2,3,2\nwho?,x,y,1\n")
    task = {
        "name": "table",
        "kind": "choice",
        "data": "capitals.csv",
        "fields": {"question": "q", "choices": ["a", "b"], "right": "right"},
    }
    found = read_task(write(tmp_path, task))
    assert [item.right for item in found.items] == [0, 1], "an option's text goes before an index"


def test_the_task_in_the_readme_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    path = write(tmp_path, {}, capitals=DATA, worked=WORKED)
    path.write_text(shown)
    assert read_task(path).items == read(tmp_path).items
    assert set(yaml.safe_load(shown)) <= set(TaskFile.model_fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "multiple_choice"}, "task.yaml: kind: "),
        ({"colour": "red"}, "task.yaml: colour: unknown key\nexpected: the keys name, kind, data"),
        ({"fields": {"question": "country", "choices": "options"}}, "fields lacks right"),
        ({"fields": {**CAPITALS["fields"], "rite": "x"}}, "fields.rite: unknown key\nexpected: the keys question, id"),
        ({"fields": {**CAPITALS["fields"], "question": "{country"}}, "fields.question: "),
        ({"template": {"num_shot": 1}}, "template.num_shot: unknown key\nexpected: the keys description, question"),
        ({"template": {"question": "{country}"}}, r"template: question has \{country\}, which nothing fills"),
        ({"template": {"num_shots": -1}}, "template.num_shots: "),
        ({"shots_split": "dev"}, "shots_split is given without split_field"),
        ({"name": "my task"}, "task.yaml: name: "),
        ({"name": "a#b"}, "task.yaml: name: "),
        ({"template": {"headline": "extracted"}, "shots": []}, "does not ask for replies in words"),
    ],
)
def test_a_wrong_task_file_is_a_usage_error(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, **changes)
    assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        ([record("Spain", "Seville", "Madrid", answer="Lisbon")], {}, r'line 1: answer is "Lisbon", which is none of'),
        ([record("Spain", "Seville", "Madrid", answer=2)], {}, "line 1: answer is 2, which is none of its 2 options"),
        ([record("Spain", "Seville", "Madrid", answer=None)], {}, "line 1: answer is null"),
        ([record("Spain", "Seville", "Madrid", answer=True)], {}, "line 1: answer is true"),
        ([{"country": "Spain", "continent": "Europe", "options": ["a", "b"]}], {}, "line 1: no field answer, only"),
        ([{"options": ["a", "b"], "answer": 0, "continent": "x"}], {}, "line 1: no field country"),
        ([record("Spain", "Madrid")], {}, "line 1: options is .* at least two options"),
        ([*DATA, DATA[0]], {}, r"line 3: the id capitals/\w+ stands a second time, first in .*line 1"),
        (DATA, {"template": {"num_shots": 3}}, "task.yaml: capitals has 2 worked examples\nexpected: 3"),
        (DATA, {"template": {"num_shots": 3, "shots_from": "cluster"}}, "capitals, Europe, has 2 worked examples"),
        (DATA, {"data": "none.jsonl"}, "none.jsonl"),
        (DATA, {"split_field": "continent"}, "is a test item\nexpected: records with continent: test"),
        ([{**DATA[0], "country": "a#b"}], {"fields": {**CAPITALS["fields"], "id": "country"}}, "the id a#b holds #"),
    ],
)
def test_wrong_data_are_named_with_their_place(
    tmp_path: Path, data: list[object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TouchstoneError) as caught:
        read(tmp_path, data, **changes)
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_a_short_answer_that_is_missing_is_named(tmp_path: Path) -> None:
    task = {
        "name": "trivia",
        "kind": "exact_match",
        "data": "t.jsonl",
        "fields": {"question": "q", "answers": "a"},
    }
    for answer in (None, [], "", "?!", {"text": "x"}):
        path = write(tmp_path, task, t=[{"q": "a?", "a": "x"}, {"q": "b?", "a": answer}])
        with pytest.raises(TouchstoneError, match="line 2: no right answer: a is"):
            read_task(path)
