"""Where finished steps are kept and found again: a folder of this machine, or an object store.

An entry is named after a step's identity (its code, parameters and inputs), so finding it means the work is done.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from components.contracts import canonical, environment
from components.contracts import manifest as manifests
from components.contracts.detached import LOCATION_FILE, address_of, leave_pointer, remote_manifest
from components.contracts.journal import Journal
from components.contracts.journal_copy import JournalCopy
from components.contracts.places import clear, disk_errors
from components.contracts.workplace import Workplace

if TYPE_CHECKING:
    from components.contracts.object_store import ObjectStore

METRICS_FILE = "metrics.json"
FAILURE_FILE = "failure.json"
JOURNALS = ".journals"
"""Folder of the journals of entries that are being made."""
WORKPLACES = ".workplaces"
"""Folder of their states."""
BESIDE_OUTPUTS = ".touchstone"
"""Folder beside the outputs of a step with a journal, when the environment names no store."""
DETACH_ABOVE_BYTES = 64 << 20
"""Artifacts above this size stay in the object store; their folder then only points there."""

Work = Callable[[Mapping[str, Path]], dict[str, float]]
"""Does a step's work into one folder for each output; gives its metrics."""


class StepStore(Protocol):
    """Finished steps, by entry name."""

    def find(self, entry: str, targets: Mapping[str, Path]) -> dict[str, float] | None:
        """Put a finished entry's outputs at `targets` and give its metrics; None when there is no such entry."""

    def make(
        self, entry: str, targets: Mapping[str, Path], work: Work, *, final: Callable[[], bool] = lambda: True
    ) -> dict[str, float]:
        """Do the work, keep it under `entry`, put its outputs at `targets`, and give its metrics.

        Args:
            entry: Name of the entry.
            targets: Output -> where it is wanted.
            work: What to do.
            final: Asked after the work; when it says no, the outputs are put at `targets` and not kept.
        """

    def journal(self, entry: str) -> Journal:
        """The journal of an entry that is being made; nothing is read or written before it is used."""

    def workplace(self, entry: str) -> Workplace:
        """The states of an entry that is being made; the same."""


def opened() -> StepStore | None:
    """The store that the environment names; None = nothing is kept."""
    place = environment.step_store()
    if place is None:
        return None
    if isinstance(place, Path):
        return FolderStepStore(place)
    from components.contracts.object_store import open_store  # the core install has no client

    return ObjectStepStore(open_store(place), place)


