"""Makes the sandbox's root file system: a Python interpreter, its standard library, and nothing else.

    python3 sandbox_root.py ROOT      run by the base image's own interpreter

There is no shell, no package manager, no pip, no compiler and no network client program in it. Shared libraries are
those that the interpreter and its extension modules ask for, found with ldd.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

USER = 65532
UNNEEDED = {
    "__pycache__", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "macholib", "pydoc_data",
    "site-packages", "test", "tests", "tkinter", "turtledemo", "venv",
}  # fmt: skip
LIBRARY = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x")
ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/:/nonexistent\nsandbox:x:{USER}:{USER}:sandbox:/tmp:/nonexistent\n",
    "etc/group": f"root:x:0:\nsandbox:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def place(source: Path, root: Path) -> None:
    """Copy a file to the same path under `root`, following links to its content."""
    target = root / source.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def libraries(programs: Iterable[Path]) -> set[Path]:
    """Shared libraries that the programs load, with the dynamic loader."""
    found: set[Path] = set()
    for program in programs:
        answer = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
        found |= {Path(match) for match in LIBRARY.findall(answer.stdout)}
    return found


def standard_library(root: Path) -> list[Path]:
    """Copy the standard library; returns its extension modules."""
    source = Path(sysconfig.get_path("stdlib"))

    def unneeded(folder: str, names: list[str]) -> set[str]:
        missing = {name for name in names if not (Path(folder) / name).exists()}
        return missing | {
            name for name in names if name in UNNEEDED or name.startswith("config-") or name == "_tkinter"
        }

    target = root / source.relative_to("/")
    shutil.copytree(source, target, ignore=unneeded, dirs_exist_ok=True)
    for unused in target.glob("lib-dynload/_t*"):
        if unused.name.startswith(("_tkinter", "_test", "_ctypes_test")):
            unused.unlink()
    return sorted(target.rglob("*.so"))


def owners(files: Iterable[Path]) -> set[str]:
    """Debian packages that own the files; none on a base whose Python was compiled by hand."""
    names: set[str] = set()
    for path in files:
        answer = subprocess.run(["dpkg", "-S", str(path)], capture_output=True, text=True, check=False)
        names |= {line.split(":", 1)[0] for line in answer.stdout.splitlines() if ": " in line}
    return names


def build(root: Path) -> None:
    """Fill `root`, and write the packages it was made from to ROOT.packages."""
    interpreter = Path(sys.executable).resolve()
    place(interpreter, root)
    modules = standard_library(root)
    needed = libraries([interpreter, *modules])
    for library in sorted(needed):
        place(library, root)
    (root / "bin").mkdir(exist_ok=True)
    for name in ("python", "python3"):
        (root / "bin" / name).symlink_to(interpreter)
    folders = sorted({str(library.parent) for library in needed})
    for name, text in (ACCOUNTS | {"etc/ld.so.conf": "\n".join(folders) + "\n"}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # An interpreter in /usr/local finds its own library through the loader's cache only.
    subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=True)
    for left in (root / "var", root / "etc/ld.so.conf.d"):
        shutil.rmtree(left, ignore_errors=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    asked = {interpreter, *needed, *(path.resolve() for path in needed)}
    names = owners([*asked, *(Path("/") / path.relative_to(root) for path in modules)])
    Path(f"{root}.packages").write_text("\n".join(sorted(names)) + "\n")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
