"""Makes an installed site-packages folder smaller and the same on every build: python strip_site.py SITE.

Removed: packages' own tests, headers, static libraries and type stubs, and what tells where and when a wheel came from.
Byte code is compiled afterwards by compileall with hashes instead of dates (PEP 552).
"""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

FOLDERS = {"tests", "__pycache__"}
SUFFIXES = {".a", ".pyc", ".pyi", ".pyx", ".pxd", ".lib", ".cuh", ".cu"}
# Whole folders that only a compiler or a developer of the package reads.
NEVER_RUN = ("torch/include", "torch/share", "torch/test", "pyarrow/include")


def strip(site: Path) -> int:
    """Remove what no program reads; returns the bytes that went."""
    gone = 0
    for folder in [site / name for name in NEVER_RUN]:
        gone += remove(folder)
    # torch refuses to be imported without the first; the others are its protobuf compiler and test programs.
    for program in (site / "torch/bin").glob("*"):
        gone += 0 if program.name == "torch_shm_manager" else remove(program)
    doomed = {"direct_url.json", "uv_cache.json"}
    for path in sorted(site.rglob("*"), key=lambda found: len(found.parts)):
        if (path.is_dir() and not path.is_symlink() and path.name in FOLDERS) or (
            path.is_file() and (path.suffix in SUFFIXES or path.name in doomed)
        ):
            gone += remove(path)
    for record in site.glob("*.dist-info/RECORD"):
        keep_existing(record, site)
    return gone


def keep_existing(record: Path, site: Path) -> None:
    """Drop the lines of a wheel's RECORD whose files went: they would tell of, and hash, what is not there."""
    with record.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.reader(file) if line and (site / line[0]).exists()]
    with record.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def remove(path: Path) -> int:
    """Remove a file or folder if it is there; returns its bytes."""
    if path.is_file() or path.is_symlink():
        size = path.lstat().st_size
        path.unlink()
        return size
    if not path.is_dir():
        return 0
    size = sum(entry.lstat().st_size for entry in path.rglob("*") if not entry.is_dir())
    shutil.rmtree(path)
    return size


if __name__ == "__main__":
    sys.stderr.write(f"stripped {strip(Path(sys.argv[1])) / 1e6:.0f} MB from {sys.argv[1]}\n")
