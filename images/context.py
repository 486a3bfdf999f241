"""The build context: files of one commit, so that nothing uncommitted or ignored can enter an image."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import TouchstoneError, UsageError

# All that a Dockerfile copies. Less in the context means fewer reasons to build a layer again.
PATHS = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "components", "pipelines", "images")


@dataclass(frozen=True)
class Source:
    """What a context was made from."""

    revision: str
    """Commit, with `-dirty` behind it where files of the working tree are in it."""
    epoch: int
    """Time of the commit, in seconds since 1970: the image's date."""


def make_context(root: Path, out: Path, *, working_tree: bool = False) -> Source:
    """Fill the folder `out` from the checkout at `root`.

    Args:
        root: A git checkout.
        out: An empty folder.
        working_tree: Take the files as they lie there, tracked or new but not ignored, rather than the commit's.

    Raises:
        TouchstoneError: no git, or no commit yet.
        UsageError: a path that images need is not in the commit.
    """
    revision, epoch = git(root, "log", "-1", "--format=%H %ct").decode().split()
    if working_tree:
        names = git(root, "ls-files", "-z", "-co", "--exclude-standard", "--", *PATHS).decode().split("\0")
        for name in filter(None, names):
            if (root / name).is_file():
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, out / name)
        changed = git(root, "status", "--porcelain", "--", *PATHS)
        revision += "-dirty" if changed.strip() else ""
    else:
        archive = git(root, "archive", "--format=tar", "HEAD")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            kept = [member for member in files if member.name.split("/")[0] in PATHS]
            files.extractall(out, members=kept, filter="data")
    missing = [path for path in PATHS if not (out / path).exists()]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} not in commit {revision[:12]}",
            remedy="commit, or build the files as they lie here with --working-tree",
        )
    (out / "wheels").mkdir()
    return Source(revision, int(epoch))


def add_wheels(context: Path, folder: Path) -> int:
    """Put the wheels of a folder into the context; returns how many.

    Raises:
        UsageError: no folder, or no wheel in it.
    """
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise UsageError(f"no wheel in {folder}", expected="files *.whl", remedy="give --wheels another folder")
    for wheel in found:
        shutil.copyfile(wheel, context / "wheels" / wheel.name)
    return len(found)


def date_files(context: Path, epoch: int) -> None:
    """Give every file and folder the date of the commit; the modes are 644 and 755, whatever the umask here."""
    for path in (context, *context.rglob("*")):
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch))


def git(root: Path, *arguments: str) -> bytes:
    """What a git command prints.

    Raises:
        TouchstoneError: git is missing or refuses.
    """
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise TouchstoneError("git not found", remedy="install git") from error
    except subprocess.CalledProcessError as error:
        raise TouchstoneError(
            f"git {arguments[0]}: {error.stderr.decode(errors='replace').strip()}",
            remedy="images are built from a git checkout with at least one commit",
        ) from error
