import os
import subprocess
from pathlib import Path

import pytest

from components.contracts.errors import TouchstoneError, UsageError
from images.context import PATHS, add_wheels, date_files, make_context

COMMITTED = 1_700_000_000


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in PATHS:
        if "." in name or name == "LICENSE":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"{name}\n")
        else:
            (root / name).mkdir(parents=True)
            (root / name / "code.py").write_text("committed = True\n")
    (root / "notes").mkdir()
    (root / "notes" / "private.md").write_text("not for images\n")
    (root / ".gitignore").write_text("secret.key\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def git(root: Path, *arguments: str) -> None:
    date = f"{COMMITTED} +0000"
    environment = os.environ | {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull}
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(root), *names, *arguments], env=environment, check=True)


def test_nothing_uncommitted_ignored_or_foreign_enters(checkout: Path, tmp_path: Path) -> None:
    (checkout / "components" / "new.py").write_text("")
    (checkout / "components" / "code.py").write_text("committed = False\n")
    (checkout / "components" / "secret.key").write_text("")
    out = tmp_path / "out"
    out.mkdir()
    source = make_context(checkout, out)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        *(name for name in PATHS if "." in name or name == "LICENSE"),
        "components/code.py",
        "pipelines/code.py",
        "images/code.py",
    }
    assert (out / "components" / "code.py").read_text() == "committed = True\n"
    assert source.epoch == COMMITTED
    assert len(source.revision) == 40


def test_the_working_tree_enters_when_asked_but_never_what_is_ignored(checkout: Path, tmp_path: Path) -> None:
    (checkout / "components" / "new.py").write_text("")
    (checkout / "components" / "secret.key").write_text("")
    (checkout / "pipelines" / "code.py").unlink()
    (checkout / "pipelines" / "other.py").write_text("")
    out = tmp_path / "out"
    out.mkdir()
    source = make_context(checkout, out, working_tree=True)
    assert (out / "components" / "new.py").exists()
    assert not (out / "components" / "secret.key").exists()
    assert not (out / "pipelines" / "code.py").exists()
    assert source.revision.endswith("-dirty")


def test_a_clean_working_tree_is_the_commit(checkout: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert not make_context(checkout, out, working_tree=True).revision.endswith("-dirty")


def test_a_commit_without_what_images_need_is_refused(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "rm", "-q", "constraints.txt")
    git(checkout, "commit", "-qm", "second")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UsageError, match=r"constraints\.txt"):
        make_context(checkout, out)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError, match="git"):
        make_context(tmp_path, tmp_path)


def test_files_bear_the_commits_date_and_no_umask(checkout: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    source = make_context(checkout, out)
    (out / "LICENSE").chmod(0o600)
    (out / "components" / "code.py").chmod(0o777)
    date_files(out, source.epoch)
    found = {path.relative_to(out).as_posix(): path.stat() for path in out.rglob("*")}
    assert {status.st_mtime for status in found.values()} == {COMMITTED}
    assert found["LICENSE"].st_mode & 0o777 == 0o644
    assert found["components/code.py"].st_mode & 0o777 == 0o755


def test_wheels_enter_and_nothing_else_of_their_folder(checkout: Path, tmp_path: Path) -> None:
    out, wheels = tmp_path / "out", tmp_path / "wheels"
    out.mkdir()
    wheels.mkdir()
    make_context(checkout, out)
    with pytest.raises(UsageError, match="no wheel"):
        add_wheels(out, wheels)
    (wheels / "a-1-py3-none-any.whl").write_bytes(b"wheel")
    (wheels / "readme.txt").write_text("")
    assert add_wheels(out, wheels) == 1
    assert [path.name for path in (out / "wheels").iterdir()] == ["a-1-py3-none-any.whl"]
