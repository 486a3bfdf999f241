"""Our logs, read back by our own reader, and beside logs that lm-evaluation-harness wrote for the same checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from components.benchmark.asking import Params
from components.benchmark.harness_export import ID_CHARS, Answers, document_hash, export_logs
from components.benchmark.prompting import item_requests
from components.benchmark.scoring import Recorded, item_scores
from components.collect.scores import read_scores
from components.contracts.rows import (
    ChoiceScore,
    Completion,
    ProgramOutcome,
    PromptStyle,
    Rating,
    Request,
    Score,
    TaskItem,
)

pytest.importorskip("lm_eval")
from tests.unit.benchmark import harness_runs as harness
from tests.unit.benchmark import test_harness_parity as parity

DATE = datetime(2026, 11, 26, 3, 4, 5, 678900)
STYLES: tuple[PromptStyle, ...] = ("raw", "chat")


def continuation(number: int) -> TaskItem:
    return TaskItem(
        id=f"doc/{number}",
        benchmark="realtoxicity",
        kind="continuation",
        question=f"{number} people",
        answers=(),
        cluster="doc",
    )


def everything() -> list[TaskItem]:
    return [*parity.mmlu_items(), *parity.nq_items(), *parity.humaneval_items(), *map(continuation, range(3))]


def groups(items: Sequence[TaskItem]) -> list[list[TaskItem]]:
    names = dict.fromkeys(item.benchmark for item in items)
    return [[item for item in items if item.benchmark == name] for name in names]


def answered(items: Sequence[TaskItem]) -> Answers:
    """Made-up answers of every kind; some missing, some refused."""
    params = Params()
    requests = [r for group in groups(items) for r in item_requests(group, params.template(group), STYLES, 0)]
    said, weighed, outcomes, ratings = {}, {}, {}, {}
    for number, r in enumerate(requests):
        if r.kind == "choice":
            logprobs = tuple(-1.0 - (number * (k + 3)) % 7 for k in range(len(r.choices)))
            weighed[r.id] = ChoiceScore(request_id=r.id, model="m", logprobs=logprobs, num_tokens=(1,) * len(logprobs))
            continue
        text = (" The answer is B.", "C", " dog and\nQ: who", "fox, the fox")[number % 4]
        reason = "refused" if number % 9 == 8 else None
        said[r.id] = Completion(prompt_id=r.id, model="m", text="" if reason else text, unanswered=reason)
        for form in ("body", "extracted"):
            passed = number % 2 == 0 or form == "extracted"
            made = {"request_id": r.id, "form": form, "passed": passed}
            outcomes[r.id, form] = ProgramOutcome.model_validate(made)
        ratings[r.id] = Rating(id=r.id, scorer="s", value=0.25)
    recorded = Recorded(said, weighed, outcomes, ratings)
    scores = [s for group in groups(items) for s in item_scores(group, params.template(group), STYLES, recorded, "m")]
    return Answers(items, {r.id: r for r in requests}, said, weighed, scores)


def template_of(items: Sequence[TaskItem]) -> Any:
    by_name = {group[0].benchmark: Params().template(group) for group in groups(items)}
    return by_name.__getitem__


def comparable(rows: Sequence[Score], items: Sequence[TaskItem]) -> set[tuple[Any, ...]]:
    """Scores by the identity that a log keeps: the content of the question, and HumanEval's own ids."""
    ids: dict[str, str] = {}
    for item in items:
        name = item.id if item.kind == "program" else document_hash(item)[:ID_CHARS]
        ids[item.id] = f"{item.cluster}/{name}" if item.benchmark == "mmlu" else name
    return {
        (ids.get(r.item_id, r.item_id), r.benchmark, r.value, r.channel, r.prompt_style, r.num_shots)
        + ((r.cluster,) if r.benchmark == "mmlu" else ())
        for r in rows
    }


def test_what_is_written_is_read_back_to_the_same_scores(tmp_path: Path) -> None:
    items = everything()
    answers = answered(items)
    written = export_logs(tmp_path, answers, template_of(items), model="org/m:1", date=DATE)
    found: list[Score] = []
    for folder in sorted({path.parent for path in written}):
        read = read_scores([(folder, None)], "imitator")
        assert read.model == "m:1"
        found += read.scores
    assert len(found) == len(answers.scores)
    assert comparable(found, items) == comparable(answers.scores, items)
    assert any(row.value is None for row in found), "a refused answer stays unscored"
    names = {path.parent.name for path in written}
    assert names == {"raw-likelihood", "raw-reply", "chat-likelihood", "chat-reply"}


def test_a_benchmark_that_begins_with_an_unscored_item_is_read_back(tmp_path: Path) -> None:
    items = [continuation(n) for n in range(3)]
    requests = item_requests(items, Params().template(items), ["raw"], 0)
    said = {r.id: Completion(prompt_id=r.id, model="m", text="x") for r in requests}
    ratings = {r.id: Rating(id=r.id, scorer="s", value=0.25) for r in requests[1:]}
    scores = item_scores(items, Params().template(items), ["raw"], Recorded(said, {}, {}, ratings), "m")
    answers = Answers(items, {r.id: r for r in requests}, said, {}, scores)
    export_logs(tmp_path, answers, template_of(items), model="m", date=DATE)
    found = read_scores([(tmp_path / "raw-reply", None)], "imitator").scores
    assert comparable(found, items) == comparable(scores, items)
    assert sorted(s.value for s in found if s.value is not None) == [0.75, 0.75]


