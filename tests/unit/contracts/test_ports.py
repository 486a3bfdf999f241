import os
import subprocess
from pathlib import Path

import pytest

from components.contracts import ports
from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError
from components.contracts.manifest import FILE_NAME
from components.contracts.ports import Checkpoint, Input, Output
from components.contracts.rows import Prompt

ROWS = [Prompt(id="1", text="why"), Prompt(id="2", text="wherefore\n“é”")]


def written(folder: Path) -> Input[Prompt]:
    Output(folder, Prompt).write(ROWS)
    return Input(folder, Prompt)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    assert written(tmp_path / "a").rows() == ROWS


def test_large_artifacts_are_compressed_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "COMPRESS_ABOVE_BYTES", 10)
    port = written(tmp_path / "a")
    assert [entry.name for entry in port.manifest.files] == ["rows.jsonl.zst"]
    assert port.rows() == ROWS


def test_equal_rows_have_equal_digests_whatever_made_them(tmp_path: Path) -> None:
    Output(tmp_path / "b", Prompt, ports.Provenance(step="other")).write(ROWS, notes={"seen": 3})
    assert written(tmp_path / "a").digest == Input(tmp_path / "b", Prompt).digest


def test_without_a_manifest_nothing_is_read(tmp_path: Path) -> None:
    port = written(tmp_path / "a")
    (port.path / FILE_NAME).unlink()
    with pytest.raises(TouchstoneError, match=r"has no manifest\.json"):
        Input(port.path, Prompt).rows()


def test_a_changed_row_is_refused_by_name(tmp_path: Path) -> None:
    port = written(tmp_path / "a")
    target = port.path / "rows.jsonl"
    target.write_text(target.read_text().replace("why", "who"))
    with pytest.raises(TouchstoneError, match=r"rows\.jsonl was changed"):
        Input(port.path, Prompt).rows()


def test_an_added_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    port = written(tmp_path / "a")
    (port.path / "stray").write_text("x")
    with pytest.raises(TouchstoneError, match="stray is not in the manifest"):
        Input(port.path, Prompt).rows()
    (port.path / "stray").unlink()
    (port.path / "rows.jsonl").unlink()
    with pytest.raises(TouchstoneError, match=r"rows\.jsonl is missing"):
        Input(port.path, Prompt).rows()


def test_another_row_type_is_refused(tmp_path: Path) -> None:
    port = written(tmp_path / "a")
    with pytest.raises(TouchstoneError, match="holds Prompt version 1") as raised:
        Input(port.path, Dialogue).rows()
    assert raised.value.expected == "Dialogue version 1"


def test_a_damaged_manifest_is_told_from_a_missing_one(tmp_path: Path) -> None:
    port = written(tmp_path / "a")
    (port.path / FILE_NAME).write_text('{"contract": "Prompt"')
    with pytest.raises(TouchstoneError, match="is not a Touchstone manifest"):
        Input(port.path, Prompt).rows()


def test_a_writer_that_fails_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    port = written(tmp_path / "a")

    def broken() -> object:
        yield ROWS[0]
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        Output(port.path, Prompt).write(broken())  # type: ignore[arg-type]
    assert not (port.path / FILE_NAME).exists()


def test_a_checkpoint_is_verified_file_by_file(tmp_path: Path) -> None:
    out = Output(tmp_path / "model", Checkpoint)
    (out.folder / "weights").write_bytes(b"\x00\x01")
    out.commit(notes={"loss": 1.5})
    assert Input(tmp_path / "model", Checkpoint).folder == tmp_path / "model"
    (tmp_path / "model" / "weights").write_bytes(b"\x00\x02")
    with pytest.raises(TouchstoneError, match="weights was changed"):
        _ = Input(tmp_path / "model", Checkpoint).folder


def test_a_path_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TouchstoneError, match="cannot write"):
        Output(tmp_path / "file" / "a", Prompt).write(ROWS)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_is_told_and_leaves_nothing_finished(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True)
    if made.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        many = (Prompt(id=str(i), text="x" * 1000) for i in range(200))
        with pytest.raises(TouchstoneError, match="No space left") as raised:
            Output(mount / "a", Prompt).write(many)
        assert "free disk space" in raised.value.remedy
        assert not (mount / "a" / FILE_NAME).exists()
    finally:
        subprocess.run(["umount", str(mount)], check=True)
