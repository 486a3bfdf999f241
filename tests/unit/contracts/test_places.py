"""Outputs go where nothing of a person's is lost, and never over what is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Checkpoint, Input, Output, write_rows
from components.contracts.rows import Prompt

PROMPT = Prompt(id="p1", text="Why is the sky blue?")


def copy(*, source: Input[Prompt], copied: Output[Prompt]) -> bind.Metrics:
    copied.write(source.rows())
    return {}


def test_a_persons_folder_of_the_same_name_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "notes.txt").write_text("precious")
    with pytest.raises(TouchstoneError, match=r"items holds notes\.txt, which is no artifact"):
        write_rows(tmp_path / "items", Prompt, [PROMPT])
    with pytest.raises(TouchstoneError, match="no artifact"):
        Output(tmp_path / "items", Checkpoint).folder  # noqa: B018 - asking for the folder empties it
    assert (tmp_path / "items" / "notes.txt").read_text() == "precious"


def test_a_foreign_manifest_does_not_make_a_folder_ours(tmp_path: Path) -> None:
    (tmp_path / manifests.FILE_NAME).write_text('{"name": "a web app"}')
    with pytest.raises(TouchstoneError, match="no artifact"):
        write_rows(tmp_path, Prompt, [PROMPT])


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(TouchstoneError, match="out is not a folder"):
        write_rows(tmp_path / "out", Prompt, [PROMPT])


@pytest.mark.parametrize("before", ["nothing", "empty folder", "finished", "unfinished"])
def test_what_may_be_written_over(tmp_path: Path, before: str) -> None:
    place = tmp_path / "out"
    if before == "empty folder":
        place.mkdir()
    if before == "finished":
        write_rows(place, Prompt, [PROMPT, PROMPT])
    if before == "unfinished":
        (Output(place, Checkpoint).folder / "half.bin").write_bytes(b"01")
    write_rows(place, Prompt, [PROMPT])
    assert Input(place, Prompt).rows() == [PROMPT]
    assert sorted(path.name for path in place.iterdir()) == ["manifest.json", "rows.jsonl"]


def test_a_killed_rewrite_leaves_no_finished_artifact_and_no_stranger(tmp_path: Path) -> None:
    def rows() -> Iterator[Prompt]:
        yield PROMPT
        raise KeyboardInterrupt

    write_rows(tmp_path / "out", Prompt, [PROMPT])
    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / "out", Prompt, rows())
    assert not (tmp_path / "out" / manifests.FILE_NAME).exists()
    write_rows(tmp_path / "out", Prompt, [PROMPT])
    assert Input(tmp_path / "out", Prompt).rows() == [PROMPT]


@pytest.mark.parametrize("given", ["source", ".", "source/below"])
def test_an_output_never_replaces_what_is_read(tmp_path: Path, given: str) -> None:
    write_rows(tmp_path / "source", Prompt, [PROMPT])
    if given == ".":
        write_rows(tmp_path / "outer", Prompt, [PROMPT])
        (tmp_path / "source").rename(tmp_path / "outer" / "source")
        source, target = tmp_path / "outer" / "source", tmp_path / "outer"
    else:
        source, target = tmp_path / "source", tmp_path / given
    with pytest.raises(UsageError, match="the input source"):
        bind.call(copy, source=source, copied=target)
    assert Input(source, Prompt).rows() == [PROMPT]


def test_nothing_is_worked_before_an_output_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    write_rows(tmp_path / "source", Prompt, [PROMPT])
    (tmp_path / "copied").mkdir()
    (tmp_path / "copied" / "notes.txt").write_text("precious")
    with pytest.raises(TouchstoneError, match="no artifact"):
        bind.call(copy, source=tmp_path / "source", copied=tmp_path / "copied")
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "copied" / "notes.txt").read_text() == "precious"


def test_a_rewrite_of_a_linked_output_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_STORE", str(tmp_path / "store"))
    write_rows(tmp_path / "source", Prompt, [PROMPT])
    bind.call(copy, source=tmp_path / "source", copied=tmp_path / "copied")
    write_rows(tmp_path / "copied", Prompt, [])
    assert bind.call(copy, source=tmp_path / "source", copied=tmp_path / "copied").reused
    assert Input(tmp_path / "copied", Prompt).rows() == [PROMPT]
    assert sorted(path.name for path in (tmp_path / "copied").iterdir()) == ["manifest.json", "rows.jsonl"]
