from pathlib import Path

import pytest

from components.contracts import images
from components.contracts.errors import UsageError
from pipelines.cluster.image_lock import NEEDED, read_lock

PINNED = "example.org:5000/touchstone/cpu@sha256:" + "0" * 64


def written(folder: Path, **changes: str) -> Path:
    lines = dict.fromkeys(NEEDED, PINNED) | changes
    path = folder / "images.lock"
    path.write_text("".join(f"{name}: {reference}\n" for name, reference in lines.items()))
    return path


def test_a_lock_maps_logical_names_to_digests(tmp_path: Path) -> None:
    assert read_lock(written(tmp_path))[images.CPU] == PINNED


@pytest.mark.parametrize(
    "reference",
    [
        "example.org/touchstone/cpu",
        "example.org/touchstone/cpu:0.1.0",
        "example.org/touchstone/cpu:latest",
        "example.org/touchstone/cpu@sha256:" + "0" * 63,
        "example.org/touchstone/cpu@md5:" + "0" * 64,
        "sha256:" + "0" * 64,
    ],
)
def test_a_reference_that_can_move_is_refused_by_name(tmp_path: Path, reference: str) -> None:
    with pytest.raises(UsageError, match="can change") as refused:
        read_lock(written(tmp_path, **{images.TRAIN: reference}))
    assert reference in refused.value.found


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.lock"
    path.write_text(f"{images.CPU}: {PINNED}\n")
    with pytest.raises(UsageError, match=images.GENERATE):
        read_lock(path)


def test_a_missing_file_and_a_list_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no .*images\.lock") as raised:
        read_lock(tmp_path / "images.lock")
    assert "python -m images build" in raised.value.remedy
    (tmp_path / "list").write_text("- a\n")
    with pytest.raises(UsageError, match="holds a list"):
        read_lock(tmp_path / "list")
