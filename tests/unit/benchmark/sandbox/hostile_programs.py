"""Programs that try to pass without solving their task, to see what they must not, or to harm what runs them.

They stand in hostile_programs.txt, each under its name and the pattern that its verdict's detail must match: so that
it is known that the attempt was made, and how it ended. Each defines `solve`, of which the tests want a word that is
drawn anew in every run: whoever returns it has seen the tests. An *attempt* is the body of a `solve` that returns what
came of it: `found`, or the name of the exception.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_suffix(".txt")
ENTRY = re.compile(r"^==== (.+?)( \(quick\))?\n== (program|attempt), (.+)\n((?:(?!^====).*\n)*)", re.MULTILINE)
ATTEMPT = """
import ctypes, gc, mmap, os, resource, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    return 'done' if libc.syscall(*arguments) != -1 else f'errno {ctypes.get_errno()}'
def solve(word):
    found = 'nothing'
    try:
%s
    except BaseException as error:
        return type(error).__name__
    return found
"""


class Hostile(NamedTuple):
    """A program, and what must come of it."""

    name: str
    """What it tries."""
    source: str
    says: str
    """Pattern that the verdict's detail must match."""
    quick: bool
    """Whether it is tried in every check."""


def _read(name: str, quick: str, kind: str, says: str, source: str) -> Hostile:
    if kind == "attempt":
        source = ATTEMPT % textwrap.indent(source, " " * 8)
        says = f"^AssertionError: '?(?:{says})"
    return Hostile(name, source, says, bool(quick))


HOSTILE = [_read(*found.groups(default="")) for found in ENTRY.finditer(FILE.read_text(encoding="utf-8") + "\n")]
