"""lm-evaluation-harness samples and results -> Score and PublishedScore rows.

Rules, the same for every model:

* Item identity: HumanEval's task_id; else the harness's doc_hash (the content of the item, not its position); equal
  items of one task are counted.
* Metric: the first of PREFERRED_METRICS that the samples have, else their first metric whose value lies in [0, 1].
* Filter: log-likelihood tasks are read as `likelihood`; filters named like flexible-extract as `extracted`; all others
  as `strict`. Of several filters of one channel the first is used.
* MMLU's subjects are one benchmark, `mmlu` (`mmlu_generative`, ...), with the subject as the cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.collect.harness import Bundle, Table, table
from components.collect.mmlu_subjects import split_mmlu
from components.collect.score_file import ScoreSheet, mean_of, unit
from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import PublishedScore
from components.contracts.files import Record
from components.contracts.rows import Channel, PromptStyle, Score

PREFERRED_METRICS = (
    "exact_match",
    "em",
    "pass@1",
    "pass_at_1",
    "acc",
    "prompt_level_strict_acc",
    "acc_norm",
    "mc2",
    "f1",
)
EXTRACTING_FILTERS = ("flexible", "extract", "get-answer", "get_answer")
QUESTION_KEYS = ("question", "prompt", "query", "goal", "problem", "instruction", "input", "text", "ctx", "sentence")
ID_CHARS = 16


class Task(NamedTuple):
    """What a run says about one task."""

    name: str
    benchmark: str
    cluster: str
    num_shots: int | None
    prompt_style: PromptStyle


def read_bundle(bundle: Bundle, sheet: ScoreSheet) -> None:
    """Read one run: its samples, and means of tasks without samples.

    Raises:
        TouchstoneError: a samples file that cannot be read, or a score that is NaN or outside [0, 1].
    """
    name = bundle.results.get("model_name")
    if isinstance(name, str) and name:
        sheet.model = sheet.model or Path(name).name
    sampled = set()
    for path in bundle.samples:
        samples = list(files.records(path))
        if samples:
            task = _task(bundle, bundle.task_of(path, samples))
            _read_samples(task, samples, sheet)
            sampled.add(task.name)
    if bundle.results_path is not None:
        _read_means(bundle, sampled, sheet)


def _task(bundle: Bundle, name: str) -> Task:
    benchmark, subject = split_mmlu(name)
    shots = table(bundle.results.get("n-shot")).get(name)
    is_chat = bool(bundle.results.get("chat_template"))
    return Task(name, benchmark, subject, shots if isinstance(shots, int) else None, "chat" if is_chat else "raw")


def _read_samples(task: Task, samples: Sequence[Record], sheet: ScoreSheet) -> None:
    metric = _metric(task, samples[0])
    chosen: dict[Channel, str] = {}
    times: dict[tuple[str, str], int] = {}
    for record in samples:
        filter_name = str(record.value.get("filter", "none"))
        channel = _channel(record, filter_name)
        if chosen.setdefault(channel, filter_name) != filter_name:
            sheet.remark(f"{task.name}: of its {channel} filters {chosen[channel]} is used, {filter_name} is not.")
            continue
        content = _item_id(record)
        count = times[channel, content] = times.get((channel, content), 0) + 1
        item_id = content if count == 1 else f"{content}#{count}"
        value = None if record.value.get(metric) is None else unit(record, metric)
        row = Score(
            item_id=f"{task.cluster}/{item_id}" if task.cluster else item_id,
            benchmark=task.benchmark,
            model="",
            value=value,
            unscored=f"the log has no {metric}" if value is None else None,
            cluster=task.cluster,
            channel=channel,
            prompt_style=task.prompt_style,
            num_shots=task.num_shots,
        )
        sheet.add(record, row, question=_question(record))
    if metric not in PREFERRED_METRICS:
        sheet.remark(f"{task.name}: {metric} is used as the score.")


def _metric(task: Task, first: Record) -> str:
    listed = first.value.get("metrics")
    names = [str(name) for name in listed] if isinstance(listed, list) else [str(key) for key in first.value]
    for name in PREFERRED_METRICS:
        if name in names:
            return name
    for name in names:
        number = files.as_number(first.value.get(name)) if name not in ("doc_id", "target") else None
        if number is not None and 0.0 <= number <= 1.0:
            return name
    raise first.error(
        f"{task.name} has no metric in [0, 1] (metrics: {', '.join(names) or 'none'})",
        expected=f"one of {', '.join(PREFERRED_METRICS)}, or another from 0 to 1",
        remedy="leave this samples file out: perplexities and the like are no scores",
    )


def _channel(record: Record, filter_name: str) -> Channel:
    if _is_extracting(filter_name):
        return "extracted"
    requests = table(record.value.get("arguments"))
    first = table(requests.get("gen_args_0"))
    # A continuation to score is text; what to generate until is a mapping.
    return "likelihood" if isinstance(first.get("arg_1"), str) else "strict"


def _is_extracting(filter_name: str) -> bool:
    return any(word in filter_name.lower() for word in EXTRACTING_FILTERS)


def _item_id(record: Record) -> str:
    doc = table(record.value.get("doc"))
    if isinstance(doc.get("task_id"), str):
        return str(doc["task_id"])
    known = record.value.get("doc_hash")
    if isinstance(known, str) and known:
        return known[:ID_CHARS]
    if doc:
        return hashlib.sha256(json.dumps(doc, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:ID_CHARS]
    return f"doc {record.value['doc_id']}"


def _question(record: Record) -> str | None:
    doc = table(record.value.get("doc"))
    return next((str(doc[key]) for key in QUESTION_KEYS if isinstance(doc.get(key), str) and doc[key]), None)


def _read_means(bundle: Bundle, sampled: set[str], sheet: ScoreSheet) -> None:
    where = str(bundle.results_path)
    means = table(bundle.results.get("results"))
    groups = {str(name) for name in table(bundle.results.get("group_subtasks"))}
    groups = {name for name in groups if table(bundle.results.get("group_subtasks")).get(name)}
    found: dict[str, dict[str, tuple[float, int]]] = {}
    shots: dict[str, int | None] = {}
    for name, entry in means.items():
        if name in groups or name in sampled:
            continue
        chosen = _mean(where, str(name), table(entry))
        if chosen is None:
            sheet.remark(f"{name}: its results hold no metric in [0, 1]; left out.")
            continue
        task = _task(bundle, str(name))
        found.setdefault(task.benchmark, {})[task.name] = (chosen, _size(where, bundle.results, str(name), entry))
        shots[task.benchmark] = task.num_shots
    for benchmark, parts in found.items():
        value, n = mean_of(parts)
        row = PublishedScore(
            benchmark=benchmark,
            role=sheet.role,
            model="",
            value=value,
            n=n,
            source=f"lm-evaluation-harness {Path(where).name}, without samples",
            num_shots=shots[benchmark],
        )
        sheet.publish(where, row)
        sheet.remark(
            f"{benchmark}: only the mean of the {sheet.role} is known (no samples); the comparison is unpaired."
        )


def _mean(where: str, task: str, entry: Table) -> float | None:
    """The task's mean by the metric and filter rules."""
    values: dict[str, object] = {}
    # Keys are METRIC,FILTER. Extracting filters last: their value is used where no other reads the metric.
    for key in sorted(map(str, entry), key=_is_extracting):
        metric, _, filter_name = key.partition(",")
        if filter_name and not metric.endswith("_stderr"):
            values.setdefault(metric, entry[key])
    for metric in PREFERRED_METRICS:
        if metric in values:
            return unit(Record(f"{where}, {task}", {metric: values[metric]}), metric)
    numbers = (files.as_number(value) for value in values.values() if not isinstance(value, str))
    return next((n for n in numbers if n is not None and 0.0 <= n <= 1.0), None)


def _size(where: str, results: Mapping[str, object], task: str, entry: object) -> int:
    counted = table(table(results.get("n-samples")).get(task)).get("effective")
    for number in (counted, table(entry).get("sample_len")):
        if isinstance(number, int) and number > 0:
            return number
    raise TouchstoneError(
        f"{where}: no number of items for {task}",
        expected=f"n-samples: {{{task}: {{effective: N}}}}, as the harness has written since 0.4.3",
        remedy="give the samples (--log_samples), or the mean with its n in a file for --published",
    )
