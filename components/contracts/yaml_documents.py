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
