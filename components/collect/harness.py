"""lm-evaluation-harness logs: which files belong together, and which task a samples file is of.

The harness (0.4.x) writes results_<date>.json and, with --log_samples, one samples_<task>_<date>.jsonl a task. Samples
do not name their task; the results file holds a hash of each task's samples, which tells. The file name is only asked
where that hash is absent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.files import Record

_DATE = r"\d{4}-\d{2}-\d{2}T\d{2}[-:]\d{2}[-:]\d{2}(?:\.\d+)?"
_SAMPLES_NAME = re.compile(rf"samples_(?P<task>.+?)(?:_(?P<date>{_DATE}))?\.jsonl?(?:\.gz)?$")
_RESULTS_NAME = re.compile(rf"(?:.*?_)?(?P<date>{_DATE})\.json(?:\.gz)?$")
_LOG_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
Table = Mapping[str, object]


def is_results(value: Table) -> bool:
    """Whether an object is the harness's aggregated results."""
    return isinstance(value.get("results"), dict) and ("configs" in value or "versions" in value or "config" in value)


def is_sample(value: Table) -> bool:
    """Whether an object is a line of a samples file."""
    return "doc_id" in value and ("doc" in value or "filter" in value or "resps" in value)


def table(value: object) -> Table:
    """A mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Bundle:
    """One run of the harness: its results, if they are there, and its samples files."""

    results_path: Path | None
    results: Table
    samples: tuple[Path, ...] = field(default=())

    @classmethod
    def around_results(cls, path: Path, results: Table) -> Bundle:
        """A results file with the samples files that carry its date beside it."""
        match = _RESULTS_NAME.match(path.name)
        date = match["date"] if match else None
        beside = sorted(path.parent.iterdir()) if date else []
        return cls(path, results, tuple(p for p in beside if p != path and _date_of_samples(p) == date))

    @classmethod
    def around_samples(cls, path: Path) -> Bundle:
        """One samples file with the results file of its date, which knows the number of shots."""
        date = _date_of_samples(path)
        for beside in sorted(path.parent.iterdir()) if date else []:
            match = _RESULTS_NAME.match(beside.name)
            if match and match["date"] == date and not _SAMPLES_NAME.match(beside.name):
                found = files.document(beside).value
                if is_results(found):
                    return cls(beside, found, (path,))
        return cls(None, {}, (path,))

    @cached_property
    def task_of_hash(self) -> Mapping[str, str]:
        """Hash of all of a task's samples -> task."""
        return {str(found): task for task, found in table(self.results.get("task_hashes")).items()}

    def task_of(self, path: Path, samples: list[Record]) -> str:
        """The task of a samples file: by the hash of its samples, else by the file's name.

        Raises:
            TouchstoneError: neither tells.
        """
        task = self.task_of_hash.get(_samples_hash(samples))
        match = _SAMPLES_NAME.match(path.name)
        if task is None and match:
            task = match["task"]
        if task is None:
            raise TouchstoneError(
                f"{path}: samples of lm-evaluation-harness that do not say of which task",
                expected="the results_*.json of the same run beside it, or the name samples_TASK_DATE.jsonl",
                remedy="keep the file under the name that the harness gave it",
            )
        return task


def find_bundles(folder: Path) -> list[Bundle]:
    """All runs below a folder, told by content; a samples file belongs to the results file of its folder and date.

    Raises:
        TouchstoneError: a file that cannot be read.
    """
    results: list[tuple[Path, Table]] = []
    samples: list[Path] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name.endswith(_LOG_SUFFIXES)):
        first = next(files.records(path), None)
        if first is not None and is_results(first.value):
            results.append((path, first.value))
        elif first is not None and is_sample(first.value):
            samples.append(path)
    bundles = []
    for path, found in results:
        match = _RESULTS_NAME.match(path.name)
        in_folder = [p for p in samples if p.parent == path.parent]
        alone = sum(other.parent == path.parent for other, _ in results) == 1
        mine = [p for p in in_folder if alone or (match and _date_of_samples(p) == match["date"])]
        bundles.append(Bundle(path, found, tuple(mine)))
    taken = {p for bundle in bundles for p in bundle.samples}
    return bundles + [Bundle(None, {}, (p,)) for p in samples if p not in taken]


def _date_of_samples(path: Path) -> str | None:
    match = _SAMPLES_NAME.match(path.name)
    return match["date"] if match else None


def _samples_hash(samples: list[Record]) -> str:
    # As the harness's evaluation_tracker.save_results_aggregated makes it.
    parts = (str(s.value.get(key, "")) for s in samples for key in ("doc_hash", "prompt_hash", "target_hash"))
    return hashlib.sha256("".join(parts).encode()).hexdigest()
