"""Boxes for the tests of a module; skipped where this machine cannot make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from components.benchmark.sandbox.pair import Pair
from components.benchmark.sandbox.work import BoxesLost, Limits, Program, Verdict
from components.contracts.errors import TouchstoneError

SHORT = Limits(timeout_seconds=1.5)
"""Long enough for an honest program while other tests take the cores."""


def isolated(limits: Limits = SHORT) -> Pair:
    """A pair of boxes, or a skip."""
    try:
        return Pair(limits)
    except TouchstoneError as error:
        pytest.skip(f"no sandbox on this machine: {error.found}")


class Ready:
    """A pair that is made anew when a program brings it down; counts how often that was."""

    def __init__(self) -> None:
        self._pair = isolated()
        self.num_lost = 0

    def run(self, program: Program) -> Verdict:
        try:
            return self._pair.run(program)
        except BoxesLost as lost:
            self.num_lost += 1
            self.close()
            self._pair = isolated()
            return Verdict(None, f"boxes lost: {lost}")

    def close(self) -> None:
        self._pair.close()


@pytest.fixture(scope="module")
def boxes() -> Iterator[Ready]:
    """One pair for the tests of a module."""
    ready = Ready()
    yield ready
    ready.close()


@pytest.fixture(scope="module")
def judge(boxes: Ready) -> Callable[..., Verdict]:
    """Run a source against statements or `check`, by the name `f`."""

    def run(source: str, tests: str, head: str = "", entry_point: str = "f") -> Verdict:
        return boxes.run(Program("one", head, tests, entry_point, source))

    return run
