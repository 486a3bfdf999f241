"""values.yaml as documentation: every key with the line of prose above it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

BEGIN, END = "<!-- values: made by python -m tests.chart.regenerate -->", "<!-- end of values -->"


@dataclass(frozen=True)
class Value:
    """One key a person may set."""

    path: str
    """Dotted, as --set takes it."""
    default: object
    """What stands in values.yaml."""
    prose: str
    """The comment lines above it; empty = there are none."""


def read(path: Path) -> list[Value]:
    """Every key of a values.yaml down to the level that has prose: below it, maps are the user's own."""
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_values(root, text.splitlines(), yaml.safe_load(text), ""))


def table(values: list[Value]) -> str:
    """The values as a Markdown table between two marks."""
    rows = ["| key | default | |", "|---|---|---|"]
    rows += [f"| `{v.path}` | `{json.dumps(v.default)}` | {v.prose.replace('|', chr(92) + '|')} |" for v in values]
    return "\n".join([BEGIN, *rows, END])


def _values(node: yaml.MappingNode, lines: list[str], data: dict[str, object], above: str) -> Iterator[Value]:
    for key, below in node.value:
        path = f"{above}.{key.value}" if above else str(key.value)
        prose, default = _prose(lines, key.start_mark.line), data[key.value]
        if not prose and isinstance(below, yaml.MappingNode) and isinstance(default, dict) and default:
            yield from _values(below, lines, default, path)
        else:
            yield Value(path, default, prose)


def _prose(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().lstrip("#").strip())
    return " ".join(found)
