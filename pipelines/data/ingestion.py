"""Files, folders and Hub addresses -> a dump, its dialogues and its removals, below one folder."""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.contracts.places import disk_errors, refuse_foreign
from components.contracts.ports import Output
from components.contracts.yaml_documents import read_mapping
from components.ingest.dumps import Dump, write_dump
from components.ingest.reading.hub import PREFIX, read_address, write_split
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DAMAGED, DumpSource
from components.ingest.reading.tally import watching

TRIED_ROWS = 10_000
PARTS = ("dump", "removed", "dialogues")

# What lies beside data in folders and is none.
_PAPERS = ("README", "LICENSE", "LICENCE", "NOTICE", "PROVENANCE")


class Ingested(NamedTuple):
    """What was made of a dump."""

    folder: Path
    """Holds dump, dialogues and removed."""
    num_in: int
    """Conversations met."""
    num_kept: int
    """Of them, dialogues."""
    removed: Mapping[str, int]
    """Reason -> conversations set aside; damaged counts places, not conversations."""
    notes: Mapping[str, Any]
    """Of the dialogues: sources, languages, redacted, warnings."""

    @property
    def warnings(self) -> list[str]:
        """What a person should know before using the dialogues."""
        return [str(line) for line in self.notes.get("warnings", [])]

    @property
    def num_damaged(self) -> int:
        """Files that could not be read to their end."""
        return self.removed.get(DAMAGED, 0)


def ingest_files(places: Sequence[str], source: DumpSource, params: Mapping[str, Any], out: Path) -> Ingested:
    """Write OUT/dump, then OUT/dialogues and OUT/removed. What stands there is replaced only by something whole.

    Args:
        places: Files, folders of files, or hub:NAME[:CONFIG][@REVISION][#SPLIT].
        source: What is known of all of them.
        params: Of the step ingest_dumps.
        out: The folder.

    Raises:
        UsageError: a parameter or an address cannot be understood.
        TouchstoneError: a file cannot be read, or nothing is left of it.
    """
    from components.ingest.step import ingest_dumps

    bind.check_params(ingest_dumps, params)
    for name in PARTS:
        refuse_foreign(out / name)
    with _staging(out) as staged:
        _gather(places, source, staged)
        made = {name: staged / name for name in PARTS}
        if not (out / "dialogues").exists():
            # What was fetched stays whatever happens next; beside earlier dialogues it would pass for their dump.
            _put(made["dump"], out / "dump", staged)
            made["dump"] = out / "dump"
        with _progress(made["dump"]):
            outcome = bind.call(ingest_dumps, params=params, **made)
        for name, folder in made.items():
            if folder != out / name:
                _put(folder, out / name, staged)
    metrics = outcome.metrics
    reasons = {name.removeprefix("removed_"): int(n) for name, n in metrics.items() if name.startswith("removed_")}
    notes = manifests.read(out / "dialogues").notes
    return Ingested(out, int(metrics["in"]), int(metrics["kept"]), reasons, notes)


def merged_params(file: Path | None, given: Mapping[str, object]) -> dict[str, Any]:
    """Parameters of the step from a file, with those of the command line over them.

    Raises:
        UsageError: the file is no mapping.
    """
    return {**(read_mapping(file) if file else {}), **given}


def _gather(places: Sequence[str], source: DumpSource, staged: Path) -> None:
    files: list[Path] = []
    fetched = staged / "fetched"
    fetched.mkdir()
    for place in places:
        if place.startswith(PREFIX):
            address = read_address(place)
            with disk_errors(fetched):
                write_split(address, fetched / address.file_name)
            files.append(fetched / address.file_name)
        else:
            found = _files_at(Path(place))
            for path in found:
                _try_reading(path, source)
            files += found
    output = Output(staged / "dump", Dump)
    write_dump(output.folder, files, [source] * len(files))
    output.commit()


def _try_reading(path: Path, source: DumpSource) -> None:
    """Fail at once, and under the name the person knows, on a file that the step would refuse."""
    for row in itertools.islice(read_dump(path, source), TRIED_ROWS):
        if isinstance(row, Dialogue):
            return


def _files_at(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(
        child
        for child in path.iterdir()
        if child.is_file()
        and not child.name.startswith((".", *_PAPERS))
        and child.suffix != ".md"
        and child.name != manifests.FILE_NAME
    )
    if not found:
        raise TouchstoneError(f"{path} holds no files", expected="a folder with the files of a dump directly in it")
    return found


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".ingest-", dir=out)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(made: Path, place: Path, staged: Path) -> None:
    if place.exists():
        place.rename(staged / f"earlier-{place.name}")
    made.rename(place)


@contextmanager
def _progress(dump: Path) -> Iterator[None]:
    """A bar over the bytes of all files, where somebody is looking."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = [TextColumn("reading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    done: dict[Path, int] = {}
    total = sum(path.stat().st_size for path in dump.iterdir())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=total)

        def watch(path: Path, num_bytes: int) -> None:
            done[path] = num_bytes
            bar.update(task, completed=sum(done.values()))

        with watching(watch):
            yield
