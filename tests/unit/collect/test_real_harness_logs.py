"""Logs that lm-evaluation-harness itself wrote just now, with its own `dummy` model."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.collect.scores import read_scores

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.slow

HEAD = """task: {task}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
doc_to_text: "{{{{question}}}}"
"""
CHOICE = """output_type: multiple_choice
doc_to_choice: [A, B, C, D]
doc_to_target: answer
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
GENERATE = """output_type: generate_until
doc_to_target: "lol"
generation_kwargs: {until: ["\\n"]}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
filter_list:
  - {name: strict-match, filter: [{function: regex, regex_pattern: "#### (.+)"}, {function: take_first}]}
  - {name: flexible-extract, filter: [{function: take_first}]}
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("harness")
    (folder / "tasks").mkdir()
    for task, body in (("mmlu_anatomy", CHOICE), ("mmlu_virology", CHOICE), ("gsm8k", GENERATE)):
        data = folder / f"{task}.json"
        data.write_text("".join(json.dumps({"question": f"{task} {i}?", "answer": i % 4}) + "\n" for i in range(6)))
        (folder / "tasks" / f"{task}.yaml").write_text(HEAD.format(task=task, data=data) + body)
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    command = [sys.executable, "-m", "lm_eval", "--model", "dummy", "--tasks", "mmlu_anatomy,mmlu_virology,gsm8k"]
    command += ["--include_path", str(folder / "tasks"), "--num_fewshot", "0", "--log_samples"]
    done = subprocess.run(
        [*command, "--output_path", str(folder / "out")], env=os.environ | offline, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "out"


def means(logs: Path) -> dict[str, object]:
    (path,) = logs.rglob("results_*.json")
    found: dict[str, object] = json.loads(path.read_text())["results"]
    return found


def test_means_of_the_samples_are_the_harnesss_own(logs) -> None:
    found = read_scores([(logs, None)], "base")
    rows = {"mmlu_anatomy": ("mmlu", "anatomy", "likelihood"), "mmlu_virology": ("mmlu", "virology", "likelihood")}
    reported = means(logs)
    for task, key in rows.items():
        values = [s.value for s in found.scores if (s.benchmark, s.cluster, s.channel) == key]
        assert len(values) == 6
        assert sum(v for v in values if v is not None) / 6 == pytest.approx(reported[task]["acc,none"])  # type: ignore[index]
    by_channel = {c: [s.value for s in found.scores if s.channel == c] for c in ("strict", "extracted")}
    assert by_channel == {"strict": [0.0] * 6, "extracted": [1.0] * 6}
    assert {s.num_shots for s in found.scores} == {0}
    assert {item.question for item in found.items if item.benchmark == "gsm8k"} == {f"gsm8k {i}?" for i in range(6)}


def test_tasks_are_found_by_the_hash_of_their_samples_when_files_are_renamed(logs, tmp_path) -> None:
    names = {}
    for number, path in enumerate(sorted(p for p in logs.rglob("*.json*") if p.is_file())):
        shutil.copy(path, tmp_path / f"{number}.json")
        names[path.name] = number
    assert len(names) == 4
    renamed, original = (read_scores([(folder, None)], "base") for folder in (tmp_path, logs))
    assert set(renamed.scores) == set(original.scores)


def test_results_alone_are_the_same_means(logs, tmp_path) -> None:
    (path,) = logs.rglob("results_*.json")
    shutil.copy(path, tmp_path / "alone.json")
    found = {p.benchmark: p for p in read_scores([(tmp_path / "alone.json", None)], "base").published}
    rows = [s for s in read_scores([(path, None)], "base").scores if s.benchmark == "mmlu"]
    assert found["mmlu"].value == pytest.approx(sum(s.value or 0 for s in rows) / 12)
    assert found["mmlu"].n == 12
    assert found["gsm8k"].value == 0.0
