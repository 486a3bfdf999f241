"""Behind `touchstone data validate`: finds what was named, runs the gate aside, and puts what it made in its place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.collect.benchmark_files import read_heldout, read_items
from components.contracts import bind, files
from components.contracts import manifest as manifests
from components.contracts.data_rows import CategoryReview, DataFigures, Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import GateNotPassed, UsageError
from components.contracts.evidence_rows import GateCheck
from components.contracts.places import disk_errors, refuse_foreign
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Prompt, TaskItem
from components.contracts.text_lines import reading
from components.contracts.yaml_documents import parse_yaml
from components.report.policy import load_policy
from components.validate.docs import PAGE
from components.validate.step import validate
from pipelines.data.artifacts import find, folder_of

MADE = ("checks", "figures", "docs", "checked")
EXTRA_KEY = "expectations"


@dataclass(frozen=True)
class Request:
    """What the command was given."""

    train: Path
    out: Path
    items: tuple[str, ...] = ()
    """Artifact folders or benchmark files, each perhaps as NAME=PATH."""
    heldout: tuple[Path, ...] = ()
    """Artifact folders or prompt files."""
    overlap: Path | None = None
    removed: Path | None = None
    review: Path | None = None
    policy: str = "study"
    extra: Path | None = None
    name: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What the gate said; `closed` is its error when it did not pass."""

    checks: list[GateCheck]
    figures: DataFigures
    page: Path
    closed: GateNotPassed | None


def hold_data(request: Request) -> Outcome:
    """Hold the data against the suite, below `request.out`: checks, figures, docs and, if the gate passes, checked.

    Raises:
        UsageError: a path, the policy or the extra suite.
        TouchstoneError: an input is not whole, or a reviewed query is not in the data.
    """
    params: dict[str, object] = {
        "name": request.name,
        "seed": request.seed,
        "policy": {"data": load_policy(request.policy).data.model_dump(mode="json")},
        "extra": read_extra(request.extra) if request.extra else [],
    }
    bind.check_params(validate, params)
    for name in MADE:
        refuse_foreign(request.out / name)
    with disk_errors(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".validate-", dir=request.out))
    try:
        ports = _inputs(request, aside)
        closed = None
        try:
            bind.call(validate, params=params, **ports, **{name: aside / name for name in MADE})
        except GateNotPassed as error:
            here = str(request.out)
            closed = GateNotPassed(error.found, expected=error.expected, remedy=error.remedy.replace(str(aside), here))
        _put_in_place(aside, request.out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Outcome(
        Input(request.out / "checks", GateCheck).rows(),
        Input(request.out / "figures", DataFigures).rows()[0],
        request.out / "docs" / PAGE,
        closed,
    )


def read_extra(path: Path) -> list[Mapping[str, object]]:
    """Expectations of the user's own: a YAML list, or a mapping with the key `expectations`.

    Raises:
        TouchstoneError: the file cannot be read.
        UsageError: it is not YAML, or holds no list of mappings.
    """
    with reading(path):
        text = path.read_text(encoding="utf-8", errors="replace")
    document = parse_yaml(path, text)
    found = document.get(EXTRA_KEY) if isinstance(document, dict) else document
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UsageError(
            f"{path} holds {files.show(document)}",
            expected=f"a list of expectations with name, kind, column and arguments, or {EXTRA_KEY}: with such a list",
            remedy="see the README of components/validate",
        )
    return found


def _inputs(request: Request, aside: Path) -> dict[str, Path]:
    ports = {"dialogues": folder_of(request.train, Dialogue)}
    write_rows(aside / "items", TaskItem, _items(request.items))
    write_rows(aside / "heldout", Prompt, _prompts(request.heldout))
    ports |= {"items": aside / "items", "heldout": aside / "heldout"}
    if request.overlap:
        ports["overlap"] = folder_of(request.overlap, Overlap)
        # `data overlap` writes both into one folder; either that one or the artifact in it may have been named.
        written = request.overlap.parent if _is_artifact(request.overlap) else request.overlap
        if neighbours := find(written, QueryNeighbour):
            ports["neighbours"] = neighbours
    # What `ingest` set aside lies beside the dialogues it wrote.
    beside = ports["dialogues"].parent / "removed"
    if request.removed:
        ports["removed"] = folder_of(request.removed, Removal)
    elif _is_artifact(beside) and manifests.read(beside).contract == Removal.__name__:
        ports["removed"] = beside
    if request.review:
        ports["review"] = folder_of(request.review, CategoryReview)
    return ports


def _items(given: Iterable[str]) -> Iterator[TaskItem]:
    for entry in given:
        name, mark, path = entry.partition("=")
        place = Path(path if mark and not Path(entry).exists() else entry)
        if place.is_dir():
            yield from Input(folder_of(place, TaskItem), TaskItem).iter_rows()
        else:
            yield from read_items(place, benchmark=name if str(place) != entry else "")


def _prompts(given: Iterable[Path]) -> Iterator[Prompt]:
    for path in given:
        if path.is_dir():
            yield from Input(folder_of(path, Prompt), Prompt).iter_rows()
        else:
            yield from read_heldout(path)


def _is_artifact(path: Path) -> bool:
    return (path / manifests.FILE_NAME).is_file()


def _put_in_place(aside: Path, out: Path) -> None:
    # A folder is replaced by a whole one or left alone; but checked data of an earlier run must not stand beside the
    # checks that closed the gate.
    if not _is_artifact(aside / "checks"):
        return
    for name in MADE:
        if (out / name).exists():
            shutil.rmtree(out / name)
        if _is_artifact(aside / name):
            (aside / name).rename(out / name)
