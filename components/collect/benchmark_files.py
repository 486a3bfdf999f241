"""Benchmarks and prompt sets as people have them -> TaskItem and Prompt rows with stable ids.

| what | told by | id |
|---|---|---|
| MMLU, JSONL or CSV with a header | `question` and `A` to `D` | subject/number; subject/split/number beside test |
| MMLU, the original CSV | no header, six cells, a letter last | the same; subject and split from the file name |
| MMLU as its Hub copies have it | `question`, a list of `choices`, `answer` as an index | the same |
| HumanEval | `task_id` and `prompt` | `task_id` |
| RealToxicityPrompts | `prompt` with a `text` in it | file name (without suffix)/begin, else a digest of the text |
| questions with answers (NQ-open) | `question` | `item_id` or `id`, else a digest of the question |
| prompts | `prompt`, `text`, `instruction` or `turns` | `id`, `question_id`, `prompt_id` or `i`, else a digest |
"""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from components.collect.mmlu_subjects import SUBJECTS
from components.collect.prompts import ID_KEYS, digest_id, first_turn, id_text
from components.contracts import files
from components.contracts.csv_rows import LONGEST_CELL_CHARS
from components.contracts.errors import TouchstoneError
from components.contracts.files import Record
from components.contracts.rows import Prompt, TaskItem
from components.contracts.text_lines import decoded_lines, open_bytes, reading

MMLU, HUMANEVAL, REALTOXICITY = "mmlu", "humaneval", "realtoxicity"
LETTERS = ("A", "B", "C", "D")
ITEM_ID_KEYS = ("item_id", "id")
ANSWER_KEYS = ("answers", "answer")
PROMPT_KEYS = ("prompt", "text", "instruction", "turns")
CATEGORY_KEYS = ("category", "dataset")
_SUFFIXES = frozenset({".gz", ".json", ".jsonl", ".csv", ".tsv", ".txt"})
_SPLITS = ("test", "val", "dev")


def read_items(path: Path, *, benchmark: str = "") -> list[TaskItem]:
    """Read one benchmark.

    Args:
        path: The file, plain or gzip.
        benchmark: Its name; by default mmlu, humaneval, realtoxicity or, for any other, the file's name without
            suffixes.

    MMLU's dev questions, which are worked examples, get the split `shots`; all else is `test`.

    Raises:
        TouchstoneError: unreadable, or a record is none of the above or has an id for the second time.
    """
    if _is_headerless(path):
        items = list(_original_mmlu(path, benchmark or MMLU))
    else:
        numbers: Counter[str] = Counter()
        items = [_item(record, benchmark, path, numbers) for record in files.records(path)]
    _check_ids(path, (item.id for item in items))
    return items


def read_heldout(path: Path) -> list[Prompt]:
    """Read prompts: Koala's test set, FastChat's questions (the first turn), AlpacaEval's instructions, or the like.

    Raises:
        TouchstoneError: unreadable, or a record has no prompt or an id for the second time.
    """
    prompts = [_prompt(record) for record in files.records(path)]
    _check_ids(path, (prompt.id for prompt in prompts))
    return prompts


def benchmark_name(path: Path) -> str:
    """A file's name without the suffixes of its format."""
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.name


def _check_ids(path: Path, ids: Iterable[str]) -> None:
    counts = Counter(ids)
    if not counts:
        raise TouchstoneError(f"{path} holds no questions", expected="at least one", remedy="give another file")
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise TouchstoneError(
            f"{path} has the id {twice[0]} {counts[twice[0]]} times ({len(twice)} ids are not unique)",
            expected="every id once",
            remedy="remove the repetitions, or give ids that tell them apart",
        )


def _item(record: Record, benchmark: str, path: Path, numbers: Counter[str]) -> TaskItem:
    keys = record.value.keys()
    if keys >= {"question", *LETTERS} or (
        keys >= {"question", "choices"} and isinstance(record.value["choices"], list)
    ):
        return _headed_mmlu(record, benchmark or MMLU, path, numbers)
    if keys >= {"task_id", "prompt"}:
        return _program(record, benchmark or HUMANEVAL)
    if isinstance(record.value.get("prompt"), dict):
        return _continuation(record, benchmark or REALTOXICITY)
    if "question" in keys:
        return _question(record, benchmark or benchmark_name(path))
    raise record.error(
        f"an item with only {', '.join(keys) or 'nothing'}",
        expected="MMLU (question, A, B, C, D), HumanEval (task_id, prompt), RealToxicityPrompts (prompt with a text),"
        " or records with a question",
        remedy="give the benchmark's own file, or one with a question column",
    )


def _headed_mmlu(record: Record, benchmark: str, path: Path, numbers: Counter[str]) -> TaskItem:
    subject = str(record.value.get("subject") or _subject_and_split(path)[0])
    split = str(record.value.get("split") or _subject_and_split(path)[1])
    numbers[subject] += 1
    number = id_text(record, "i") if "i" in record.value else str(numbers[subject] - 1)
    listed = record.value.get("choices")
    choices = tuple(map(str, listed)) if isinstance(listed, list) else tuple(_as_text(record, key) for key in LETTERS)
    answer = _as_text(record, "answer") if "answer" in record.value else ""
    return _mmlu(benchmark, subject, split, number, record.text("question"), choices, answer)


