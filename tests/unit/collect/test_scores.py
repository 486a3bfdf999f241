"""Item scores of any tool: identity, clusters, channels, and nothing that is not a score."""

import json
from pathlib import Path

import pytest

from components.collect.mmlu_subjects import split_mmlu
from components.collect.scores import read_scores
from components.contracts.errors import TouchstoneError
from components.contracts.ports import write_rows
from components.contracts.rows import Score

DATE = "2026-01-02T03-04-05.678901"


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def read(path: Path, benchmark: str | None = None):
    return read_scores([(path, benchmark)], "base")


def sample(
    doc: int, *, value: object = 1.0, metric: str = "acc", filter_name: str = "none", arg: object = " A", **more
):
    return {
        "doc_id": doc,
        "doc": {"question": f"q{doc}"},
        "arguments": {"gen_args_0": {"arg_0": "p", "arg_1": arg}},
        "filter": filter_name,
        "metrics": [metric],
        "doc_hash": f"{doc:064x}"[::-1],
        metric: value,
    } | more


def results(**more: object) -> dict[str, object]:
    return {"results": {}, "configs": {}, "model_name": "/models/llama"} | more


# --- plain records -------------------------------------------------------------------------------------------------


def test_plain_records_in_json_and_csv(tmp_path) -> None:
    path = write(tmp_path, "s", [{"item_id": 1, "correct": True}, {"item_id": "b", "score": 0.25, "benchmark": "nq"}])
    assert [(s.item_id, s.benchmark, s.value) for s in read(path).scores] == [("1", "items", 1.0), ("b", "nq", 0.25)]
    (tmp_path / "s.csv").write_text("item_id,score,cluster,unscored,question\n1,1,x,,What?\n2,,x,no answer,\n3,,,,\n")
    found = read(tmp_path / "s.csv", "quiz")
    assert [(s.value, s.cluster, s.unscored) for s in found.scores] == [
        (1.0, "x", None),
        (None, "x", "no answer"),
        (None, "", "no value in the file"),
    ]
    assert {s.benchmark for s in found.scores} == {"quiz"}
    assert [(i.id, i.question) for i in found.items] == [("1", "What?")]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.0001, 47, "x", [1], "nan"])
def test_scores_that_are_none_name_line_and_value(tmp_path, bad) -> None:
    path = write(tmp_path, "s", [{"item_id": 1, "score": 1}, {"item_id": 2, "score": bad}])
    with pytest.raises(TouchstoneError) as caught:
        read(path)
    assert f"{path}, line 2: score is " in caught.value.found
    assert "from 0 to 1" in caught.value.expected
    assert ("divided by 100" in caught.value.expected) == (bad in (47, 1.0001))
    assert "unscored" in caught.value.remedy


def test_an_item_twice_names_both_lines_and_what_to_do(tmp_path) -> None:
    path = write(tmp_path, "s", [{"item_id": 1, "score": 1}, {"item_id": 2, "score": 1}, {"item_id": "1", "score": 0}])
    with pytest.raises(TouchstoneError, match=r"line 3: item 1 of items was already scored \(.*line 1\)") as caught:
        read(path)
    assert "--scores base:BENCHMARK=FILE" in caught.value.remedy


def test_our_own_rows(tmp_path) -> None:
    row = Score(item_id="a", benchmark="b", model="x", value=0.5)
    write_rows(tmp_path / "rows", Score, [row])
    assert read(tmp_path / "rows").scores == (row.model_copy(update={"model": "base"}),)


@pytest.mark.parametrize(
    ("content", "found"), [("[]", "no scores"), ('{"instruction": "x", "output": "y"}', "only instr")]
)
def test_files_without_scores(tmp_path, content, found) -> None:
    (tmp_path / "f").write_text(content)
    with pytest.raises(TouchstoneError, match=found):
        read(tmp_path / "f")


@pytest.mark.parametrize(
    ("value", "says"),
    [("0,5", "decimal point, not a comma"), ("71.3", "divided by 100"), ("7", "the number of tries"), ("-1", "0 to 1")],
)
def test_a_value_that_is_no_share_says_what_it_seems_to_be(tmp_path, value, says) -> None:
    path = tmp_path / "excel.csv"
    path.write_text(f"item_id;score\nq1;{value}\n", encoding="utf-8-sig")
    with pytest.raises(TouchstoneError, match=f"line 2: score is {value}") as caught:
        read(path)
    assert says in caught.value.expected


