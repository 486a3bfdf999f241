"""No program passes without solving its task, sees what it must not, harms the host, or stops the next one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

import pytest

from components.benchmark.sandbox.work import CONTROL, Program
from tests.unit.benchmark.sandbox.conftest import Ready
from tests.unit.benchmark.sandbox.hostile_programs import HOSTILE, Hostile

WORD = f"expected-{secrets.token_hex(8)}"
"""What `solve` should return; drawn anew, so that only who sees the tests can know it."""
TESTS = f"""
def check(candidate):
    value = candidate('w')
    assert value == {WORD!r}, repr(value)
"""
HONEST = Program("honest", "", TESTS, "solve", f"def solve(word):\n    return {WORD!r}\n")


def cases(programs: Iterable[Hostile]) -> list[object]:
    return [pytest.param(each, id=each.name, marks=() if each.quick else pytest.mark.slow) for each in programs]


def test_there_are_enough_of_them_with_names_of_their_own() -> None:
    assert len({each.name for each in HOSTILE}) == len(HOSTILE) > 100


def test_the_task_can_be_solved(boxes: Ready) -> None:
    assert boxes.run(HONEST).passed is True


@pytest.mark.slow
@pytest.mark.parametrize("hostile", cases(HOSTILE))
def test_a_hostile_program_fails_and_the_next_is_judged_as_ever(boxes: Ready, hostile: Hostile) -> None:
    lost = boxes.num_lost
    verdict = boxes.run(Program(hostile.name, "", TESTS, "solve", hostile.source))
    assert verdict.passed is False
    assert re.search(hostile.says, verdict.detail), verdict.detail
    assert WORD not in verdict.detail
    assert boxes.num_lost == lost, "it brought its boxes down"
    assert boxes.run(CONTROL).passed is True
