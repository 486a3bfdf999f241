"""States of a step: whole or not there, on this machine and in the store."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts.object_store import FileStore
from components.contracts.ports import Folder
from components.contracts.workplace import KEPT_STATES, Workplace


class Numbers(Folder):
    """A state with one number in it."""


def holding(number: int) -> Callable[[Path], None]:
    return lambda folder: (folder / "number").write_text(str(number)) and None


def newest(place: Workplace) -> int | None:
    state = place.newest(Numbers)
    if state is None:
        return None
    assert (state.folder / "number").read_text() == str(state.number)
    return state.number


def test_the_last_states_are_kept_and_the_newest_is_found_again(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "place")
    assert newest(place) is None
    assert not place.used
    for number in (10, 20, 30):
        place.save(number, Numbers, holding(number))
    place.close()
    assert len(list((tmp_path / "place").iterdir())) == KEPT_STATES
    assert newest(Workplace(tmp_path / "place")) == 30


def test_saving_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    place, gate = Workplace(tmp_path / "place"), threading.Event()

    def slow(folder: Path) -> None:
        gate.wait(10)
        holding(1)(folder)

    place.save(1, Numbers, slow)
    assert place.busy
    gate.set()
    place.wait()
    assert not place.busy
    assert newest(place) == 1


def test_a_state_that_could_not_be_written_is_told_and_the_one_before_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Workplace(tmp_path / "place")
    place.save(1, Numbers, holding(1))

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    place.save(2, Numbers, full)
    place.wait()
    assert "No space left" in place.problem
    assert "state 2 could not be kept" in capsys.readouterr().err
    assert newest(place) == 1
    place.save(3, Numbers, holding(3))
    place.wait()
    assert not place.problem
    assert newest(place) == 3


def test_another_machine_goes_on_from_the_store(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    here = Workplace(tmp_path / "here", store, "workplaces/train-1")
    for number in (1, 2, 3):
        here.save(number, Numbers, holding(number))
    here.close()
    there = Workplace(tmp_path / "there", store, "workplaces/train-1")
    assert newest(there) == 3
    kept = {key.split("/")[2] for key in store.keys("workplaces/")}
    assert len(kept) == KEPT_STATES
    there.remove()
    assert list(store.keys("workplaces/")) == []
    assert not (tmp_path / "there").exists()


def test_a_damaged_state_in_the_store_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FileStore(tmp_path / "store")
    here = Workplace(tmp_path / "here", store, "w/t")
    for number in (1, 2):
        here.save(number, Numbers, holding(number))
    here.close()
    (newest_file,) = (tmp_path / "store").glob("w/t/*2/number")
    newest_file.write_text("7")
    shutil.rmtree(tmp_path / "here")
    assert newest(Workplace(tmp_path / "there", store, "w/t")) == 1
    assert "state 2 is passed over" in capsys.readouterr().err


def test_a_store_that_is_away_costs_the_copy_alone(tmp_path: Path) -> None:
    blocked = tmp_path / "store"
    blocked.write_text("a file where the store's folder should be")
    here = Workplace(tmp_path / "here", FileStore(blocked), "w/t")
    here.save(1, Numbers, holding(1))
    here.wait()
    assert here.problem
    assert newest(Workplace(tmp_path / "here")) == 1


def test_a_place_within_keeps_states_of_its_own_and_goes_with_the_outer_one(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    outer = Workplace(tmp_path / "place", store, "states")
    inner = outer.within("amount-5")
    outer.save(3, Numbers, holding(3))
    inner.save(7, Numbers, holding(7))
    outer.close()
    inner.close()
    elsewhere = Workplace(tmp_path / "other machine", store, "states")
    assert newest(elsewhere) == 3, "the inner one's states are none of the outer one's"
    assert newest(elsewhere.within("amount-5")) == 7
    outer.remove()
    assert not list(store.keys("states"))
    assert newest(Workplace(tmp_path / "place", store, "states").within("amount-5")) is None
