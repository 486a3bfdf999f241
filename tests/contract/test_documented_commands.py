"""Every `touchstone ...` in the documents and in messages names commands and options that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipelines.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "components/**/README.md", "infra/*.md", "charts/*/*.md", "images/*.md")
    for path in ROOT.glob(pattern)
    if "touchstone " in path.read_text(encoding="utf-8")
)
PORTS_FOR_OPTIONS = {"step"}
"""Commands whose options are a step's ports."""


def commands_in(text: str) -> Iterator[str]:
    """Commands in fenced blocks, continued lines joined, and in backticks."""
    for block in re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            yield from split(line.split("  #")[0])
    for quoted in re.findall(r"`(touchstone [^`]+)`", text):
        yield from split(" ".join(quoted.split()))


def split(line: str) -> Iterator[str]:
    for part in re.split(r"&&|;|\|", line):
        if part.strip().startswith("touchstone "):
            yield part.strip()


def mistakes(command: str) -> Iterator[str]:
    """Words of a command that the command line would not understand."""
    try:
        words = shlex.split(command)[1:]
    except ValueError:  # a sentence with an apostrophe
        words = command.split()[1:]
    found: click.Command = cli
    while isinstance(found, click.Group) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        below = found.get_command(click.Context(found), words[0])
        if below is None:
            yield f"{command}: there is no command {words[0]}"
            return
        found, words = below, words[1:]
    if found.name in PORTS_FOR_OPTIONS:
        return
    known = {name for option in found.params for name in (*option.opts, *option.secondary_opts)} | {
        "--help",
        "--version",
    }
    for word in words:
        name = word.split("=")[0]
        if re.fullmatch(r"--[a-z][a-z-]*", name) and name not in known:
            yield f"{command}: {found.name} has no option {name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_commands_and_options_that_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [line for command in commands_in(text) for line in mistakes(command)] == []


def test_messages_name_commands_and_options_that_exist() -> None:
    found = []
    for path in [*ROOT.glob("components/**/*.py"), *ROOT.glob("pipelines/**/*.py")]:
        text = re.sub(r'"\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for quoted in re.findall(r"`(touchstone [^`{}]+)`", text):
            found += [f"{path.name}: {line}" for part in split(" ".join(quoted.split())) for line in mistakes(part)]
    assert found == []