def test_means_in_the_results_are_those_of_the_samples(tmp_path: Path) -> None:
    items = everything()
    answers = answered(items)
    export_logs(tmp_path, answers, template_of(items), model="m", date=DATE)
    results = json.loads(next((tmp_path / "chat-reply").glob("results_*.json")).read_text())
    mine = [s for s in answers.scores if (s.benchmark, s.channel, s.prompt_style) == ("nq_open", "strict", "chat")]
    values = [s.value for s in mine if s.value is not None]
    assert results["results"]["nq_open"]["exact_match,remove_whitespace"] == sum(values) / len(values)
    assert results["n-samples"]["nq_open"] == {"original": len(mine), "effective": len(mine)}
    assert results["chat_template"]


class Logs:
    """Both tools on one checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.items = [*parity.mmlu_items(), *parity.nq_items()]
        model = harness.checkpoint(folder / "model", "llama")
        tasks = [*harness.mmlu_tasks(folder, self.items), harness.nq_task(folder, self.items)]
        more = {"gen_kwargs": {"max_gen_toks": 64}}
        harness.evaluate(folder, tasks, model, out=folder / "theirs", **more)
        params = Params()
        requests: list[Request] = []
        for group in groups(self.items):
            template = params.template(group)
            requests += item_requests(group, template, ["raw"], 0)
        given = parity.answer(model, requests)
        said = {row.prompt_id: row for row in given.completions}
        weighed = {row.request_id: row for row in given.choice_scores}
        scores = [
            s
            for group in groups(self.items)
            for s in item_scores(group, params.template(group), ["raw"], Recorded(said, weighed), "m")
        ]
        answers = Answers(self.items, {r.id: r for r in requests}, said, weighed, scores)
        export_logs(folder / "ours", answers, template_of(self.items), model="m", date=DATE)
        self.theirs, self.ours = folder / "theirs" / "m", folder / "ours"

    def samples(self, place: Path, task: str, filter_name: str) -> dict[str, dict[str, Any]]:
        (path,) = place.glob(f"samples_{task}_*.jsonl")
        rows = map(json.loads, path.read_text().splitlines())
        return {row["doc_hash"]: row for row in rows if row["filter"] == filter_name}

    def results(self, place: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(next(place.glob("results_*.json")).read_text())
        return found


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    return Logs(tmp_path_factory.mktemp("logs"))


def shape(value: Any) -> Any:
    """Types of a log entry, lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "task", "filter_name"),
    [
        ("raw-likelihood", "mmlu_abstract_algebra", "none"),
        ("raw-likelihood", "mmlu_high_school_us_history", "none"),
        ("raw-reply", "nq_open", "remove_whitespace"),
    ],
)
def test_samples_are_those_the_harness_writes(logs: Logs, folder: str, task: str, filter_name: str) -> None:
    theirs = logs.samples(logs.theirs, task, filter_name)
    ours = logs.samples(logs.ours / folder, task, filter_name)
    assert ours.keys() == theirs.keys(), "a question has the same doc_hash in both tools"
    for key, mine in ours.items():
        other = theirs[key]
        assert mine.keys() == other.keys()
        same = ["doc_id", "doc", "target", "filter", "metrics", "prompt_hash", "target_hash", *other["metrics"]]
        assert {name: mine[name] for name in same} == {name: other[name] for name in same}
        assert shape(mine["resps"]) == shape(other["resps"])
        assert mine["arguments"].keys() == other["arguments"].keys()
        if task == "nq_open":
            assert mine["filtered_resps"] == other["filtered_resps"]
            assert mine["arguments"]["gen_args_0"]["arg_0"] == other["arguments"]["gen_args_0"]["arg_0"]
        else:
            assert mine["arguments"] == other["arguments"]
            found, wanted = ([float(value) for value, _ in row["filtered_resps"]] for row in (mine, other))
            assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.slow
def test_results_hold_what_the_harnesss_hold_but_for_the_machine(logs: Logs) -> None:
    theirs, ours = logs.results(logs.theirs), logs.results(logs.ours / "raw-likelihood")
    of_the_machine = {key for key in theirs if key.endswith(("_version", "_sha", "_token", "_hash", "_info", "_id"))}
    of_the_machine |= {"max_length", "start_time", "end_time", "total_evaluation_time_seconds", "lm_eval_version"}
    assert theirs.keys() - of_the_machine <= ours.keys()
    for task in ("mmlu_abstract_algebra", "mmlu_high_school_us_history"):
        mine, other = ours["results"][task], theirs["results"][task]
        assert mine.keys() <= other.keys() | {"name", "sample_len"}
        assert mine["acc,none"] == other["acc,none"]
        assert ours["n-shot"][task] == theirs["n-shot"][task] == 5
        assert ours["task_hashes"][task] == theirs["task_hashes"][task]
        assert ours["n-samples"][task] == theirs["n-samples"][task]
        assert ours["higher_is_better"][task] == theirs["higher_is_better"][task]
        if mine["acc,none"] not in (0.0, 1.0):
            assert mine["acc_stderr,none"] > 0


def test_a_log_of_ours_joins_a_log_of_theirs(logs: Logs) -> None:
    theirs = {(s.benchmark, s.item_id): s.value for s in read_scores([(logs.theirs, None)], "base").scores}
    found = read_scores([(logs.ours / "raw-likelihood", None)], "imitator").scores
    assert {(s.benchmark, s.item_id): s.value for s in found} == {k: v for k, v in theirs.items() if k[0] == "mmlu"}
