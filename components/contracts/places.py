"""Where an output may be written: never over what a person keeps there, nor over what is read; and full disks told."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError


def refuse_foreign(folder: Path) -> None:
    """Only an artifact, finished or not, may be written over: never what a person keeps under the same name.

    Raises:
        UsageError: there is something else; nothing was touched.
    """
    if folder.is_dir():
        if (folder / manifests.UNFINISHED_NAME).is_file():
            return
        present = sorted(entry.name for entry in folder.iterdir())
        if not present or (manifests.FILE_NAME in present and _is_ours(folder)):
            return
        found = f"holds {', '.join(present[:3])}{' and more' if len(present) > 3 else ''}, which is no artifact"
    elif folder.exists() or folder.is_symlink():
        found = "is not a folder"
    else:
        return
    raise UsageError(
        f"{folder} {found}",
        expected="a new or empty folder, or an earlier result, which is replaced",
        remedy="write to another folder, or move what is there away",
    )


def refuse_overwriting(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Before any work: an output would replace a person's own folder, or what the step reads.

    Raises:
        UsageError: it would; nothing was touched.
    """
    sources = {name: place.resolve() for name, place in inputs.items()}
    for name, place in outputs.items():
        refuse_foreign(place)
        there = place.resolve()
        for other, where in sources.items():
            if there == where or there in where.parents or where in there.parents:
                raise UsageError(
                    f"{name} would be written to {place}, which is or holds, or lies in, the input {other}",
                    expected="a folder of its own for every output",
                    remedy="name another folder",
                )


def clear(folder: Path) -> None:
    """Empty the folder of an artifact, or make it; until its manifest is written it is marked as unfinished.

    Raises:
        UsageError: it holds something that is no artifact, which stays as it is.
    """
    refuse_foreign(folder)
    unfinished = folder / manifests.UNFINISHED_NAME
    folder.mkdir(parents=True, exist_ok=True)
    # A new file, since the manifest may be a link to the store's; then the manifest goes, before all else: a folder
    # being rewritten must never look finished.
    unfinished.touch()
    (folder / manifests.FILE_NAME).unlink(missing_ok=True)
    for entry in folder.iterdir():
        if entry == unfinished:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _is_ours(folder: Path) -> bool:
    try:
        manifests.read(folder)
    except TouchstoneError:
        return False
    return True


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Tell a full or protected disk as such.

    Raises:
        TouchstoneError: no space is left, or the place may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            remedy = "free disk space and run the same command again; finished steps are kept"
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST} or _no_place(
            error, path
        ):
            remedy = "choose a folder you may write to, with --out"
        else:
            raise
        raise TouchstoneError(f"cannot write {path}: {error.strerror}", remedy=remedy) from error


def _no_place(error: OSError, path: Path) -> bool:
    # "No such file" of a folder that cannot be made, as below /proc; of any other file it means something else.
    return error.errno == errno.ENOENT and Path(str(error.filename)) in {path, *path.parents}
