"""Machine code made by numba, and where it is kept between runs.

Kernels release the interpreter's lock and run in plain threads: steps are forks of a warm process, and numba's own
threading layers do not survive a fork. Compiled code is kept in a folder named after the sources of a kernel's box,
because numba looks only at the file of the function it loads and not at those of the functions called by it.

Imported by kernels only: numba is no part of the core install.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.core.config
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Shorts = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """As `kernel`, put into its callers."""
    compiled: Any = numba.njit(inline="always", error_model="numpy")(function)
    return compiled  # type: ignore[no-any-return]


def kernel(function: F) -> F:
    """Compile `function` at its first call, or load what an earlier process compiled."""
    # The setting belongs to the whole process; other users of numba keep theirs.
    settings: Any = numba.core.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(_cache_folder(Path(function.__code__.co_filename).parent))
    try:
        compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    finally:
        settings.CACHE_DIR = before
    return compiled  # type: ignore[no-any-return]


@cache
def _cache_folder(box: Path) -> Path:
    return _writable_folder(box, f"kernels-{_sources(box)}")


def _sources(box: Path) -> str:
    found = hashlib.sha256(numba.__version__.encode())
    for path in sorted(box.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _writable_folder(box: Path, name: str) -> Path:
    """The user's NUMBA_CACHE_DIR; else beside the sources; else, as in a pod whose root is read-only, a private place.

    Compiled code is loaded without a check, so a folder below the shared temporary one must be ours alone.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    for base in [*([Path(given)] if given else []), box / "__pycache__"]:
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    private = Path(tempfile.gettempdir()) / f"touchstone-kernels-{os.getuid()}"
    try:
        private.mkdir(mode=0o700, exist_ok=True)
        state = private.lstat()
        if stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o022:
            (private / name).mkdir(exist_ok=True)
            return private / name
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="touchstone-kernels-"))
