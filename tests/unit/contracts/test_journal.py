import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal
from components.contracts.journal_file import FILE_NAME

WRITER = """
import os, sys
from pathlib import Path
from components.contracts.journal import Journal
journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    journal.append(f"k{number}", {"number": number, "padding": "x" * 200})
    os.write(1, f"k{number}\\n".encode())
    number += 1
"""


def written(folder: Path, *keys: str) -> bytes:
    journal = Journal(folder)
    for key in keys:
        journal.append(key, {"said": key})
    journal.close()
    return (folder / FILE_NAME).read_bytes()


def keys(folder: Path) -> list[str]:
    journal = Journal(folder)
    found = [record.key for record in journal.records()]
    journal.close()
    return found


def test_what_was_appended_is_read_back_after_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "j")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    whole = [line.decode().strip() for line in told if line.endswith(b"\n")]
    found = keys(tmp_path / "j")
    assert found[: len(whole)] == whole, "an append that returned is there"
    assert len(found) - len(whole) <= 1, "at most the one that had not yet returned comes on top"


@pytest.mark.parametrize("cut", [1, 2, 10, 40])
def test_a_torn_last_line_is_dropped_and_the_journal_goes_on(tmp_path: Path, cut: int) -> None:
    data = written(tmp_path, "a", "b", "c")
    (tmp_path / FILE_NAME).write_bytes(data[:-cut])
    journal = Journal(tmp_path)
    assert [record.key for record in journal.records()] == ["a", "b"]
    assert journal.num_dropped_bytes > 0
    journal.append("d", {"said": "d"})
    journal.close()
    assert keys(tmp_path) == ["a", "b", "d"]


def test_a_block_that_a_power_cut_left_empty_is_dropped(tmp_path: Path) -> None:
    data = written(tmp_path, "a", "b")
    (tmp_path / FILE_NAME).write_bytes(data + b"\0" * 4096)
    assert keys(tmp_path) == ["a", "b"]
    assert (tmp_path / FILE_NAME).read_bytes() == data


