"""The box that holds the tests: it sends calls to the program box and judges what comes back.

    python -c SCRIPT fd:3           control connection to the program box; token and programs come on standard input
    python -c SCRIPT socket:NAME    the same by an abstract socket; token and programs come from the environment

Results go to standard output, one line each that begins with the token: a line without it says nothing. Tests run in a
process beside, which is replaced when it does not answer in time.
"""

from __future__ import annotations

import base64
import contextlib
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
import zlib
from collections.abc import Iterator
from typing import Any

from components.benchmark.sandbox.boxes.calls import Result, tested
from components.benchmark.sandbox.boxes.plain_values import DoesNotCross, Line

SECONDS_TO_CONNECT = 60.0
SECONDS_TO_CLEAR = 20.0
"""How long the program box may take to end a program and clear up after it."""
VERIFIER_MEMORY_BYTES = 768 << 20
WORKED_WITH = [
    "collections",
    "contextlib",
    "copy",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "typing",
]


class BoxLost(Exception):
    """The program box does not answer."""


def main(place: str) -> None:
    """Judge every program that is given, one after another; ends early when the program box is lost."""
    token, jobs = given(place)
    control = connected(place)
    for name in WORKED_WITH:
        importlib.import_module(name)
    os.chdir("/tmp")
    gc.collect()
    gc.freeze()
    out, tester = sys.stdout, Tester()

    def tell(result: Result) -> None:
        out.write(f"{token} {json.dumps(result)}\n")
        out.flush()

    try:
        control.settimeout(SECONDS_TO_CONNECT)
        if control.recv(64) != b"here":
            raise BoxLost
        tell({"ready": True})
        for job in jobs:
            if place.startswith("socket:"):  # where nobody but this box knows which program it is at
                tell({"key": job["key"], "began": True})
            tell({"key": job["key"], **judged(control, tester, job)})
    except (BoxLost, OSError) as error:
        tell({"lost": f"{type(error).__name__}: {error}"})


def given(place: str) -> tuple[str, Iterator[dict[str, Any]]]:
    """The token, and the programs as they come."""
    if place.startswith("fd:"):
        lines = iter(sys.stdin)
        return next(lines).strip(), map(json.loads, lines)
    count = int(os.environ["TOUCHSTONE_BATCH_PARTS"])
    text = "".join(os.environ[f"TOUCHSTONE_BATCH_{number}"] for number in range(count))
    token = os.environ["TOUCHSTONE_TOKEN"]
    os.environ.clear()
    batch = json.loads(zlib.decompress(base64.b64decode(text)))
    return token, ({**batch["items"][job["item"]], **batch["limits"], **job} for job in batch["programs"])


def connected(place: str) -> socket.socket:
    """The control connection to the program box, which may start later than this one."""
    kind, _, name = place.partition(":")
    if kind == "fd":
        return socket.socket(fileno=int(name))
    deadline = time.monotonic() + SECONDS_TO_CONNECT
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect("\0" + name)
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def judged(control: socket.socket, tester: Tester, job: dict[str, Any]) -> Result:
    """Have one program started, tested and ended.

    Raises:
        BoxLost: the program box does not answer.
    """
    deadline = time.monotonic() + job["seconds"]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limits = json.dumps({name: job[name] for name in ("seconds", "memory_bytes", "resources")})
        socket.send_fds(control, [limits.encode()], [theirs.fileno()])
        theirs.close()
        result = tester.test(ours, job, deadline)
    return explained(result, ended(control), job)


class Tester:
    """The process that runs tests: a new one whenever it does not answer in time.

    What programs answer is decoded there, and only there; it can write to nothing but its line to this process.
    """

    def __init__(self) -> None:
        self._process = 0
        self._line: socket.socket | None = None

    def test(self, connection: socket.socket, job: dict[str, Any], deadline: float) -> Result:
        """Have the program at the other end of `connection` tested."""
        if self._line is None:
            self._start()
        assert self._line is not None
        try:
            socket.send_fds(self._line, [b"job"], [connection.fileno()])
            Line(self._line).send({name: job[name] for name in ("head", "tests", "entry_point", "source")})
            if select.select([self._line], [], [], max(0.0, deadline - time.monotonic()))[0]:
                result: Result = Line(self._line).receive()
                return result
        except DoesNotCross:
            self._end()
            return {"passed": None, "detail": "the program and its tests are longer than a message may be"}
        except (OSError, EOFError):
            self._end()
            return {"passed": False, "detail": "its answers took more than the tests' memory"}
        self._end()
        return {"passed": False, "detail": "timed out"}

    def _start(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = os.fork()
            if self._process == 0:
                try:
                    self._line.close()
                    work(theirs)
                finally:
                    os._exit(0)

    def _end(self) -> None:
        assert self._line is not None
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._line.close()
        self._line = None


def work(line: socket.socket) -> None:
    """In the testing process: test one program after another."""
    os.closerange(3, line.fileno())
    os.closerange(line.fileno() + 1, 4096)
    nothing = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for name, value in (("RLIMIT_AS", VERIFIER_MEMORY_BYTES), ("RLIMIT_CORE", 0)):
        resource.setrlimit(getattr(resource, name), (value, value))
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, 3, 1)
        if not message:
            return
        with socket.socket(fileno=descriptors[0]) as connection:
            Line(line).send(tested(connection, Line(line).receive()))


def ended(control: socket.socket) -> dict[str, Any]:
    """Have the program ended; what the box saw of it.

    Raises:
        BoxLost: it does not answer.
    """
    control.settimeout(SECONDS_TO_CLEAR)
    try:
        control.send(b"end")
        answer = control.recv(4096)
    except OSError as error:
        raise BoxLost(str(error)) from error
    if not answer:
        raise BoxLost("it ended")
    said: dict[str, Any] = json.loads(answer)
    return said


def explained(result: Result, said: dict[str, Any], job: dict[str, Any]) -> Result:
    """The result, with the box's reason for a program that ended."""
    if result["passed"] is not False or not result.pop("ended_early", False):
        return result
    status = said.get("status")
    if said.get("over") == "memory":
        return {**result, "detail": f"used more than {job['memory_bytes'] >> 20} MiB of memory"}
    if isinstance(status, int) and status < 0 and status != -signal.SIGKILL:
        with contextlib.suppress(ValueError):
            return {**result, "detail": f"ended by {signal.Signals(-status).name}"}
    return result


if __name__ == "__main__":
    main(sys.argv[1])
