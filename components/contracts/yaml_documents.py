"""YAML that a person wrote: plain values only, and no key twice."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import yaml

from components.contracts.errors import UsageError


class _Loader(yaml.SafeLoader):
    """SafeLoader lets the last of two equal keys win, silently; here it is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(path: Path, text: str) -> object:
    """The document in `text`.

    Raises:
        UsageError: not YAML, or a key stands twice; names file and line.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or error
        raise UsageError(
            f"{where}: {problem}", expected="YAML with every key once", remedy="correct the line"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}", expected="YAML", remedy="correct the file") from error


def read_mapping(path: Path) -> dict[str, object]:
    """The mapping in a YAML file; empty for an empty file.

    Raises:
        UsageError: the file cannot be read, or see `parse_mapping`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read {path}: {why}", expected="a YAML file") from error
    return parse_mapping(path, text)


def parse_mapping(path: Path, text: str) -> dict[str, object]:
    """The mapping in `text`; empty for an empty text.

    Raises:
        UsageError: not YAML, or no mapping with names as keys.
    """
    document = parse_yaml(path, text)
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise UsageError(f"{path} holds a {type(document).__name__}", expected="key: value lines")
    return document