class FolderStepStore:
    """Entries are folders; outputs are hard links to them where the file system allows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, entry: str, targets: Mapping[str, Path]) -> dict[str, float] | None:
        """See `StepStore`; every file is compared with its manifest.

        Raises:
            TouchstoneError: a kept file is missing or was changed.
        """
        kept = self._folder / entry
        if not (kept / METRICS_FILE).is_file():
            return None
        for name in targets:
            manifests.verify(kept / name, manifests.read(kept / name))
        return self._placed(kept, targets)

    def make(
        self, entry: str, targets: Mapping[str, Path], work: Work, *, final: Callable[[], bool] = lambda: True
    ) -> dict[str, float]:
        """See `StepStore`.

        Raises:
            TouchstoneError: the disk is full or may not be written; whatever the work raises.
        """
        kept = self._folder / entry
        # Worked on aside and renamed when whole: a kill at any moment leaves no half-made entry under the final name.
        aside = kept.with_name(f".{kept.name}.partial")
        with disk_errors(kept):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            metrics = work({name: aside / name for name in targets})
            if not final():
                for name, target in targets.items():
                    _link_tree(aside / name, target)
                shutil.rmtree(aside)
                return metrics
            (aside / METRICS_FILE).write_text(canonical.dumps(metrics))
            shutil.rmtree(kept, ignore_errors=True)
            aside.rename(kept)
        return self._placed(kept, targets)

    def journal(self, entry: str) -> Journal:
        """See `StepStore`."""
        return Journal(self._folder / JOURNALS / entry)

    def workplace(self, entry: str) -> Workplace:
        """See `StepStore`."""
        return Workplace(self._folder / WORKPLACES / entry)

    def _placed(self, kept: Path, targets: Mapping[str, Path]) -> dict[str, float]:
        for name, target in targets.items():
            _link_tree(kept / name, target)
        metrics: dict[str, float] = json.loads((kept / METRICS_FILE).read_text())
        return metrics


class ObjectStepStore:
    """Entries are prefixes `steps/ENTRY/OUTPUT/`, finished when `steps/ENTRY/metrics.json` is there."""

    def __init__(self, store: ObjectStore, address: str) -> None:
        self._store = store
        self._address = address.rstrip("/")

    def find(self, entry: str, targets: Mapping[str, Path]) -> dict[str, float] | None:
        """See `StepStore`; what is fetched is compared with its manifest, what stays in the store is not read.

        Raises:
            TouchstoneError: the store cannot be read, or holds damaged files.
        """
        finished = f"steps/{entry}/{METRICS_FILE}"
        if finished not in self._store.keys(finished):
            return None
        metrics: dict[str, float] = json.loads(self._store.read_bytes(finished))
        for name, target in targets.items():
            key = f"steps/{entry}/{name}"
            made = remote_manifest(f"{self._address}/{key}")
            pointer = f"{key}/{LOCATION_FILE}"
            if pointer in self._store.keys(pointer):
                _point(target, made, json.loads(self._store.read_bytes(pointer))["address"])
            elif _is_large(made):
                _point(target, made, f"{self._address}/{key}")
            else:
                self._store.download(key, target)
        self._remember(entry, targets)
        return metrics

    def make(
        self, entry: str, targets: Mapping[str, Path], work: Work, *, final: Callable[[], bool] = lambda: True
    ) -> dict[str, float]:
        """See `StepStore`.

        Raises:
            TouchstoneError: the store cannot be written, the disk is full; whatever the work raises.
        """
        with tempfile.TemporaryDirectory(prefix="touchstone-step-") as scratch, disk_errors(Path(scratch)):
            aside = {name: Path(scratch) / name for name in targets}
            metrics = work(aside)
            if not final():
                for name, folder in aside.items():
                    _link_tree(folder, targets[name])
                return metrics
            addresses = {name: self._kept(folder, f"steps/{entry}/{name}") for name, folder in aside.items()}
            self._store.write_bytes(f"steps/{entry}/{METRICS_FILE}", canonical.dumps(metrics).encode())
            for name, folder in aside.items():
                made = manifests.read(folder)
                if _is_large(made) or address_of(folder):
                    _point(targets[name], made, addresses[name])
                else:
                    _link_tree(folder, targets[name])
        self._remember(entry, targets)
        return metrics

    def journal(self, entry: str) -> Journal:
        """See `StepStore`; it lies in this machine's cache, and line by line in the store."""
        return Journal(environment.cache_folder() / JOURNALS / entry, JournalCopy(self._store, f"journals/{entry}"))

    def workplace(self, entry: str) -> Workplace:
        """See `StepStore`; in this machine's cache, and in the store."""
        return Workplace(environment.cache_folder() / WORKPLACES / entry, self._store, f"workplaces/{entry}")

    def _kept(self, folder: Path, key: str) -> str:
        """Put an output under `key`; gives the address of its files, which work done elsewhere has put there itself."""
        elsewhere = address_of(folder)
        if elsewhere is None:
            self._store.upload(folder, key)
            return f"{self._address}/{key}"
        for name in (LOCATION_FILE, manifests.FILE_NAME):
            self._store.write_bytes(f"{key}/{name}", (folder / name).read_bytes())
        return elsewhere

    def _remember(self, entry: str, outputs: Iterable[str]) -> None:
        # Which entries a pipeline run used; `touchstone fetch-report` finds a run's report by it.
        run = environment.run_id()
        if run:
            record = canonical.dumps({"entry": entry, "outputs": sorted(outputs)})
            self._store.write_bytes(f"runs/{run}/{entry}.json", record.encode())


def _point(target: Path, made: manifests.Manifest, address: str) -> None:
    clear(target)
    leave_pointer(target, made, address)


def _is_large(made: manifests.Manifest) -> bool:
    return sum(entry.size_bytes for entry in made.files) > DETACH_ABOVE_BYTES


def _link_tree(source: Path, target: Path) -> None:
    def all_but_manifest(folder: str, names: list[str]) -> set[str]:
        return {manifests.FILE_NAME} & set(names) if Path(folder) == source else set()

    clear(target)
    try:
        shutil.copytree(source, target, copy_function=os.link, ignore=all_but_manifest, dirs_exist_ok=True)
        os.link(source / manifests.FILE_NAME, target / manifests.FILE_NAME)
    except OSError:
        # Another file system (KFP's root on tmpfs, say): links cannot cross it.
        clear(target)
        shutil.copytree(source, target, ignore=all_but_manifest, dirs_exist_ok=True)
        shutil.copy2(source / manifests.FILE_NAME, target / manifests.UNFINISHED_NAME)
        (target / manifests.UNFINISHED_NAME).replace(target / manifests.FILE_NAME)
    (target / manifests.UNFINISHED_NAME).unlink(missing_ok=True)
