"""Says what a probe pod's image offers. Runs in the pod, on whatever Python the image has."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version


def main() -> None:
    """Print one line of JSON: Python's version, the user, Touchstone's version, whether /tmp can be written."""
    try:
        touchstone = version("touchstone-audit")
    except PackageNotFoundError:
        touchstone = None
    with tempfile.TemporaryFile(dir="/tmp") as scratch:
        scratch.write(b"x")
    told = {"python": platform.python_version(), "user": os.getuid(), "touchstone": touchstone}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
