"""A program in its box is judged as it would be in one process with its tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from components.benchmark.sandbox.pair import Pair
from components.benchmark.sandbox.work import Limits, Verdict
from components.contracts.errors import TouchstoneError

Judge = Callable[..., Verdict]

CASES = [
    ("a value", "def f(x): return x + 1", "assert f(1) == 2", "passed"),
    ("a wrong value", "def f(x): return x", "assert f(1) == 2, 'wrong'", "AssertionError: wrong"),
    ("named arguments", "def f(a, *, b): return a - b", "assert f(3, b=1) == 2", "passed"),
    (
        "types are kept",
        "def f(x): return x",
        ("for v in [1, 1.0, True, (1,), [1], {1}, {1: 2}, b'a', None]:\n    assert type(f(v)) is type(v)\n"),
        "passed",
    ),
    (
        "a list changed in place",
        "def f(x): x.sort(); x.append(9)",
        ("v = [2, 1]\nassert f(v) is None\nassert v == [1, 2, 9]\n"),
        "passed",
    ),
    ("an inner list changed in place", "def f(x): x[0][0] = 5", ("row = [1]\nf([row])\nassert row == [5]\n"), "passed"),
    (
        "state between calls",
        ("n = 0\ndef f():\n    global n\n    n += 1\n    return n\n"),
        "assert [f(), f(), f()] == [1, 2, 3]",
        "passed",
    ),
    (
        "an exception of Python's",
        "def f(x): return x[5]",
        ("try:\n    f([])\nexcept IndexError as e:\n    assert 'range' in str(e)\nelse:\n    assert False\n"),
        "passed",
    ),
    (
        "an exception's base",
        ("class E(ValueError): pass\ndef f(): raise E('no')\n"),
        ("try:\n    f()\nexcept ValueError as e:\n    assert str(e) == 'no'\n"),
        "passed",
    ),
    ("an exception that is not caught", "def f(): raise KeyError('k')", "f()", "KeyError: \\\"'k'\\\""),
    ("an exception of its own", ("class E(Exception): pass\ndef f(): raise E('no')\n"), "f()", "ProgramRaised: E: no"),
    (
        "an iterator",
        "def f(n): return (x * x for x in range(n))",
        ("assert list(f(3)) == [0, 1, 4]\nassert f(3) != [0, 1, 4]\n"),
        "passed",
    ),
    (
        "check(candidate)",
        "def f(x): return x",
        ("def check(candidate):\n    assert candidate(1) == 2, 'checked'\n"),
        "AssertionError: checked",
    ),
    (
        "a dataclass",
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(): return P(1).x\n"),
        "assert f() == 1",
        "passed",
    ),
    (
        "what runs as a script does not",
        ("def f(): return 1\nif __name__ == '__main__':\n    raise SystemExit\n"),
        "assert f() == 1",
        "passed",
    ),
    ("input at its end", "def f(): return input('?')", "f()", "EOFError"),
    (
        "threads",
        (
            "import threading\n"
            "def f():\n"
            "    out = []\n"
            "    t = threading.Thread(target=out.append, args=(1,))\n"
            "    t.start(); t.join()\n"
            "    return out\n"
        ),
        "assert f() == [1]",
        "passed",
    ),
    (
        "a file of its own",
        ("def f():\n    open('/tmp/a', 'w').write('x')\n    return open('/tmp/a').read()\n"),
        "assert f() == 'x'",
        "passed",
    ),
    ("no such function", "def g(): pass", "f()", "does not load: KeyError: 'f'"),
    ("no Python", "def f(:", "f()", "does not load: SyntaxError"),
    ("an empty program", "", "f()", "does not load: KeyError"),
    (
        "swallowing its end",
        ("import os\ndef f(): os._exit(0)\n"),
        ("try:\n    f()\nexcept BaseException:\n    pass\n"),
        "ended before its tests did",
    ),
]


@pytest.mark.parametrize(("source", "tests", "detail"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_verdict(judge: Judge, source: str, tests: str, detail: str) -> None:
    verdict = judge(source, tests)
    assert (verdict.passed, detail.replace("\\", "") in verdict.detail) == (detail == "passed", True), verdict.detail


def test_tests_may_use_helpers_of_the_head_which_the_program_cannot_replace(judge: Judge) -> None:
    head = "def twice(x):\n    return 2 * x\n\ndef f(x):\n    '''Halves.'''\n"
    tests = "def check(candidate):\n    assert candidate(twice(3)) == 3\n    assert twice(1) == 2\n"
    assert judge(head + "    return x // 2\n", tests, head).passed is True
    assert judge("def twice(x): return 0\ndef f(x): return x // 2", tests, head).passed is True


def test_a_head_that_stops_after_its_signature_is_enough(judge: Judge) -> None:
    assert judge("def f():\n    return 1", "assert f() == 1", "import math\ndef f():\n").passed is True


@pytest.mark.parametrize(
    ("head", "tests", "reason"),
    [
        ("import no_such_module\n", "f()", "ModuleNotFoundError"),
        ("", "def check(candidate:", "SyntaxError"),
        ("", "raise ValueError('bad item')\nf()", "ValueError: bad item"),
        ("", "def check(candidate): pass", "never call"),
        ("", "f(lambda: 1)", "a function, which cannot cross"),
    ],
)
def test_an_item_that_cannot_be_run_says_nothing_about_the_program(
    judge: Judge, head: str, tests: str, reason: str
) -> None:
    verdict = judge("def f(*a): return 1", tests, head)
    assert verdict.passed is None
    assert reason in verdict.detail


def test_a_machine_without_bubblewrap_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TouchstoneError, match="bubblewrap") as caught:
        Pair(Limits())
    assert "apt install bubblewrap" in caught.value.remedy


def test_a_machine_without_user_namespaces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where any user may start it: pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        stand_in = folder / "bwrap"
        stand_in.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
        stand_in.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        with pytest.raises(TouchstoneError, match="No permissions to create new namespace") as caught:
            Pair(Limits())
    assert "user.max_user_namespaces" in caught.value.remedy
