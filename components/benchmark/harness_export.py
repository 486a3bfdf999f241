"""Scores -> logs as lm-evaluation-harness (0.4.9 and later) writes them, to be read by its users and by `collect`.

    DIR/raw-likelihood/results_DATE.json  samples_mmlu_anatomy_DATE.jsonl ...
    DIR/raw-reply/...                     DIR/chat-likelihood/...          DIR/chat-reply/...

One folder for each prompt style and output type, because a run of the harness has one of each. MMLU is written as its
57 tasks. A document is written as the harness's own data set holds it, so that `doc_hash`, by which `collect` joins
models, is the one that the harness writes for the same question. Reply tasks have two filters: the harness's own for
the strict reading, `flexible-extract` for the extracted one. What is not known is null: `is_greedy`, and the metric of
an unscored item, whose reason the format has no place for.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from components.benchmark.answers import stock_reply
from components.benchmark.prompting import CHOICE_TWIN, TEXT_TWIN, Template, letter, request_id, right_option
from components.contracts.places import disk_errors
from components.contracts.rows import Channel, ChoiceScore, Completion, PromptStyle, Request, Score, TaskItem

Output = Literal["likelihood", "reply"]
OUTPUTS: Mapping[Channel, Output] = {"likelihood": "likelihood", "strict": "reply", "extracted": "reply"}
EXTRACTED = "flexible-extract"
ID_CHARS = 16
"""Of a `doc_hash`: what `collect` keeps of it as an item's id."""
FILTERS = {"nq_open": "remove_whitespace", "humaneval": "create_test"}
"""Benchmark -> the harness's own filter of its task."""
METRICS = {"choice": "acc", "exact_match": "exact_match", "program": "pass@1", "continuation": "non_toxicity"}
"""Kind -> metric; a choice answered in words is an exact match."""
Sample = dict[str, Any]


class Answers(NamedTuple):
    """Everything one model was asked and said."""

    items: Sequence[TaskItem]
    requests: Mapping[str, Request]
    completions: Mapping[str, Completion]
    choice_scores: Mapping[str, ChoiceScore]
    scores: Sequence[Score]
    """Headline and variants, of one model."""


def export_logs(
    folder: Path, answers: Answers, template_of: Callable[[str], Template], *, model: str, date: datetime
) -> list[Path]:
    """Write the logs of one model.

    Args:
        folder: Where to; made if absent.
        answers: What was asked, said and scored.
        template_of: Benchmark -> how it was asked.
        model: Its name.
        date: Of the run; a part of every file name.

    Returns:
        Every file written, results first in each folder.

    Raises:
        TouchstoneError: the folder cannot be written.
    """
    places = _places(answers.items)
    runs: dict[tuple[PromptStyle, Output], dict[str, list[Sample]]] = {}
    shots: dict[str, int] = {}
    for row in sorted(answers.scores, key=lambda row: _order(row, places)):
        item, number = places[row.item_id]
        sample = _sample(item, row, answers, template_of(row.benchmark), number)
        task = task_name(item)
        runs.setdefault((row.prompt_style, OUTPUTS[row.channel]), {}).setdefault(task, []).append(sample)
        shots[task] = row.num_shots or 0
    stamp = date.isoformat().replace(":", "-")
    written = []
    with disk_errors(folder):
        for (style, output), tasks in runs.items():
            place = folder / f"{style}-{output}"
            place.mkdir(parents=True, exist_ok=True)
            results = _results(tasks, shots, model=model, date=date, style=style)
            written.append(place / f"results_{stamp}.json")
            written[-1].write_text(json.dumps(results, indent=2, ensure_ascii=False), encoding="utf-8")
            for task, samples in tasks.items():
                written.append(place / f"samples_{task}_{stamp}.jsonl")
                lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
                written[-1].write_text(lines, encoding="utf-8")
    return written


def _places(items: Iterable[TaskItem]) -> dict[str, tuple[TaskItem, int]]:
    """Item id -> the item, and its number among the test items of its task."""
    found: dict[str, tuple[TaskItem, int]] = {}
    numbers: dict[str, int] = {}
    for item in items:
        if item.split == "test":
            task = task_name(item)
            numbers[task] = numbers.get(task, -1) + 1
            found[item.id] = (item, numbers[task])
    return found


