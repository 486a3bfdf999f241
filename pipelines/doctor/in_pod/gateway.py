"""Asks a Pushgateway whether it is ready. Runs in a probe pod, on whatever Python its image has.

TOUCHSTONE_PUSHGATEWAY  its address
"""

from __future__ import annotations

import json
import os
import urllib.request


def main() -> None:
    """Print one line of JSON: the HTTP status, or what went wrong."""
    address = os.environ["TOUCHSTONE_PUSHGATEWAY"]
    url = address if "://" in address else f"http://{address}"
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/-/ready", timeout=5) as answer:
            told = {"status": answer.status}
    except (OSError, ValueError) as error:
        told = {"problem": str(error)}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
