from pathlib import Path

import pytest

from components.contracts.s3.partial_file import PartialFile

IDENTITY = {"etag": "a", "part_bytes": 4}


def interrupted(path: Path, identity: dict[str, object] = IDENTITY) -> None:
    file = PartialFile(path, size_bytes=12, identity=identity)
    file.write(b"efgh", 4)
    file.mark(1)
    file.close()


def test_a_second_attempt_knows_what_the_first_wrote(tmp_path: Path) -> None:
    interrupted(tmp_path / "f")
    file = PartialFile(tmp_path / "f", size_bytes=12, identity=IDENTITY)
    assert file.done == {1}
    file.write(b"abcd", 0)
    file.write(b"ijkl", 8)
    file.move_to(tmp_path / "sub" / "whole")
    file.close()
    assert (tmp_path / "sub" / "whole").read_bytes() == b"abcdefghijkl"
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


@pytest.mark.parametrize("change", [{"etag": "b"}, {"part_bytes": 8}])
def test_parts_of_something_else_are_forgotten(tmp_path: Path, change: dict[str, object]) -> None:
    interrupted(tmp_path / "f")
    file = PartialFile(tmp_path / "f", size_bytes=12, identity=IDENTITY | change)
    file.close()
    assert file.done == set()


@pytest.mark.parametrize(
    ("journal", "done"),
    [
        ('{"etag": "a", "part_bytes": 4}\n1\n2', {1}),
        ('{"etag": "a", "part_bytes": 4}\n1\n2\n', {1, 2}),
        ('{"etag": "a", "part_by', set()),
        ("", set()),
        ("\n1\n", set()),
    ],
)
def test_a_torn_journal_is_believed_up_to_its_last_line_end(tmp_path: Path, journal: str, done: set[int]) -> None:
    interrupted(tmp_path / "f")
    (tmp_path / "f.journal").write_text(journal)
    file = PartialFile(tmp_path / "f", size_bytes=12, identity=IDENTITY)
    file.close()
    assert file.done == done
    # A torn line is not left in the way of the next one.
    file = PartialFile(tmp_path / "f", size_bytes=12, identity=IDENTITY)
    file.mark(0)
    file.close()
    again = PartialFile(tmp_path / "f", size_bytes=12, identity=IDENTITY)
    again.close()
    assert again.done == done | {0}


def test_a_journal_without_its_file_is_worth_nothing(tmp_path: Path) -> None:
    interrupted(tmp_path / "f")
    (tmp_path / "f.partial").unlink()
    file = PartialFile(tmp_path / "f", size_bytes=12, identity=IDENTITY)
    file.close()
    assert file.done == set()


def test_the_whole_size_is_reserved(tmp_path: Path) -> None:
    PartialFile(tmp_path / "f", size_bytes=1 << 20, identity=IDENTITY).close()
    assert (tmp_path / "f.partial").stat().st_blocks * 512 >= 1 << 20
