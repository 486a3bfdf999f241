"""A process for each device: the same answers, whatever happens to the processes."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.generate.hf.engine import HfBackend
from tests.unit.generate.runs import by_id, mixed_requests, save_llama

TWO = ("cpu", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Killer:
    """Kills a worker whenever the journal has grown to the next of some numbers of units."""

    def __init__(self, place: Path, *at_units: int) -> None:
        self._place, self._at = place, list(at_units)
        self._over = threading.Event()
        self.killed: list[int] = []
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._at and not self._over.wait(0.001):
            path = self._place / "journal.log"
            units = path.read_bytes().count(b'"unit ') if path.exists() else -1
            if units >= self._at[0]:
                self._at.pop(0)
                for child in multiprocessing.active_children()[:1]:
                    # It may end by itself meanwhile.
                    with contextlib.suppress(ProcessLookupError, ValueError):
                        os.kill(child.pid or 0, signal.SIGKILL)
                        self.killed.append(child.pid or 0)


@pytest.mark.slow
def test_two_workers_give_the_bits_of_one_process(folder: Path, tmp_path: Path) -> None:
    asked = mixed_requests()
    alone = HfBackend(folder).answer(asked, "m")
    with contextlib.closing(Journal(tmp_path)) as journal:
        together = HfBackend(folder, journal, devices=TWO).answer(asked, "m")
    assert by_id(together) == by_id(alone)
    assert together.metrics == alone.metrics
    assert not multiprocessing.active_children()
    # Begun by two, continued by one.
    with contextlib.closing(Journal(tmp_path)) as journal:
        continued = HfBackend(folder, journal).answer(asked, "m")
    assert continued.metrics["units_reused"] == continued.metrics["units"]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = mixed_requests(60)
    alone = HfBackend(folder).answer(asked, "m")
    with contextlib.closing(Journal(tmp_path)) as journal, Killer(tmp_path, 1) as killer:
        together = HfBackend(folder, journal, devices=TWO).answer(asked, "m")
    assert len(killer.killed) == 1
    assert together.metrics["workers_lost"] == 1
    assert by_id(together) == by_id(alone)
    assert "the worker on cpu was killed by signal 9; it is started again" in capfd.readouterr().err


@pytest.mark.slow
def test_workers_that_die_again_and_again_end_the_step_and_what_is_finished_stays(folder: Path, tmp_path: Path) -> None:
    asked = mixed_requests(60)
    with contextlib.closing(Journal(tmp_path)) as journal, Killer(tmp_path, *[1] * 1000):
        backend = HfBackend(folder, journal, devices=TWO)
        with pytest.raises(TouchstoneError, match=r"workers ended over unit|no worker is left") as caught:
            backend.answer(asked, "m")
    assert "what is finished is kept" in caught.value.remedy
    assert not multiprocessing.active_children()
    with contextlib.closing(Journal(tmp_path)) as journal:
        assert HfBackend(folder, journal).answer(asked, "m").metrics["units_reused"] >= 1


@pytest.mark.slow
def test_what_a_worker_finds_wrong_is_said_by_the_step(folder: Path, tmp_path: Path) -> None:
    backend = HfBackend(folder, devices=TWO)
    (folder / "model.safetensors").rename(tmp_path / "aside")
    try:
        with pytest.raises(TouchstoneError, match="cannot be loaded"):
            backend.answer(mixed_requests(1), "m")
    finally:
        (tmp_path / "aside").rename(folder / "model.safetensors")
    assert not multiprocessing.active_children()