def _program(record: Record, benchmark: str) -> TaskItem:
    name = id_text(record, "task_id")
    return TaskItem(
        id=name,
        benchmark=benchmark,
        kind="program",
        question=record.text("prompt"),
        answers=_answers(record, ("canonical_solution",)),
        tests=record.text("test") if "test" in record.value else "",
        entry_point=record.text("entry_point") if "entry_point" in record.value else "",
        cluster=name,
    )


def _continuation(record: Record, benchmark: str) -> TaskItem:
    prompt = record.value["prompt"]
    assert isinstance(prompt, dict)
    text = Record(f"{record.where}, prompt", prompt).text("text")
    document = record.value.get("filename")
    # Prompts cut from one document are not independent.
    stem = document.removesuffix(".txt") if isinstance(document, str) and document else ""
    name = f"{stem}/{id_text(record, 'begin')}" if stem and "begin" in record.value else digest_id(text)
    return TaskItem(id=name, benchmark=benchmark, kind="continuation", question=text, answers=(), cluster=stem or name)


def _question(record: Record, benchmark: str) -> TaskItem:
    question = record.text("question")
    key = next((key for key in ITEM_ID_KEYS if key in record.value), None)
    name = id_text(record, key) if key else digest_id(question)
    cluster = record.value.get("cluster") or record.value.get("subject")
    return TaskItem(
        id=name,
        benchmark=benchmark,
        kind="exact_match",
        question=question,
        answers=_answers(record, ANSWER_KEYS),
        cluster=cluster if isinstance(cluster, str) else name,
    )


def _mmlu(
    benchmark: str, subject: str, split: str, number: str, question: str, choices: tuple[str, ...], answer: str
) -> TaskItem:
    # Other copies of MMLU give the right option as 0 to 3.
    numbers = range(len(choices))
    known = [*(chr(ord("A") + place) for place in numbers), *map(str, numbers)]
    place = known.index(answer) % len(choices) if answer in known else None
    use: Literal["shots", "test"] = "shots" if split == "dev" else "test"
    return TaskItem(
        id="/".join([subject, *([] if split in ("", "test") else [split]), number]),
        benchmark=benchmark,
        kind="choice",
        question=question,
        choices=choices,
        answers=() if place is None else (choices[place],),
        right=place,
        cluster=subject,
        split=use,
    )


def _is_headerless(path: Path) -> bool:
    first = next(_cells(path), [])
    return len(first) == len(LETTERS) + 2 and first[-1].strip() in LETTERS and not {"question", "A"} <= set(first)


def _original_mmlu(path: Path, benchmark: str) -> Iterator[TaskItem]:
    subject, split = _subject_and_split(path)
    for number, cells in enumerate(_cells(path)):
        if len(cells) != len(LETTERS) + 2 or cells[-1].strip() not in LETTERS:
            raise TouchstoneError(
                f"{path}, row {number + 1}: {len(cells)} cells, the last one {files.show(cells[-1])}",
                expected="question, four options, and the letter of the right one",
                remedy="correct the row, or give the benchmark's own file",
            )
        yield _mmlu(benchmark, subject, split, str(number), cells[0], tuple(cells[1:-1]), cells[-1].strip())


def _cells(path: Path) -> Iterator[list[str]]:
    # The first line of a JSON file is a row of cells too, if an odd one.
    csv.field_size_limit(LONGEST_CELL_CHARS)
    with reading(path), open_bytes(path) as stream:
        lines = (line.text for line in decoded_lines(path, stream))
        try:
            yield from (row for row in csv.reader(lines) if row)
        except csv.Error as error:
            raise TouchstoneError(f"{path}: {error}", expected="CSV", remedy="correct the quotes") from error


def _subject_and_split(path: Path) -> tuple[str, str]:
    name = benchmark_name(path)
    for subject, split in itertools.product(SUBJECTS, _SPLITS):
        if name == f"{subject}_{split}":
            return subject, split
    return name, ""


def _prompt(record: Record) -> Prompt:
    key = next((key for key in PROMPT_KEYS if key in record.value), None)
    if key is None:
        raise record.error(
            f"a prompt with only {', '.join(record.value) or 'nothing'}",
            expected=f"one of {', '.join(PROMPT_KEYS)}",
            remedy="give the question file of the evaluation",
        )
    text = first_turn(record, key)
    id_key = next((key for key in ID_KEYS if key in record.value), None)
    category = next((record.value[key] for key in CATEGORY_KEYS if key in record.value), "")
    return Prompt(
        id=id_text(record, id_key) if id_key else digest_id(text),
        text=text,
        category=category if isinstance(category, str) else "",
    )


def _answers(record: Record, keys: tuple[str, ...]) -> tuple[str, ...]:
    value = next((record.value[key] for key in keys if key in record.value), [])
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _as_text(record: Record, key: str) -> str:
    value = record.value[key]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else record.text(key)