def test_scores_without_a_benchmarks_name_say_how_to_name_it(tmp_path) -> None:
    path = write(tmp_path, "s", [{"item_id": 1, "score": 1}, {"item_id": 2, "score": 0}])
    assert read(path).remarks == (
        "Scores that name no benchmark are called items: --scores ROLE:BENCHMARK=FILE names it.",
    )
    assert read(path, "nq").remarks == ()


def test_a_folder_without_logs(tmp_path) -> None:
    write(tmp_path, "notes.json", [{"a": 1}])
    with pytest.raises(TouchstoneError, match="no logs of lm-evaluation-harness") as caught:
        read(tmp_path)
    assert "--log_samples" in caught.value.remedy


# --- HumanEval -----------------------------------------------------------------------------------------------------


def test_humaneval_samples_give_the_mean_of_a_problems_samples(tmp_path) -> None:
    rows = [{"task_id": f"HumanEval/{i % 2}", "completion": "", "passed": i < 3} for i in range(6)]
    found = read(write(tmp_path, "s", rows)).scores
    assert [(s.item_id, s.benchmark, s.value) for s in found] == [
        ("HumanEval/0", "humaneval", pytest.approx(2 / 3)),
        ("HumanEval/1", "humaneval", pytest.approx(1 / 3)),
    ]
    solved = [{"task_id": "HumanEval/0", "is_solved": True}, {"task_id": "HumanEval/1", "is_solved": None}]
    found = read(write(tmp_path, "t", solved)).scores
    assert [s.value for s in found] == [1.0, None]


def test_samples_that_nobody_ran_say_what_to_run(tmp_path) -> None:
    path = write(tmp_path, "samples.jsonl", [{"task_id": "HumanEval/0", "completion": "x"}])
    with pytest.raises(TouchstoneError, match=r"line 1: .*nobody has run it") as caught:
        read(path)
    assert "evaluate_functional_correctness samples.jsonl" in caught.value.remedy


# --- lm-evaluation-harness -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_hash", [True, False])
def test_items_are_known_by_content_and_not_by_position(tmp_path, keep_hash) -> None:
    def logged(doc: int, position: int) -> dict[str, object]:
        row = sample(doc, value=float(doc % 2)) | {"doc_id": position}
        return row if keep_hash else {key: value for key, value in row.items() if key != "doc_hash"}

    one = read(write(tmp_path / "a", f"samples_arc_{DATE}.jsonl", [logged(i, i) for i in range(5)]))
    two = read(write(tmp_path / "b", f"samples_arc_{DATE}.jsonl", [logged(i, 9 - i) for i in (3, 0, 4, 1, 2)]))
    assert {s.item_id: s.value for s in one.scores} == {s.item_id: s.value for s in two.scores}
    assert len({s.item_id for s in one.scores}) == 5


def test_equal_documents_stay_two_items(tmp_path) -> None:
    found = read(write(tmp_path, "samples_arc.jsonl", [sample(1), sample(1)]))
    assert len({s.item_id for s in found.scores}) == 2


def test_mmlu_subjects_are_clusters_of_one_benchmark(tmp_path) -> None:
    for subject in ("anatomy", "college_biology"):
        write(tmp_path, f"samples_mmlu_{subject}_{DATE}.jsonl", [sample(i) for i in range(3)])
    write(tmp_path, f"results_{DATE}.json", [results(**{"n-shot": {"mmlu_anatomy": 5}, "chat_template": "{{x}}"})])
    found = read(tmp_path)
    assert {(s.benchmark, s.cluster, s.num_shots, s.prompt_style) for s in found.scores} == {
        ("mmlu", "anatomy", 5, "chat"),
        ("mmlu", "college_biology", None, "chat"),
    }
    assert {s.channel for s in found.scores} == {"likelihood"}
    assert len(found.scores) == 6
    assert found.model == found.logged_as == "llama"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("mmlu_high_school_world_history", ("mmlu", "high_school_world_history")),
        ("mmlu_anatomy_generative", ("mmlu_generative", "anatomy")),
        ("mmlu_flan_n_shot_generative_virology", ("mmlu_flan_n_shot_generative", "virology")),
        ("hendrycksTest-college_medicine", ("mmlu", "college_medicine")),
        ("mmlu_pro_philosophy", ("mmlu_pro_philosophy", "")),
        ("nq_open", ("nq_open", "")),
    ],
)
def test_mmlu_task_names(task, expected) -> None:
    assert split_mmlu(task) == expected


