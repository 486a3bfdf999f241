"""A judge's template as a person names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping
from components.judge.template import load_template, shipped


def read_template(given: str) -> str | dict[str, Any]:
    """A shipped template's name as it is, or the fields in a file.

    Raises:
        UsageError: neither, or the fields make no template.
    """
    path = Path(given)
    if path.suffix not in {".yaml", ".yml"} and not path.is_file():
        load_template(given)
        return given
    if not path.is_file():
        raise UsageError(f"there is no {path}", expected=f"{', '.join(shipped())}, or the path of a YAML file")
    fields = read_mapping(path)
    load_template(fields, where=str(path))
    return fields
