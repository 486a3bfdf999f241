from pathlib import Path

import pytest

from components.contracts.errors import UsageError
from images.lock import read_lock, update_lock

DIGEST = "@sha256:" + "0123456789abcdef" * 4


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "images.lock"
    entries = {
        "touchstone/python-cpu": "localhost/touchstone/cpu" + DIGEST,
        "touchstone/crowd": "registry.example.org:5000/a/b-c/crowd" + DIGEST,
    }
    update_lock(path, entries)
    assert read_lock(path) == entries
    assert not list(path.parent.glob("*.part"))


def test_an_update_keeps_the_other_images(tmp_path: Path) -> None:
    path = tmp_path / "images.lock"
    update_lock(path, {"touchstone/crowd": "a.org/crowd" + DIGEST, "touchstone/sandbox": "a.org/sandbox" + DIGEST})
    update_lock(path, {"touchstone/crowd": "b.org/crowd" + DIGEST})
    assert read_lock(path) == {
        "touchstone/crowd": "b.org/crowd" + DIGEST,
        "touchstone/sandbox": "a.org/sandbox" + DIGEST,
    }


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("touchstone/crowd", "a.org/crowd:latest"),
        ("touchstone/crowd", "a.org/crowd"),
        ("touchstone/crowd", "a.org/crowd@sha256:0123"),
        ("touchstone/crowd", "a.org/crowd@sha512:" + "0" * 64),
        ("touchstone/crowd", "crowd" + DIGEST),
        ("touchstone/crowd", "a.org/Crowd" + DIGEST),
        ("touchstone/crowd", "a.org/crowd with blanks" + DIGEST),
        ("touchstone/crowd", "[a.org/crowd]"),
        ("crowd", "a.org/crowd" + DIGEST),
        ("touchstone/Crowd", "a.org/crowd" + DIGEST),
    ],
)
def test_a_malformed_entry_is_refused_in_file_and_build(tmp_path: Path, name: str, reference: str) -> None:
    path = tmp_path / "images.lock"
    path.write_text(f"{name}: {reference}\n")
    with pytest.raises(UsageError) as refused:
        read_lock(path)
    assert name in refused.value.found
    path.unlink()
    with pytest.raises(UsageError):
        update_lock(path, {name: reference})
    assert not path.exists()


def test_an_update_of_a_damaged_lock_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "images.lock"
    path.write_text("touchstone/crowd: a.org/crowd:1\n")
    with pytest.raises(UsageError, match=r"a\.org/crowd:1"):
        update_lock(path, {"touchstone/sandbox": "a.org/sandbox" + DIGEST})
    assert path.read_text() == "touchstone/crowd: a.org/crowd:1\n"
