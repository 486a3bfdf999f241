"""The box that runs programs written by models: PID 1 of its own namespace, one child for each program.

    python -c SCRIPT fd:3           its control connection is an open descriptor
    python -c SCRIPT socket:NAME    it waits for one connection on an abstract socket, from outside its PID namespace

Over the control connection come, one at a time: a program's limits with the descriptor of its own connection, then the
word to end it. The program's source and every call arrive on its own connection, after the fork: this process never
holds a program, a test or an answer. When it is told to, it kills everything but itself, clears /tmp, and says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import types
from typing import Any

from components.benchmark.sandbox.boxes.call_filter import compiled, install
from components.benchmark.sandbox.boxes.plain_values import DoesNotCross, Line, Packer, unpack

WATCH_SECONDS = 0.05
"""How often the memory of all its processes is added up."""
SECONDS_MORE = 5.0
"""How long past its time a program may live when nobody ends it."""
PAGE_BYTES = resource.getpagesize()
WORKED_WITH = [
    "bisect",
    "collections",
    "copy",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "random",
    "re",
    "string",
    "typing",
]
"""What many programs import, read once here so that a fork has it. Large modules are left out: each makes every fork
slower, and is read by the few programs that want it."""
FAMILIAR = """
from typing import Dict, List, Optional, Tuple
import math, re
class Pair:
    def __init__(self, left: int = 0) -> None:
        self.left, self._right = left, None
    @property
    def right(self):
        return self._right
def helper(*args: int, **named) -> Optional[Tuple[int, ...]]:
    return tuple(sorted(args, key=lambda x: (-x, str(x)), reverse=True)) or None
