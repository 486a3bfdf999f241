"""Imitation data, benchmarks and prompts as people have them -> the overlap step's artifacts below one folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from components.collect.benchmark_files import benchmark_name, read_heldout, read_items
from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.data_rows import BenchmarkLeakage, Overlap
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.places import disk_errors, refuse_foreign
from components.contracts.ports import Input, write_rows
from components.contracts.rows import Prompt, Row, TaskItem
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DAMAGED, DumpSource
from components.overlap.step import OverlapState, measure_overlap
from components.report.policy import load_policy
from pipelines.data.artifacts import folder_of

MADE = ("overlap", "neighbours", "clean_heldout", "leaked", "state")
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Request:
    """What a person asked for."""

    train: Sequence[Path]
    """Imitation data: Dialogue folders or dumps."""
    out: Path
    """Where everything goes."""
    items: Sequence[str] = ()
    """TaskItem folders or benchmark files, each as FILE or NAME=FILE."""
    heldout: Sequence[Path] = ()
    """Prompt folders or files."""
    previous: Path | None = None
    """What an earlier run wrote, which this one goes on from."""
    policy: str = "study"
    """A policy file or preset, for its part `data`."""
    params: dict[str, object] = field(default_factory=dict)
    """Of the step."""


class Measured(NamedTuple):
    """What the step found."""

    benchmarks: list[BenchmarkLeakage]
    """One entry for each benchmark, and one, without a name, for the prompts."""
    diversity_bleu: float | None
    diversity_queries: int
    training_texts: int
    out: Path


def measure(request: Request) -> Measured:
    """Search, and put the artifacts into `request.out`; what stands there is replaced when all of it is made.

    Raises:
        UsageError: a path or the policy.
        TouchstoneError: input that cannot be read, or a folder that cannot be written.
    """
    policy = {"data": load_policy(request.policy).data.model_dump(mode="json")}
    for name in ("items", "heldout", *MADE):
        refuse_foreign(request.out / name)
    with _staged(request.out) as stage:
        ports = {
            "items": _one(_items(request), TaskItem, stage / "items"),
            "heldout": _one(_heldout(request), Prompt, stage / "heldout"),
            "dialogues": _dialogues(request.train, stage),
        }
        if request.previous:
            ports["previous"] = folder_of(request.previous, OverlapState)
        bind.call(
            measure_overlap,
            params={**request.params, "policy": policy},
            **ports,
            **{name: stage / name for name in MADE},
        )
        for name in ("items", "heldout"):
            if not (stage / name).exists():
                shutil.copytree(ports[name], stage / name)
        _move_in(stage, request.out, ("items", "heldout", *MADE))
    notes = Input(request.out / "overlap", Overlap).manifest.notes
    counts = notes["benchmarks"]
    assert isinstance(counts, dict)
    mean = notes["diversity_bleu"]
    return Measured(
        benchmarks=[BenchmarkLeakage.model_validate(row) for row in counts.values()],
        diversity_bleu=mean if isinstance(mean, float) else None,
        diversity_queries=int(str(notes["diversity_queries"])),
        training_texts=int(str(notes["training_texts"])),
        out=request.out,
    )


Source = tuple[Path, Callable[[Path], list[R]]]


def _items(request: Request) -> list[Source[TaskItem]]:
    found: list[Source[TaskItem]] = []
    for given in request.items:
        name, separator, path = given.partition("=")
        if not separator or Path(given).exists():
            name, path = "", given

        def read(place: Path, name: str = name) -> list[TaskItem]:
            return read_items(place, benchmark=name)

        found.append((Path(path), read))
    return found or _earlier(request, "items", TaskItem)


def _heldout(request: Request) -> list[Source[Prompt]]:
    found: list[Source[Prompt]] = [(path, read_heldout) for path in request.heldout]
    return found or _earlier(request, "heldout", Prompt)


def _earlier(request: Request, name: str, contract: type[R]) -> list[Source[R]]:
    # An earlier search can only be gone on with for the same held-out texts; they are kept beside its state.
    folder = request.previous or Path()
    place = (folder.parent if (folder / manifests.FILE_NAME).is_file() else folder) / name
    return [(place, lambda _: [])] if request.previous and (place / manifests.FILE_NAME).is_file() else []


def _one(sources: Sequence[Source[R]], contract: type[R], aside: Path) -> Path:
    """One artifact of everything given: the only folder itself, or a new one with the rows of all."""
    if len(sources) == 1 and sources[0][0].is_dir():
        return folder_of(sources[0][0], contract)
    rows: dict[tuple[str, str], R] = {}
    for path, read in sources:
        more = Input(folder_of(path, contract), contract).rows() if path.is_dir() else read(path)
        keyed = {(str(getattr(row, "benchmark", "")), str(getattr(row, "id", ""))): row for row in more}
        if any(key in rows and rows[key] != row for key, row in keyed.items()):
            # 1, 2, 3 are ids of many a file; the file's name tells them apart.
            prefix = benchmark_name(path)
            renamed = [row.model_copy(update={"id": f"{prefix}/{n}"}) for (_, n), row in keyed.items()]
            keyed = {(b, f"{prefix}/{n}"): row for (b, n), row in zip(keyed, renamed, strict=True)}
        if twice := keyed.keys() & rows.keys():
            raise TouchstoneError(
                f"{path} repeats the id {min(twice)[1]} of an earlier file",
                expected="every id once in each benchmark",
                remedy="give the file once, or name its benchmark: NAME=FILE",
            )
        rows |= keyed
    write_rows(aside, contract, rows.values())
    return aside


def _dialogues(places: Sequence[Path], stage: Path) -> Path:
    if len(places) == 1 and places[0].is_dir():
        return folder_of(places[0], Dialogue)
    for path in places:
        if not path.exists():
            raise UsageError(f"{path} does not exist", expected="dialogues, or a dump", remedy="check the path")
    write_rows(stage / "dialogues", Dialogue, (row for path in places for row in _read(path)))
    return stage / "dialogues"


def _read(path: Path) -> Iterator[Dialogue]:
    if path.is_dir():
        yield from Input(folder_of(path, Dialogue), Dialogue).iter_rows()
        return
    for row in read_dump(path, DumpSource()):
        if isinstance(row, Dialogue):
            yield row
        elif row.reason == DAMAGED:
            raise TouchstoneError(
                f"{path.parent / row.detail}", expected="a whole file", remedy="fetch or write the file again"
            )


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".overlap-", dir=out))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move_in(stage: Path, out: Path, names: Sequence[str]) -> None:
    for name in names:
        if (out / name).exists():
            shutil.rmtree(out / name)
        (stage / name).rename(out / name)
