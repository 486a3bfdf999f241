"""Writes to the volume mounted at /data and reads it back. Runs in a probe pod, on whatever Python its image has."""

from __future__ import annotations

import json
import os
from pathlib import Path


def main() -> None:
    """Print one line of JSON: the user who wrote, or what went wrong."""
    told: dict[str, object] = {"user": os.getuid()}
    try:
        target = Path("/data/touchstone-doctor")
        target.write_bytes(b"x" * 4096)
        told["bytes"] = len(target.read_bytes())
        target.unlink()
    except OSError as error:
        told["problem"] = str(error)
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
