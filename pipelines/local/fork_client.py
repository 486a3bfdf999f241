"""Stands in for the Python interpreter of a task: hands its arguments to the fork server and waits.

Started once per task with `-S -E`, so it imports nothing beyond the built-in modules it needs.
"""

import json
import os
import socket
import sys
import time

READY_WITHIN_SECONDS = 300.0


def main() -> int:
    """Run `sys.argv[2:]` in the server at `sys.argv[1]`; gives the task's exit code, 137 if it was killed."""
    address, arguments = sys.argv[1], sys.argv[2:]
    task = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109  pathlib costs 30 ms
    connection = _connect(address)
    socket.send_fds(connection, [json.dumps(task).encode() + b"\n"], [0, 1, 2])
    answer = connection.makefile().readline()
    return int(answer) if answer.endswith("\n") else 137


def _connect(address: str) -> socket.socket:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > deadline:
                sys.exit(f"the fork server at {address} did not come up")
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