def test_filters_become_channels(tmp_path) -> None:
    until = {"until": ["\n"]}
    rows = [
        sample(i, metric="exact_match", filter_name=name, arg=until, value=value)
        for name, value in (("strict-match", 0.0), ("flexible-extract", 1.0), ("maj@8", 1.0))
        for i in range(2)
    ]
    found = read(write(tmp_path, f"samples_gsm8k_{DATE}.jsonl", rows))
    assert [(s.channel, s.value) for s in found.scores] == [("strict", 0.0)] * 2 + [("extracted", 1.0)] * 2
    assert found.remarks == ("gsm8k: of its strict filters strict-match is used, maj@8 is not.",)


def test_metric_by_the_documented_rule(tmp_path) -> None:
    rows = [sample(0, metric="acc_norm", value=1.0, metrics=["bleu", "acc_norm", "acc"], bleu=17.0, acc=0.0)]
    assert read(write(tmp_path, "samples_x.jsonl", rows)).scores[0].value == 0.0
    rows = [sample(0, metric="bleu", value=17.0, metrics=["bleu", "rouge1"], rouge1=0.5)]
    found = read(write(tmp_path, "samples_y.jsonl", rows))
    assert (found.scores[0].value, found.remarks) == (0.5, ("y: rouge1 is used as the score.",))
    with pytest.raises(TouchstoneError, match="z has no metric in"):
        read(write(tmp_path, "samples_z.jsonl", [sample(0, metric="bleu", value=17.0)]))


def test_nan_in_a_log_names_the_line(tmp_path) -> None:
    path = write(tmp_path, "samples_arc.jsonl", [sample(0), sample(1, value=float("nan"))])
    with pytest.raises(TouchstoneError, match="line 2: acc is NaN"):
        read(path)
    found = read(write(tmp_path, "samples_arc.jsonl", [sample(0), sample(1, value=None)]))
    assert found.scores[1].unscored == "the log has no acc"


def test_humaneval_in_the_harness_joins_with_its_samples_elsewhere(tmp_path) -> None:
    rows = [sample(0, metric="pass@1", filter_name="create_test", arg={"until": []})]
    rows[0]["doc"] = {"task_id": "HumanEval/0"}
    found = read(write(tmp_path, f"samples_humaneval_{DATE}.jsonl", rows))
    assert [(s.item_id, s.benchmark, s.channel) for s in found.scores] == [("HumanEval/0", "humaneval", "strict")]


def test_two_runs_of_a_task_in_one_folder_are_refused(tmp_path) -> None:
    for date in (DATE, DATE.replace("2026", "2027")):
        write(tmp_path, f"samples_arc_{date}.jsonl", [sample(0)])
        write(tmp_path, f"results_{date}.json", [results()])
    with pytest.raises(TouchstoneError, match=r"samples_arc_2027.*already scored \(.*samples_arc_2026"):
        read(tmp_path)


def test_results_alone_give_means_with_their_n(tmp_path) -> None:
    table = results(
        results={
            "mmlu": {"acc,none": 0.4, "alias": "mmlu"},
            "mmlu_anatomy": {"acc,none": 0.5, "acc_stderr,none": 0.1},
            "mmlu_virology": {"acc,none": 0.25},
            "gsm8k": {"exact_match,flexible-extract": 0.4, "exact_match,strict-match": 0.3},
            "wikitext": {"word_perplexity,none": 17.0},
        },
        group_subtasks={"mmlu": ["mmlu_anatomy", "mmlu_virology"], "gsm8k": []},
    )
    table["n-samples"] = {
        "mmlu_anatomy": {"effective": 100},
        "mmlu_virology": {"effective": 300},
        "gsm8k": {"effective": 9},
    }
    table["n-shot"] = {"gsm8k": 5}
    found = read(write(tmp_path, "any.json", [table]))
    assert [(p.benchmark, p.value, p.n, p.num_shots) for p in found.published] == [
        ("mmlu", pytest.approx(0.3125), 400, None),
        ("gsm8k", 0.3, 9, 5),
    ]
    assert "wikitext: its results hold no metric in [0, 1]; left out." in found.remarks


def test_results_without_n_say_where_to_put_it(tmp_path) -> None:
    path = write(tmp_path, "r.json", [results(results={"nq_open": {"exact_match,none": 0.2}})])
    with pytest.raises(TouchstoneError, match="no number of items for nq_open") as caught:
        read(path)
    assert "--published" in caught.value.remedy
