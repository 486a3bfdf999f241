"""Where compiled code is kept: beside the sources, where the user says, or in a place of our own."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from components.contracts import compiled


@pytest.fixture
def read_only_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box beside which nothing can be written, and a temporary folder of its own."""
    (tmp_path / "file").touch()
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_read_only_box_has_a_private_place_below_the_temporary_folder(read_only_box: Path) -> None:
    found = compiled._writable_folder(read_only_box / "file", "kernels")
    assert found.is_dir()
    assert found.parent.parent == read_only_box
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    assert compiled._writable_folder(read_only_box / "file", "kernels") == found


def test_a_place_that_others_may_write_to_is_not_trusted(read_only_box: Path) -> None:
    planted = compiled._writable_folder(read_only_box / "file", "kernels").parent
    planted.chmod(0o777)
    assert compiled._writable_folder(read_only_box / "file", "kernels").parent != planted


def test_the_users_own_place_comes_first(read_only_box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(read_only_box / "mine"))
    assert compiled._writable_folder(read_only_box / "file", "kernels") == read_only_box / "mine" / "kernels"