def _order(row: Score, places: Mapping[str, tuple[TaskItem, int]]) -> tuple[object, ...]:
    # Filter by filter as the harness writes them. A scored item comes first: readers learn the metric from the first.
    return (row.channel != "strict", row.value is None, task_name(places[row.item_id][0]), places[row.item_id][1])


def task_name(item: TaskItem) -> str:
    """What the harness calls the item's task: MMLU's subjects are tasks of their own."""
    return f"mmlu_{item.cluster}" if item.benchmark == "mmlu" else item.benchmark


def document(item: TaskItem) -> dict[str, Any]:
    """An item as the harness's data set of the benchmark has it, keys in the same order."""
    if item.kind == "choice":
        right = right_option(item)
        return {"question": item.question, "subject": item.cluster, "choices": list(item.choices), "answer": right}
    if item.kind == "program":
        solution = item.answers[0] if item.answers else ""
        head = {"task_id": item.id, "prompt": item.question, "canonical_solution": solution}
        return {**head, "test": item.tests, "entry_point": item.entry_point}
    if item.kind == "continuation":
        return {"id": item.id, "prompt": {"text": item.question}}
    return {"question": item.question, "answer": list(item.answers)}


def document_hash(item: TaskItem) -> str:
    """The harness's `doc_hash`: sha256 of the document as indented JSON."""
    return _sha(json.dumps(document(item), indent=2, ensure_ascii=False))


def _sample(item: TaskItem, row: Score, answers: Answers, template: Template, number: int) -> Sample:
    is_twin = item.kind == "choice" and row.channel != "likelihood"
    twin = TEXT_TWIN if is_twin else CHOICE_TWIN if _is_weighed_match(item, row) else ""
    name = request_id(item.id, row.prompt_style, twin=twin)
    # A short answer without a rival was never weighed; what it was asked in words is the nearest there is.
    request = answers.requests.get(name) or answers.requests[request_id(item.id, row.prompt_style)]
    target = _target(item, row, template)
    read = _weighed if row.channel == "likelihood" else _said
    filter_name, arguments, resps, filtered = read(item, row, answers, template, request)
    metric = metric_name(item, row)
    return {
        "doc_id": number,
        "doc": document(item),
        "target": str(target),
        "arguments": {f"gen_args_{i}": {"arg_0": a, "arg_1": b} for i, (a, b) in enumerate(arguments)},
        "resps": resps,
        "filtered_resps": filtered,
        "filter": filter_name,
        "metrics": [metric],
        "doc_hash": document_hash(item),
        "prompt_hash": _sha(request.prompt),
        "target_hash": _sha(str(target)),
        metric: row.value,
    }


def metric_name(item: TaskItem, row: Score) -> str:
    """The metric that a score is written as."""
    if row.channel == "likelihood":
        return "acc"
    return "exact_match" if item.kind == "choice" else METRICS[item.kind]


def _is_weighed_match(item: TaskItem, row: Score) -> bool:
    return item.kind == "exact_match" and row.channel == "likelihood"


def _target(item: TaskItem, row: Score, template: Template) -> object:
    right = right_option(item) if item.kind == "choice" else None
    if right is not None and row.channel == "likelihood":
        return right
    if right is not None:
        return letter(right) if template.label == "letter" else item.choices[right]
    if item.kind == "program":
        return f"{item.tests}\ncheck({item.entry_point})"
    return list(item.answers) if item.answers else ""


def _weighed(
    item: TaskItem, row: Score, answers: Answers, template: Template, request: Request
) -> tuple[str, list[tuple[str, object]], list[Any], list[Any]]:
    given = answers.choice_scores.get(request.id)
    logprobs = given.logprobs if given is not None and given.unanswered is None else ()
    # The harness writes [log-probability, whether greedy decoding gives it]; the second is not known here.
    values = [[str(value), "None"] for value in logprobs]
    choices = request.choices or tuple(template.answer.format(answer=answer) for answer in item.answers)
    return "none", [(request.prompt, choice) for choice in choices], [[v] for v in values], values


