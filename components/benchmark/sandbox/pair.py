"""One pair of boxes on this machine: a program box, a verifier box, and the connection between them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import socket
import subprocess
import tempfile
import time
from typing import IO, Any

from components.benchmark.sandbox.isolation import HOW_TO_INSTALL, command
from components.benchmark.sandbox.work import BoxesLost, Limits, Program, Verdict, read_verdict
from components.contracts.errors import TouchstoneError

SECONDS_TO_START = 60.0
SECONDS_TO_CLEAR = 40.0
"""Beyond a program's own time: what its end and the clearing up may take."""
SECONDS_TO_END = 1.0
MAX_LINE_BYTES = 1 << 20


class Pair:
    """Boxes for one thread: the thread that starts them must outlive them, for they die with it.

    Args:
        limits: Of every program.
    """

    def __init__(self, limits: Limits) -> None:
        """Start both boxes.

        Raises:
            TouchstoneError: this machine cannot isolate them.
        """
        self._limits = limits
        self._token = secrets.token_hex(16)
        self._unread = b""
        self._errors: list[IO[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with ours, theirs:
                self._start("program", theirs)
                self._verifier = self._start("verifier", ours)
            self._write(self._token + "\n")
            self._await({"ready": True}, SECONDS_TO_START)
        except BoxesLost as error:
            said = self._complaints()
            self.close()
            raise TouchstoneError(
                f"programs written by a model cannot be run safely here: {said or error}",
                expected="bubblewrap making user, process and network namespaces",
                remedy=HOW_TO_INSTALL,
            ) from error
        except BaseException:
            self.close()
            raise

    def run(self, program: Program) -> Verdict:
        """Run one program.

        Raises:
            BoxesLost: the boxes did not survive it.
        """
        job = {
            "key": program.key,
            "head": program.head,
            "tests": program.tests,
            "entry_point": program.entry_point,
            "source": program.source,
            **self._limits.job(),
        }
        self._write(json.dumps(job) + "\n")
        return read_verdict(self._await({"key": program.key}, self._limits.timeout_seconds + SECONDS_TO_CLEAR))

    def close(self) -> None:
        """End both boxes, by force when they do not go; the kernel ends everything in their namespaces with them."""
        for process in self._processes:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()  # without work the verifier ends, and without it the program box
        deadline = time.monotonic() + SECONDS_TO_END
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait()
        for errors in self._errors:
            errors.close()
        self._processes, self._errors = [], []

    def _start(self, box: Any, control: socket.socket) -> subprocess.Popen[bytes]:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the boxes
        self._errors.append(errors)
        pipe = subprocess.PIPE if box == "verifier" else subprocess.DEVNULL
        process = subprocess.Popen(
            command(box, control.fileno(), self._limits.scratch_bytes),
            stdin=pipe,
            stdout=pipe,
            stderr=errors,
            pass_fds=(control.fileno(),),
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us; the boxes end when we do
        )
        self._processes.append(process)
        return process

    def _write(self, text: str) -> None:
        assert self._verifier.stdin is not None
        try:
            self._verifier.stdin.write(text.encode("ascii"))
            self._verifier.stdin.flush()
        except OSError as error:
            raise BoxesLost(f"the verifier ended: {error}") from error

    def _await(self, wanted: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The next line of the verifier, which must hold `wanted`."""
        deadline = time.monotonic() + seconds
        while True:
            line = self._line(deadline)
            mark, _, text = line.partition(b" ")
            if mark.decode("ascii", "replace") != self._token:
                continue
            said: dict[str, Any] = json.loads(text)
            if "lost" in said:
                raise BoxesLost(str(said["lost"]))
            if not wanted.items() <= said.items():
                raise BoxesLost("the verifier answered out of turn")
            return said

    def _line(self, deadline: float) -> bytes:
        assert self._verifier.stdout is not None
        descriptor = self._verifier.stdout.fileno()
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise BoxesLost("the verifier fell silent")
            part = os.read(descriptor, 1 << 16)
            if not part or len(self._unread) > MAX_LINE_BYTES:
                raise BoxesLost("the verifier ended")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _complaints(self) -> str:
        """The last thing either box wrote before it was ready."""
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
        for errors in self._errors:
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1][:300]
        return ""
