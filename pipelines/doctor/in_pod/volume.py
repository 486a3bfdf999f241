"""Writes to the volume mounted at /data and reads it back. Runs in a probe pod, on whatever Python its image has."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

TRY_SECONDS = 6.0
PAUSE_SECONDS = 0.5


def attempt(target: Path) -> dict[str, object]:
    """Write, read and remove one file; tells how many bytes came back, or what went wrong."""
    try:
        target.write_bytes(b"x" * 4096)
        told: dict[str, object] = {"bytes": len(target.read_bytes())}
        target.unlink()
    except OSError as error:
        return {"problem": str(error)}
    return told


def main(folder: Path = Path("/data")) -> None:
    """Print one line of JSON: the user who wrote, or what went wrong."""
    ends = time.monotonic() + TRY_SECONDS
    told = attempt(folder / "touchstone-doctor")
    # Some provisioners open a volume to its users a moment after they have bound it.
    while "problem" in told and time.monotonic() < ends:
        time.sleep(PAUSE_SECONDS)
        told = attempt(folder / "touchstone-doctor")
    print(json.dumps({"user": os.getuid(), **told}))  # noqa: T201


if __name__ == "__main__":
    main()
