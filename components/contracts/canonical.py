"""One byte-exact JSON form, and digests of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20


def dumps(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal bytes.

    Raises:
        ValueError: `value` holds a NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """sha256 (hex) of the canonical JSON of `value`."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_files(folder: Path) -> Iterator[str]:
    """Relative POSIX paths of all regular files below `folder`, sorted."""
    yield from sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