@pytest.mark.parametrize("place", [3, 12, 30])
def test_damage_before_the_last_line_is_refused_and_left_as_it_is(tmp_path: Path, place: int) -> None:
    data = bytearray(written(tmp_path, "a", "b"))
    data[place] ^= 1
    (tmp_path / FILE_NAME).write_bytes(bytes(data))
    with pytest.raises(TouchstoneError, match="damaged at line 1"):
        keys(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == bytes(data)


def test_damage_while_it_is_open_is_noticed_when_the_record_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("a", {"said": "something"})
    data = bytearray((tmp_path / FILE_NAME).read_bytes())
    data[-5] ^= 1
    (tmp_path / FILE_NAME).write_bytes(bytes(data))
    with pytest.raises(TouchstoneError, match="damaged"):
        journal.read("a")
    journal.close()


def test_only_one_may_hold_it(tmp_path: Path) -> None:
    first, second = Journal(tmp_path), Journal(tmp_path)
    first.append("a", {})
    with pytest.raises(TouchstoneError, match="another process is doing the same work"):
        second.append("b", {})
    first.close()
    second.append("b", {})
    second.close()
    assert keys(tmp_path) == ["a", "b"]


def test_many_threads_append_and_read_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)

    def work(name: int) -> None:
        for number in range(40):
            journal.append(f"{name}-{number}", {"at": [name, number]})
            assert journal.read(f"{name}-{number}") == {"at": [name, number]}

    threads = [threading.Thread(target=work, args=(name,)) for name in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    lines = (tmp_path / FILE_NAME).read_bytes().count(b"\n")
    found = keys(tmp_path)
    assert sorted(found) == sorted(f"{name}-{number}" for name in range(12) for number in range(40))
    assert lines < len(found), "threads that wait share a write"


def test_an_append_returns_when_its_record_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, on_disk, to_disk = Journal(tmp_path), [b""], os.fsync

    def fsync(file: int) -> None:
        there = (tmp_path / FILE_NAME).read_bytes()
        to_disk(file)
        on_disk[0] = there

    def work(name: int) -> None:
        for number in range(10):
            journal.append(f"{name}-{number}", {})
            assert b'"%d-%d"' % (name, number) in on_disk[0]

    journal.append("first", {})
    monkeypatch.setattr(os, "fsync", fsync)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    journal.close()


def test_a_write_that_fails_is_told_to_all_who_shared_it_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, begun, all_there, to_disk = Journal(tmp_path), threading.Event(), threading.Event(), os.fsync
    journal.append("first", {})

    def full(file: int) -> None:
        monkeypatch.setattr(os, "fsync", to_disk)
        raise OSError(errno.ENOSPC, "No space left on device")

    def slow(file: int) -> None:
        monkeypatch.setattr(os, "fsync", full)
        begun.set()
        assert all_there.wait(10)
        to_disk(file)

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(5) as threads:
        alone = threads.submit(journal.append, "alone", {})
        assert begun.wait(10)
        together = [threads.submit(journal.append, f"together {i}", {}) for i in range(4)]
        while len(journal._waiting.records) < len(together):
            threading.Event().wait(0.001)
        all_there.set()
        alone.result(10)
        for append in together:
            with pytest.raises(TouchstoneError, match="No space left"):
                append.result(10)
    journal.append("later", {})
    journal.close()
    assert keys(tmp_path) == ["first", "alone", "later"]


def test_an_interrupt_while_it_writes_for_others_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, to_disk = Journal(tmp_path), os.fsync
    journal.append("first", {})

    def interrupted(file: int) -> None:
        monkeypatch.setattr(os, "fsync", to_disk)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.append("cut off", {"padding": "x" * 1000})
    with ThreadPoolExecutor(1) as threads:
        threads.submit(journal.append, "later", {}).result(10)
    journal.close()
    assert (tmp_path / FILE_NAME).read_bytes().count(b"\n") == 2, "nothing of it is left behind what came later"
    assert keys(tmp_path) == ["first", "later"]


def test_the_last_of_a_key_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("a", {"n": 1})
    journal.append("a", {"n": 2})
    journal.close()
    again = Journal(tmp_path)
    assert again.read("a") == {"n": 2}
    assert again.read("b") is None
    assert "a" in again
    assert "b" not in again
    again.close()


def test_texts_that_no_utf8_file_can_hold_survive(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("half", {"text": "\ud83d \u2028 \0 ü"})
    journal.close()
    again = Journal(tmp_path)
    assert again.read("half") == {"text": "\ud83d \u2028 \0 ü"}
    again.close()


def test_a_payload_that_is_no_json_spoils_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("a", {})
    with pytest.raises(ValueError, match="JSON"):
        journal.append("b", {"x": float("nan")})
    journal.append("c", {})
    journal.close()
    assert keys(tmp_path) == ["a", "c"]


def test_an_unused_journal_leaves_nothing_on_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals" / "one")
    journal.close()
    assert not journal.used
    assert not (tmp_path / "journals").exists()


def test_removing_leaves_no_empty_folders_but_other_journals(tmp_path: Path) -> None:
    one, other = Journal(tmp_path / "journals" / "one"), Journal(tmp_path / "journals" / "other")
    one.append("a", {})
    other.append("a", {})
    one.remove()
    assert [path.name for path in (tmp_path / "journals").iterdir()] == ["other"]
    other.remove()
    assert not (tmp_path / "journals").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_told_and_what_is_there_stays_whole(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        journal = Journal(small / "j")
        fill = (journal.append(str(number), {"padding": "x" * 5000}) for number in range(100))
        with pytest.raises(TouchstoneError, match="No space left"):
            list(fill)
        kept = [record.key for record in journal.records()]
        journal.append("small", {})
        journal.close()
        assert (small / "j" / FILE_NAME).read_bytes().endswith(b"\n"), "no half line stays behind it"
        assert keys(small / "j") == [*kept, "small"]
        assert len(kept) > 5
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.slow
def test_journals_that_end_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    def use(number: int) -> None:
        for turn in range(40):
            journal = Journal(tmp_path / "journals" / f"{number}-{turn}")
            journal.append("k", {"said": number})
            journal.remove()

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they meet in every place
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(use, range(8)))
    finally:
        sys.setswitchinterval(usual)
    assert not list(tmp_path.rglob(FILE_NAME))
