"""Item scores -> Score rows: lm-evaluation-harness logs, HumanEval samples, plain records, our own rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components.collect.folders import visible
from components.collect.harness import Bundle, find_bundles, is_results, is_sample
from components.collect.harness_scores import read_bundle
from components.collect.prompts import id_text
from components.collect.score_file import ScoreFile, ScoreSheet, unit
from components.contracts import files, manifest
from components.contracts.errors import TouchstoneError
from components.contracts.files import Record
from components.contracts.ports import Input
from components.contracts.rows import Role, Score

ITEM_KEYS = ("item_id", "id", "question_id")
VALUE_KEYS = ("score", "correct", "value", "exact_match", "acc", "pass@1")
SOLVED_KEYS = ("passed", "is_solved")
UNNAMED_BENCHMARK = "items"
ACCEPTED = (
    "lm-evaluation-harness logs (results_*.json, samples_*.jsonl or their folder), HumanEval samples (task_id, passed),"
    " or records with item_id and score"
)
NO_VALUE = ("", "null", "none")


def read_scores(paths: Sequence[tuple[Path, str | None]], role: Role, *, name: str | None = None) -> ScoreFile:
    """Read one model's scores.

    Args:
        paths: Files or folders, each with the benchmark's name for records that do not give one.
        role: The part the model plays.
        name: Its name in rows; else the one in a results file, else the role.

    Raises:
        TouchstoneError: not readable, no scores in it, an item scored twice, a score that is NaN or outside [0, 1].
    """
    sheet = ScoreSheet(role)
    for path, benchmark in paths:
        before = sheet.size
        if path.is_dir():
            _read_folder(path, sheet)
        else:
            _read_file(path, benchmark or UNNAMED_BENCHMARK, sheet)
        if sheet.size == before:
            raise TouchstoneError(f"{path} holds no scores", expected=ACCEPTED, remedy="give another file or folder")
    return sheet.finish(name or sheet.model or role)


def _read_folder(path: Path, sheet: ScoreSheet) -> None:
    visible(path)
    if (path / manifest.FILE_NAME).exists() or (path / "rows.jsonl").exists():
        for number, row in enumerate(Input(path, Score).rows(), 1):
            sheet.add(Record(f"{path}, row {number}", {}), row)
        return
    bundles = find_bundles(path)
    if not bundles:
        raise TouchstoneError(
            f"{path} holds no logs of lm-evaluation-harness and no rows",
            expected=ACCEPTED,
            remedy="give the folder that --output_path named, or a file; run the harness with --log_samples",
        )
    for bundle in bundles:
        read_bundle(bundle, sheet)


def _read_file(path: Path, benchmark: str, sheet: ScoreSheet) -> None:
    records = files.records(path)
    first = next(records, None)
    if first is None:
        return
    if is_results(first.value):
        read_bundle(Bundle.around_results(path, first.value), sheet)
    elif is_sample(first.value):
        read_bundle(Bundle.around_samples(path), sheet)
    elif "task_id" in first.value:
        _read_solved(path, _all(first, records), benchmark, sheet)
    else:
        for record in _all(first, records):
            _read_plain(record, benchmark, sheet)


def _all(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _read_solved(path: Path, records: Iterable[Record], benchmark: str, sheet: ScoreSheet) -> None:
    """HumanEval samples: the share of a problem's samples that passed is the unbiased pass@1."""
    passed: dict[str, list[float]] = {}
    places: dict[str, Record] = {}
    for record in records:
        key = next((key for key in SOLVED_KEYS if key in record.value), None)
        if key is None:
            raise record.error(
                f"a sample with only {', '.join(record.value)}: nobody has run it yet",
                expected=f"{' or '.join(SOLVED_KEYS)} with every sample",
                remedy=f"run evaluate_functional_correctness {path.name} and give the file it writes",
            )
        task = id_text(record, "task_id")
        places.setdefault(task, record)
        values = passed.setdefault(task, [])
        if record.value[key] is not None:
            values.append(unit(record, key))
    for task, values in passed.items():
        family = task.partition("/")[0].lower() if "/" in task else "humaneval"
        name = family if benchmark == UNNAMED_BENCHMARK else benchmark
        value = sum(values) / len(values) if values else None
        sheet.add(
            places[task],
            Score(
                item_id=task,
                benchmark=name,
                model="",
                value=value,
                unscored="no sample of the problem was run" if value is None else None,
                num_shots=0 if name == "humaneval" else None,
            ),
        )


def _read_plain(record: Record, benchmark: str, sheet: ScoreSheet) -> None:
    value = record.value
    item_key = next((key for key in ITEM_KEYS if key in value), None)
    value_key = next((key for key in VALUE_KEYS if key in value), None)
    if item_key is None or (value_key is None and "unscored" not in value):
        raise record.error(
            f"--scores {sheet.role} got a record with only {', '.join(value) or 'nothing'}",
            expected=ACCEPTED,
            remedy="rename the fields to item_id and score",
        )
    reason = value.get("unscored")
    why = reason if isinstance(reason, str) and reason.strip() else None
    given = value.get(value_key) if value_key else None
    is_missing = given is None or (isinstance(given, str) and given.strip().lower() in NO_VALUE)
    if is_missing and why is None:
        why = "no value in the file"
    name = value.get("benchmark")
    if not name and benchmark == UNNAMED_BENCHMARK:
        sheet.remark(
            f"Scores that name no benchmark are called {UNNAMED_BENCHMARK}: --scores ROLE:BENCHMARK=FILE names it."
        )
    row = Score(
        item_id=id_text(record, item_key),
        benchmark=name if isinstance(name, str) and name else benchmark,
        model="",
        value=unit(record, value_key) if value_key and not is_missing and why is None else None,
        unscored=why,
        cluster=id_text(record, "cluster") if value.get("cluster") not in (None, "") else "",
    )
    question = next((value[key] for key in ("question", "prompt") if isinstance(value.get(key), str)), None)
    sheet.add(record, row, question=None if question is None else str(question))
