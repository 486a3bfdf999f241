"""Many programs through several boxes: every one judged once, whatever happens to the boxes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from components.benchmark.sandbox.isolation import USER
from components.benchmark.sandbox.pair import Pair
from components.benchmark.sandbox.pool import run_all
from components.benchmark.sandbox.work import CONTROL, BoxesLost, Limits, Program, Verdict
from components.contracts.errors import TouchstoneError
from tests.unit.benchmark.sandbox.conftest import SHORT, isolated

BOX = "The box that"
"""In every box's command line: its script begins with it."""


def adds(number: int) -> Program:
    """A program that is right when its number is even."""
    return Program(f"p{number}", "", "assert f(1) == 2", "f", f"def f(x):\n    return x + 1 + {number} % 2\n")


def boxes_running() -> set[str]:
    """Processes that are boxes, or start one."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if BOX in (folder / "cmdline").read_text(errors="replace"):
                found.add(folder.name)
        except OSError:
            continue
    return found


def files_of_programs() -> set[Path]:
    """Files outside the boxes that belong to the user who runs them, where that is not the tests' own user."""
    if os.geteuid() != 0:
        return set()
    owned = set()
    for path in Path(tempfile.gettempdir()).iterdir():
        try:
            if path.lstat().st_uid == USER:
                owned.add(path)
        except OSError:
            continue
    return owned


def gone(before: set[str], seconds: float = 20.0) -> bool:
    """Whether all boxes but those of `before` are gone, soon."""
    deadline = time.monotonic() + seconds
    while boxes_running() - before:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(autouse=True, scope="module")
def _sandbox() -> None:
    isolated().close()


@pytest.mark.slow
def test_every_program_is_reported_once_and_nothing_stays() -> None:
    before, files = boxes_running(), files_of_programs()
    verdicts: dict[str, Verdict] = {}
    count: Counter[str] = Counter()

    def report(program: Program, verdict: Verdict) -> None:
        verdicts[program.key] = verdict
        count[program.key] += 1

    daemon = (
        "import os, time\ndef f(x):\n    open('/tmp/mine', 'w').write('x')\n"
        "    if os.fork() == 0:\n        os.setsid()\n        time.sleep(1000)\n    return 2\n"
    )
    programs = [adds(n) for n in range(30)] + [Program("d", "", "assert f(1) == 2", "f", daemon)]
    run_all(programs, lambda: Pair(SHORT), report, workers=3)
    assert {key: verdict.passed for key, verdict in verdicts.items() if key != "d"} == {
        f"p{n}": n % 2 == 0 for n in range(30)
    }
    assert set(count.values()) == {1}
    assert gone(before)
    assert files_of_programs() == files


class Fragile(Pair):
    """Boxes that somebody kills when programs with a certain mark begin."""

    def __init__(self, killed: list[str], times: int) -> None:
        super().__init__(SHORT)
        self._killed, self._times = killed, times

    def run(self, program: Program) -> Verdict:
        if "fragile" in program.key and self._killed.count(program.key) < self._times:
            self._killed.append(program.key)
            for process in self._processes:
                process.kill()
                process.wait()  # what it holds has been killed with it
        return super().run(program)


@pytest.mark.slow
@pytest.mark.parametrize(("times", "passed"), [(1, True), (2, False)])
def test_boxes_lost_once_cost_nobody_and_twice_the_program_alone(times: int, passed: bool) -> None:
    verdicts: dict[str, Verdict] = {}
    killed: list[str] = []
    programs = [adds(0), Program("fragile", "", "assert f(1) == 2", "f", "def f(x): return 2\n"), adds(2)]
    run_all(programs, lambda: Fragile(killed, times), lambda p, v: verdicts.update({p.key: v}), workers=1)
    assert [verdicts[p.key].passed for p in programs] == [True, passed, True]


@pytest.mark.slow
def test_where_sound_programs_fail_too_nothing_is_said_about_the_program() -> None:
    class Broken(Pair):
        def run(self, program: Program) -> Verdict:
            raise BoxesLost("the machine is out of order")

    verdicts: list[Verdict] = []
    run_all([adds(0)], lambda: Broken(SHORT), lambda p, v: verdicts.append(v), workers=1)
    assert verdicts[0].passed is None
    assert "out of order" in verdicts[0].detail


def test_a_machine_that_can_make_no_boxes_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TouchstoneError, match="bubblewrap"):
        run_all([adds(0)], lambda: Pair(Limits()), lambda p, v: None, workers=2)


@pytest.mark.slow
def test_boxes_die_with_whoever_started_them(tmp_path: Path) -> None:
    before = boxes_running()
    code = """
    import sys
    from components.benchmark.sandbox.pair import Pair
    from components.benchmark.sandbox.work import Limits, Program
    pair = Pair(Limits(timeout_seconds=600))
    print("ready", flush=True)
    pair.run(Program("p", "", "f()", "f", "def f():\\n    while True: pass\\n"))
    """
    root = Path(__file__).parents[4]
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, cwd=root)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert boxes_running() - before
        process.kill()
    assert gone(before)


def test_the_control_program_passes() -> None:
    pair = isolated()
    try:
        assert pair.run(CONTROL) == Verdict(True, "passed")
    finally:
        pair.close()
