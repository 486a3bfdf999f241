"""A Python that has already imported the slow libraries, and forks once per task.

Importing torch, transformers and Great Expectations costs 15-20 s of processor time. A study has about sixty tasks,
so started cold they would spend longer importing than training. The server imports once; every task is a fork of it,
in a process of its own with its own environment, working directory and output.

Protocol, one connection a task: the client sends its arguments, environment and the three standard file descriptors;
the server answers with the exit code. A closed connection without an answer means the task was killed.

Everything dies with its parent (PR_SET_PDEATHSIG): after `kill -9` of the command nothing stays behind.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from components.contracts.processes import die_with_parent

MAX_MESSAGE_BYTES = 1 << 20


def serve(address: Path, preload: Sequence[str]) -> None:
    """Import, then fork a child per connection until killed."""
    die_with_parent()
    # Nothing imported is garbage: looking for it took a third of the time, and would copy the forks' shared memory.
    gc.disable()
    for name in preload:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    # Forking copies only the calling thread; a library that started one while importing would be left half alive.
    extra = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if extra:
        sys.exit(f"cannot fork safely: threads {extra} were started by an import")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        unborn = address.with_suffix(".new")
        listener.bind(str(unborn))
        listener.listen()
        unborn.rename(address)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _serve_one(connection)
            connection.close()


def _serve_one(connection: socket.socket) -> None:
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        message, descriptors, _, _ = socket.recv_fds(connection, MAX_MESSAGE_BYTES, 3)
        while not message.endswith(b"\n"):
            message += connection.recv(MAX_MESSAGE_BYTES)
        code = _run(json.loads(message), descriptors)
    finally:
        with contextlib.suppress(OSError):
            connection.sendall(f"{code}\n".encode())
        os._exit(code)


def _run(task: dict[str, object], descriptors: list[int]) -> int:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    sys.stdout = io.TextIOWrapper(open(1, "wb", 0, closefd=False), write_through=True)  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(open(2, "wb", 0, closefd=False), write_through=True)  # noqa: SIM115
    environment, arguments = task["environment"], task["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(task["folder"]))
    # What `python -m` does with them at start-up.
    sys.path[:0] = [str(task["folder"]), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        if arguments[:1] != ["-m"]:
            raise ValueError(f"only `-m module` can be run warm, got {arguments}")
        sys.argv = ["-m", *arguments[2:]]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if isinstance(stop.code, str):
            sys.stderr.write(stop.code + "\n")
            return 1
        return stop.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
