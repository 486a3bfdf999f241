"""Settings every test runs under."""

import gc
import os

import pytest

# Test workers and the tasks they start share the cores; torch's threads waiting for one another would cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Nothing may be fetched: a test that needs the network is a mistake, and must fail at once rather than wait.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first: a worker that meets one last would work alone while the other waits."""
    weights: dict[str, int] = {}
    for item in items:
        path = str(item.path)
        weight = 50 if "pipeline" in item.path.parts else item.get_closest_marker("slow") is not None
        weights[path] = weights.get(path, 0) + weight
    items.sort(key=lambda item: -weights[str(item.path)])


def pytest_configure() -> None:
    """No garbage is looked for while the modules are imported: there is none, and each look walks all that is there."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays to the end: looking through it again during the tests would cost them seconds."""
    gc.freeze()
    gc.enable()
