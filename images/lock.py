"""images.lock: logical image names -> references by digest. YAML, one line a name, kept in order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping

NAME = re.compile(r"^touchstone/[a-z][a-z0-9-]*$")
REFERENCE = re.compile(r"^[a-z0-9]([\w.-]*[\w])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+@sha256:[0-9a-f]{64}$")
HEADER = "# Written by `python -m images build`. Logical names of images -> what they are, by digest.\n"


def read_lock(path: Path) -> dict[str, str]:
    """The entries of an images.lock.

    Raises:
        UsageError: it cannot be read, or an entry is not a logical name with a reference by digest.
    """
    entries = {name: str(reference) for name, reference in read_mapping(path).items()}
    check_entries(entries, where=str(path))
    return entries


def update_lock(path: Path, changed: Mapping[str, str]) -> dict[str, str]:
    """Write the changed entries into the lock, keeping the others; returns all of them.

    The file is replaced in one move: a reader sees the old lock or the new one.

    Raises:
        UsageError: an entry, old or new, is malformed, or the file cannot be written.
    """
    check_entries(changed, where="the build")
    entries = (read_lock(path) if path.exists() else {}) | dict(changed)
    text = HEADER + "".join(f"{name}: {reference}\n" for name, reference in sorted(entries.items()))
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", remedy="give --lock another file") from error
    return entries


def check_entries(entries: Mapping[str, str], *, where: str) -> None:
    """Refuse what is not a logical name with a reference by digest.

    Raises:
        UsageError: naming the first such entry.
    """
    for name, reference in entries.items():
        if not NAME.match(name):
            raise UsageError(
                f"{where}: {name!r} is no image of ours", expected="touchstone/NAME", remedy="mend the line"
            )
        if not REFERENCE.match(reference):
            raise UsageError(
                f"{where}: {name}: {reference!r}",
                expected="REPOSITORY@sha256:DIGEST, never a tag alone",
                remedy="build the image again with --lock, which writes its digest",
            )