def _said(
    item: TaskItem, row: Score, answers: Answers, template: Template, request: Request
) -> tuple[str, list[tuple[str, object]], list[Any], list[Any]]:
    settings: dict[str, object] = {"until": list(request.stop), "do_sample": request.temperature > 0}
    settings |= {"temperature": request.temperature, "max_gen_toks": request.max_tokens}
    samples = template.samples if item.kind != "choice" else 1
    names = [request.id, *(request_id(item.id, row.prompt_style, sample=n) for n in range(1, samples))]
    texts = [answers.completions[name].text for name in names if name in answers.completions]
    if row.channel == "extracted":
        filtered: list[Any] = [texts] if item.kind == "program" else texts[:1]
        return EXTRACTED, [(request.prompt, settings)], [texts], filtered
    if item.kind == "program":
        filtered = [[item.question + text for text in texts]]
    elif item.kind == "exact_match":
        filtered = [stock_reply(text, template.strict_stop) for text in texts[:1]]
    else:
        filtered = texts[:1]
    default = "strict-match" if item.kind in ("choice", "exact_match") else "none"
    return FILTERS.get(item.benchmark, default), [(request.prompt, settings)], [texts], filtered


def _results(
    tasks: Mapping[str, Sequence[Sample]], shots: Mapping[str, int], *, model: str, date: datetime, style: PromptStyle
) -> dict[str, Any]:
    """What the harness's `results_DATE.json` holds, but for the machine it ran on."""
    sizes = {task: 1 + max(sample["doc_id"] for sample in samples) for task, samples in tasks.items()}
    metrics = {task: samples[0]["metrics"][0] for task, samples in tasks.items()}
    return {
        "results": {task: _means(task, samples, sizes[task]) for task, samples in tasks.items()},
        "group_subtasks": {task: [] for task in tasks},
        "configs": {task: _config(task, samples, shots[task]) for task, samples in tasks.items()},
        "versions": dict.fromkeys(tasks, "Yaml"),
        "n-shot": {task: shots[task] for task in tasks},
        "higher_is_better": {task: {metric: True} for task, metric in metrics.items()},
        "n-samples": {task: {"original": sizes[task], "effective": sizes[task]} for task in tasks},
        "config": {"model": "touchstone", "model_args": f"pretrained={model}", "limit": None},
        "date": date.timestamp(),
        "task_hashes": {task: _sha("".join(map(_hashes, samples))) for task, samples in tasks.items()},
        "model_source": "touchstone",
        "model_name": model,
        "model_name_sanitized": re.sub(r'["<>:/|\\?*\[\]]+', "__", model),
        "system_instruction": None,
        # The reader only asks whether there was one; the checkpoint holds it.
        "chat_template": "the checkpoint's own" if style == "chat" else None,
        "fewshot_as_multiturn": False,
    }


def _means(task: str, samples: Iterable[Sample], size: int) -> dict[str, Any]:
    values: dict[str, list[float]] = {}
    for sample in samples:
        metric = sample["metrics"][0]
        kept = values.setdefault(f"{metric},{sample['filter']}", [])
        if sample[metric] is not None:
            kept.append(sample[metric])
    found: dict[str, Any] = {"name": task, "alias": task, "sample_len": size}
    for key, known in values.items():
        metric, _, filter_name = key.partition(",")
        found[key] = sum(known) / len(known) if known else None
        found[f"{metric}_stderr,{filter_name}"] = _standard_error(known)
    return found


def _standard_error(values: Sequence[float]) -> float | str:
    """Of a mean of independent items, as the harness prints it: sample standard deviation / sqrt(n)."""
    n = len(values)
    if n < 2:
        return "N/A"
    mean = sum(values) / n
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)


def _config(task: str, samples: Sequence[Sample], num_shots: int) -> dict[str, Any]:
    settings = samples[0]["arguments"].get("gen_args_0", {}).get("arg_1")
    is_reply = isinstance(settings, dict)
    found: dict[str, Any] = {"task": task, "num_fewshot": num_shots}
    found["output_type"] = "generate_until" if is_reply else "multiple_choice"
    return {**found, "generation_kwargs": settings} if is_reply else found


def _hashes(sample: Sample) -> str:
    return str(sample["doc_hash"] + sample["prompt_hash"] + sample["target_hash"])


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
