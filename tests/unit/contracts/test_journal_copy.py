import shutil
import threading
from pathlib import Path

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.journal_copy import JournalCopy
from components.contracts.journal_file import FILE_NAME
from components.contracts.object_store import FileStore


class GatedStore(FileStore):
    """A folder store whose writes wait until they are let through, or fail when it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.failing = False

    def write_bytes(self, key: str, data: bytes) -> None:
        self.begun.set()
        self.gate.wait()
        if self.failing:
            raise TouchstoneError("the store is gone")
        super().write_bytes(key, data)


def journal(tmp_path: Path, node: str, store: FileStore | None = None) -> Journal:
    return Journal(tmp_path / node, JournalCopy(store or FileStore(tmp_path / "bucket"), "journals/x"))


def append(made: Journal, *keys: str) -> None:
    for key in keys:
        made.append(key, {"said": key})


def keys(made: Journal) -> list[str]:
    found = [record.key for record in made.records()]
    made.close()
    return found


def test_another_node_finds_what_a_lost_one_appended(tmp_path: Path) -> None:
    first = journal(tmp_path, "one")
    append(first, "a", "b", "c")
    first.close()
    other = journal(tmp_path, "two")
    assert other.read("b") == {"said": "b"}
    append(other, "d")
    assert keys(other) == ["a", "b", "c", "d"]
    assert keys(journal(tmp_path, "three")) == ["a", "b", "c", "d"]


def test_lines_gather_while_an_object_is_being_written(tmp_path: Path) -> None:
    store = GatedStore(tmp_path / "bucket")
    made = journal(tmp_path, "one", store)
    append(made, "a")
    store.begun.wait()
    append(made, *"bcdefgh")
    assert len(list(store.keys("journals/x/"))) == 0, "appending did not wait for the store"
    store.gate.set()
    made.close()
    assert len(list(store.keys("journals/x/"))) == 2
    assert keys(journal(tmp_path, "two")) == list("abcdefgh")


def test_a_kill_before_the_copy_was_made_is_mended_by_the_next_opening(tmp_path: Path) -> None:
    alone = Journal(tmp_path / "one")
    append(alone, "a", "b")
    alone.close()
    again = journal(tmp_path, "one")
    append(again, "c")
    again.close()
    assert keys(journal(tmp_path, "two")) == ["a", "b", "c"]


def test_two_nodes_that_went_apart_are_joined_and_nothing_is_there_twice(tmp_path: Path) -> None:
    first = journal(tmp_path, "one")
    append(first, "a")
    first.close()
    ahead = Journal(tmp_path / "one")  # its copies never arrived
    append(ahead, "b")
    ahead.close()
    other = journal(tmp_path, "two")
    append(other, "c")
    other.close()
    back = journal(tmp_path, "one")
    assert keys(back) == ["a", "b", "c"]
    assert sorted(keys(journal(tmp_path, "three"))) == ["a", "b", "c"]
    assert (tmp_path / "one" / FILE_NAME).read_bytes().count(b"\n") == 3


def test_a_store_that_fails_stops_the_step_and_the_local_journal_stays(tmp_path: Path) -> None:
    store = GatedStore(tmp_path / "bucket")
    store.gate.set()
    store.failing = True
    made = journal(tmp_path, "one", store)
    append(made, "a")
    with pytest.raises(TouchstoneError, match="the store is gone"):
        made.close()
    assert keys(Journal(tmp_path / "one")) == ["a"]


def test_damage_in_the_store_is_refused(tmp_path: Path) -> None:
    first = journal(tmp_path, "one")
    append(first, "a")
    first.close()
    store = FileStore(tmp_path / "bucket")
    (key,) = store.keys("journals/x/")
    store.write_bytes(key, store.read_bytes(key).replace(b'"a"', b'"b"'))
    shutil.rmtree(tmp_path / "one")
    with pytest.raises(TouchstoneError, match="damaged at a line of its copy"):
        keys(journal(tmp_path, "two"))


def test_removing_takes_the_copy_along(tmp_path: Path) -> None:
    made = journal(tmp_path, "one")
    append(made, "a")
    made.remove()
    assert list(FileStore(tmp_path / "bucket").keys("journals/")) == []
    assert keys(journal(tmp_path, "one")) == []
