"""Where a step keeps what it would need to go on: whole states, numbered, found again under the step's identity.

    def train(*, ..., checkpoint: Output[Checkpoint], workplace: Workplace, params: Params) -> Metrics:
        state = workplace.newest(TrainingState)            # None, or the number and folder of the last whole one
        ...
        workplace.save(step, TrainingState, write_files)   # returns at once; `write_files` runs in a thread

`bind` makes it, as it makes a journal: the same code, parameters and inputs find it again, and it is removed when the
step's outputs are finished. A state is an artifact: its manifest is written last, and one that was damaged afterwards
is passed over, aloud, for the one before it. With an object store every state goes there too, so that another machine
goes on where this one was lost.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Folder, Input, Output

if TYPE_CHECKING:
    from components.contracts.object_store import ObjectStore

KEPT_STATES = 2
"""The newest may turn out to be damaged."""


class State(NamedTuple):
    """A whole state on this machine."""

    number: int
    folder: Path


class Workplace:
    """Numbered states of one step. Nothing is on disk before the first `save`."""

    def __init__(self, folder: Path, store: ObjectStore | None = None, prefix: str = "") -> None:
        """Keep states in `folder`.

        Args:
            folder: A folder of its own.
            store: Where every state goes as well.
            prefix: Its keys there begin with this.
        """
        self._folder = folder
        self._store = store
        self._prefix = prefix
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="workplace")
        self._writing: Future[None] | None = None
        self.problem = ""
        """Why the last `save` came to nothing, if it did. Older states are still there."""

    @property
    def used(self) -> bool:
        """Whether there is anything in it."""
        return self._folder.exists()

    @property
    def busy(self) -> bool:
        """Whether a state is still being written."""
        return self._writing is not None and not self._writing.done()

    def save(self, number: int, contract: type[Folder], write: Callable[[Path], None]) -> None:
        """Keep a state, in the background; waits only for the one before it.

        A state that cannot be written (full disk, store away) costs nothing but itself: the problem is told on the
        standard error stream and in `problem`, and the states before it stay.

        Args:
            number: Larger than those before, such as the step of a training.
            contract: What the state is.
            write: Puts the state's files into the folder it is given; runs in a thread, on data of its own.
        """
        self.wait()
        self._writing = self._writer.submit(self._save, number, contract, write)

    def wait(self) -> None:
        """Until the state being written is on disk, and in the store."""
        if self._writing is not None:
            self._writing.result()

    def newest(self, contract: type[Folder]) -> State | None:
        """The last whole state, fetched from the store where this machine has none as new.

        Raises:
            TouchstoneError: the store cannot be read.
        """
        self.wait()
        here = {int(path.name) for path in self._folder.iterdir() if path.name.isdigit()} if self.used else set()
        for number in sorted(here | self._stored(), reverse=True):
            folder = self._folder / f"{number:010d}"
            try:
                if number not in here:
                    assert self._store is not None
                    self._store.download(self._key(number), folder)
                return State(number, Input(folder, contract).folder)
            except TouchstoneError as error:
                _say(f"state {number} is passed over: {error.found}")
        return None

    def within(self, name: str) -> Workplace:
        """A place of its own in this one, removed with it; to be closed as well.

        Args:
            name: Not a number: those are this place's states.
        """
        assert not name.isdigit(), name
        return Workplace(self._folder / name, self._store, f"{self._prefix}/{name}")

    def close(self) -> None:
        """Wait for what is being written, and let go."""
        self.wait()
        self._writer.shutdown()

    def remove(self) -> None:
        """Forget every state: the work is finished elsewhere.

        Raises:
            TouchstoneError: the store cannot be written.
        """
        self.wait()
        if self._store is not None:
            self._store.delete(self._prefix)
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another step's stands in it, or has taken it away: cells run side by side
            self._folder.parent.rmdir()

    def _save(self, number: int, contract: type[Folder], write: Callable[[Path], None]) -> None:
        # Anything that goes wrong here must not end hours of training: the next state may be written again.
        try:
            partial = self._folder / ".partial"
            output = Output(partial, contract)
            write(output.folder)
            output.commit()
            whole = self._folder / f"{number:010d}"
            shutil.rmtree(whole, ignore_errors=True)
            partial.rename(whole)
            self._prune(number)
            if self._store is not None:
                self._store.upload(whole, self._key(number))
                for old in sorted(self._stored())[:-KEPT_STATES]:
                    self._store.delete(self._key(old))
            self.problem = ""
        except (OSError, TouchstoneError) as error:
            self.problem = str(error)
            _say(f"state {number} could not be kept, training goes on: {error}")

    def _prune(self, newest: int) -> None:
        whole = sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdigit())
        for number in [n for n in whole if n <= newest][:-KEPT_STATES]:
            folder = self._folder / f"{number:010d}"
            (folder / manifests.FILE_NAME).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _stored(self) -> set[int]:
        """Numbers of the states in the store."""
        if self._store is None:
            return set()
        ends = f"/{manifests.FILE_NAME}"
        keys = [key for key in self._store.keys(f"{self._prefix}/") if key.endswith(ends)]
        names = [key.removeprefix(f"{self._prefix}/").removesuffix(ends) for key in keys]
        return {int(name) for name in names if name.isdigit()}

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{number:010d}"


def _say(text: str) -> None:
    sys.stderr.write(f"workplace: {text}\n")