def familiar(numbers: List[float], text: str = "") -> Dict[str, int]:
    '''Uses the syntax and the functions that programs use.'''
    counts, total, seen = {}, 0, set()
    for at, value in enumerate(numbers):
        if value < 0 and not at % 2 or value is None:
            continue
        elif isinstance(value, (int, float)) and value != 1:
            total += round(abs(value) ** 2 // 1)
        seen.add(value)
    while total > 10:
        total -= max(1, int(math.sqrt(total)))
    try:
        for word in text.lower().strip().split(" "):
            counts[word] = counts.get(word, 0) + sum(ord(c) for c in word if c.isalpha())
        assert all(v >= 0 for v in counts.values()), f"{counts!r} {total:>3}"
        int("x")
    except (ValueError, KeyError) as error:
        counts["".join(reversed(str(error)[:3]))] = len(list(zip(range(3), [x for x in seen][::-1])))
    finally:
        helper(*map(int, "312"), name=Pair().right)
    return {k: v for k, v in counts.items() if k}
"""
"""A program with what programs are made of, loaded and called once before any other."""


def main(place: str) -> None:
    """Serve one control connection to its end."""
    control = connected(place)
    prepared()
    control.send(b"here")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not message:
            return
        if not descriptors:
            continue  # the end of a program that ended before
        limits = json.loads(message)
        child = os.fork()
        if child == 0:
            try:
                run(socket.socket(fileno=descriptors[0]), control, limits)
            finally:
                os._exit(0)
        os.close(descriptors[0])
        said = watched(control, child, limits)
        if said is None:
            return
        control.send(json.dumps(said).encode())


def connected(place: str) -> socket.socket:
    """The control connection; no second one can ever be made."""
    kind, _, name = place.partition(":")
    if kind == "fd":
        return socket.socket(fileno=int(name))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("\0" + name)
        listener.listen(1)
        connection = listener.accept()[0]
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if os.getpid() == 1 and int.from_bytes(peer[:4], sys.byteorder) != 0:
        raise SystemExit("a connection from inside the box")
    return connection


def prepared() -> None:
    """Make this process one that its children can neither read nor stop."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(4, 0, 0, 0, 0):  # PR_SET_DUMPABLE: /proc/1 belongs to root, and no ptrace
        raise OSError(ctypes.get_errno(), "prctl")
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGCHLD"):
        signal.signal(getattr(signal, name), signal.SIG_DFL if name == "SIGCHLD" else signal.SIG_IGN)
    for name in WORKED_WITH:
        importlib.import_module(name)
    nothing = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    os.environ.clear()
    os.chdir("/tmp")
    warmed()
    # Inherited: to put it over each child anew would cost more than all the rest of starting one.
    install(compiled())
    gc.collect()
    gc.freeze()  # collections in a child would touch, and so copy, every page


def warmed() -> None:
    """Do once what every child does: what the interpreter sets up for it is then there before the fork."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Line(ours).send([FAMILIAR, "familiar"])
        Line(ours).send(["0", Packer(others=False).pack(([[3, 1.5, -2], "a b"], {}))])
        ours.shutdown(socket.SHUT_WR)
        with contextlib.suppress(EOFError):
            serve(theirs)
    sys.modules.pop("program", None)


def watched(control: socket.socket, child: int, limits: dict[str, Any]) -> dict[str, Any] | None:
    """Wait until the program may end, end it, and clear up; what became of it, None when nobody is there any more."""
    deadline = time.monotonic() + limits["seconds"] + SECONDS_MORE
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    said: dict[str, Any] = {}
    gone = False
    while not waiting.poll(WATCH_SECONDS * 1000):
        if memory_bytes() > limits["memory_bytes"]:
            said["over"] = "memory"
        elif time.monotonic() > deadline:
            said["over"] = "time"
        if said:
            break
    else:
        gone = not control.recv(4096)
    if os.getpid() == 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    else:  # without a PID namespace of its own: a test's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.wait()
            if ended == child:
                said["status"] = os.waitstatus_to_exitcode(status)
    if os.getpid() == 1:
        clear("/tmp")
    return None if gone else said


def memory_bytes() -> int:
    """Resident memory of every process of this namespace but this one; 0 without a namespace of its own."""
    if os.getpid() != 1:
        return 0
    total = 0
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would be imported for this alone
        if name.isdigit() and name != "1":
            with contextlib.suppress(OSError, IndexError):
                descriptor = os.open(f"/proc/{name}/statm", os.O_RDONLY)
                try:
                    total += int(os.read(descriptor, 200).split()[1]) * PAGE_BYTES
                finally:
                    os.close(descriptor)
    return total


def clear(folder: str) -> None:
    """Remove everything below `folder`, however deep and however protected, without recursion and long paths."""
    number = 0
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        os.chmod(folder, 0o700)  # noqa: PTH101
    while True:
        entries = list(os.scandir(folder))
        if not entries:
            return
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108
                continue
            os.chmod(entry.path, 0o700)  # noqa: PTH101
            for inner in list(os.scandir(entry.path)):
                if inner.is_dir(follow_symlinks=False):
                    number += 1
                    os.chmod(inner.path, 0o700)  # noqa: PTH101 - moving a folder writes to it
                    os.rename(inner.path, f"{folder}/.{number}.{os.getpid()}.left")  # noqa: PTH104
                else:
                    os.unlink(inner.path)  # noqa: PTH108
            os.rmdir(entry.path)  # noqa: PTH106


def run(connection: socket.socket, control: socket.socket, limits: dict[str, Any]) -> None:
    """In the child: lock it in, load the program, answer calls until nobody asks."""
    control.close()
    os.setpgid(0, 0)
    os.closerange(3, connection.fileno())
    os.closerange(connection.fileno() + 1, 4096)
    for name, value in limits["resources"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    serve(connection)


def serve(connection: socket.socket) -> None:
    """Load the source that comes first, then answer calls of its entry point."""
    line = Line(connection)
    source, entry_point = line.receive()
    module = types.ModuleType("program")
    sys.modules["program"] = module  # where dataclasses and pickle look for a class's module
    try:
        exec(compile(source, "<program>", "exec"), module.__dict__)
        function = module.__dict__[entry_point]
    except BaseException as error:
        line.send(["not loaded", *described(error)])
        return
    line.send(["loaded"])
    del source
    while True:
        number, packed = line.receive()
        line.send([number, *answered(function, packed)])


def answered(function: Any, packed: Any) -> list[Any]:
    """The answer to a call: what came of it, and the arguments where the program changed them."""
    arguments, named = unpack(packed)
    try:
        value = function(*arguments, **named)
        outcome = ["value", Packer(others=True).pack(value)]
    except DoesNotCross as error:
        return ["raised", ["OverflowError"], str(error), None]
    except BaseException as error:
        outcome = ["raised", *described(error)]
    try:
        after = Packer(others=True).pack((arguments, named))
    except DoesNotCross:
        return ["raised", ["OverflowError"], "an argument grew too large", None]
    return [*outcome, None if after == packed else after]


def described(error: BaseException) -> list[Any]:
    """Names of an exception's classes, nearest first, and its message."""
    try:
        message = str(error)[:500]
    except BaseException:
        message = ""
    return [[kind.__name__ for kind in type(error).__mro__[:10]], message]


if __name__ == "__main__":
    main(sys.argv[1])
