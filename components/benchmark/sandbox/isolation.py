"""Boxes on this machine: bubblewrap makes each a machine of its own, with an interpreter and nothing else.

New user, process, network, IPC, name and cgroup namespaces; a read-only root that holds the interpreter, its standard
library and the shared libraries these load; an empty environment; no capability, and no way to make another namespace.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from components.benchmark.sandbox.scripts import script
from components.contracts.errors import TouchstoneError

USER = 65532
"""Inside; outside too when the person is root, whom the kernel's limits do not bind."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
PACKAGES = ("site-packages", "dist-packages")
LIBRARY = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x")
LOADER_CACHE = Path("/etc/ld.so.cache")
STAGE = Path("/tmp")
FLAGS = ("-s", "-S", "-B", "-P")
"""No site, no user's packages, no bytecode written, nothing imported from the working folder."""
HOW_TO_INSTALL = (
    "install bubblewrap (Debian, Ubuntu: apt install bubblewrap) and allow user namespaces (sysctl "
    "kernel.unprivileged_userns_clone=1, user.max_user_namespaces=10000; Ubuntu 24.04 and later also "
    "kernel.apparmor_restrict_unprivileged_userns=0); or run the pipeline on a cluster with the chart's sandbox"
)

AS_ORDINARY_USER = """
import ctypes, os, sys
user, count, rest = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
libc = ctypes.CDLL(None, use_errno=True)
def mount(source, target, kind, flags, data=None):
    if libc.mount(source, target, kind, flags, data):
        sys.exit(f"mount {target.decode()}: {os.strerror(ctypes.get_errno())}")
if libc.unshare(0x20000):
    sys.exit(f"a mount namespace: {os.strerror(ctypes.get_errno())}")
mount(None, b"/", None, 0x4000 | 0x40000)
opened = [os.open(path, os.O_PATH) for path in rest[:count]]
if opened:
    mount(b"tmpfs", b"/tmp", b"tmpfs", 0, b"mode=755")
for number, descriptor in enumerate(opened):
    target = f"/tmp/{number}"
    if os.path.isdir(f"/proc/self/fd/{descriptor}"):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(f"/proc/self/fd/{descriptor}".encode(), target.encode(), None, 0x1000 | 0x4000)
    os.close(descriptor)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
os.chdir("/")
os.execv(rest[count], rest[count:])
"""
"""What root starts instead of bubblewrap: it puts what an ordinary user could not reach below /tmp, in a mount
namespace of its own, becomes such a user, and starts bubblewrap."""


def interpreter() -> Path:
    """The Python that runs in the boxes: this one's, without its environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


@cache
def contents() -> tuple[Path, ...]:
    """All that a box's root holds, at the same place as here: folders and files.

    Raises:
        TouchstoneError: the interpreter's libraries cannot be listed.
    """
    # A virtual environment's own folder holds nothing of the standard library, and tells where we are.
    of_base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    folders = {Path(sysconfig.get_path(name, vars=of_base)).resolve() for name in ("stdlib", "platstdlib")}
    modules = [path for folder in folders for path in (folder / "lib-dynload").glob("*.so")]
    try:
        answer = subprocess.run(
            ["ldd", str(interpreter()), *map(str, modules)], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise TouchstoneError(f"cannot list the interpreter's libraries: {error}", remedy=HOW_TO_INSTALL) from error
    libraries = {Path(match) for match in LIBRARY.findall(answer.stdout)}
    found = {interpreter(), *libraries, LOADER_CACHE}
    inside = {path for path in found for folder in folders if folder in path.parents}
    return tuple(path for path in sorted(folders | (found - inside)) if path.exists())


def command(box: Literal["program", "verifier"], descriptor: int, scratch_bytes: int) -> list[str]:
    """The command line that starts a box with its control connection at `descriptor`.

    Raises:
        TouchstoneError: bubblewrap is missing.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise TouchstoneError(
            "programs written by a model cannot be run safely here: bubblewrap (bwrap) is not installed",
            expected="a sandbox of namespaces",
            remedy=HOW_TO_INSTALL,
        )
    is_root = os.geteuid() == 0
    bubblewrap = Path(found).resolve()
    staged = [path for path in (bubblewrap, *contents()) if is_root and not _reachable(path)]
    sources = {path: STAGE / str(number) for number, path in enumerate(staged)}
    wrapped = [
        str(sources.get(bubblewrap, bubblewrap)),
        *_walls(scratch_bytes, sources),
        "--",
        str(interpreter()),
        *FLAGS,
    ]
    wrapped += ["-c", script(box), f"fd:{descriptor}"]
    if not is_root:
        return wrapped
    launcher = [str(interpreter()), "-I", "-S", "-c", AS_ORDINARY_USER, str(USER), str(len(staged))]
    return [*launcher, *map(str, staged), *wrapped]


def _walls(scratch_bytes: int, sources: dict[Path, Path]) -> Sequence[str]:
    words = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--disable-userns", "--uid", str(USER), "--gid", str(USER), "--hostname", "box"]
    words += ["--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    # Sets in the same order in every run: a program's outcome must not depend on luck.
    words += ["--clearenv", "--setenv", "PYTHONHASHSEED", "0"]
    for path in contents():
        words += ["--ro-bind", str(sources.get(path, path)), str(path)]
        for name in PACKAGES if path.is_dir() else ():
            if (path / name).is_dir():
                words += ["--tmpfs", str(path / name), "--remount-ro", str(path / name)]
    words += ["--dir", "/dev"]
    for device in DEVICES:
        words += ["--dev-bind", device, device]
    words += ["--proc", "/proc", "--perms", "0700", "--size", str(scratch_bytes), "--tmpfs", "/tmp"]
    return [*words, "--remount-ro", "/", "--chdir", "/tmp"]


def _reachable(path: Path) -> bool:
    """Whether every user can read it, and it does not lie where other things are put."""
    if STAGE in path.parents or not path.stat().st_mode & 0o004:
        return False
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)
