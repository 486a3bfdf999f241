"""The only reader of environment variables: secrets, endpoints and places, never parameters.

TOUCHSTONE_STORE   folder of finished steps, addressed by content (set by `touchstone run`)
TOUCHSTONE_DATA    folder of real data sets used by tests and examples
TOUCHSTONE_KFP_HOST  address of a Kubeflow Pipelines server
"""

from __future__ import annotations

import os
from pathlib import Path


def step_store() -> Path | None:
    """Folder in which finished steps are kept and found again; None = no reuse."""
    value = os.environ.get("TOUCHSTONE_STORE")
    return Path(value) if value else None


def data_folder(default: Path) -> Path:
    """Folder of the real data sets."""
    return Path(os.environ.get("TOUCHSTONE_DATA", default))
