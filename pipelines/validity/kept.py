"""Finished worlds of a study, line by line, so that one that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class Kept:
    """Results by what they are of; on disk where there is a path.

    Results do not know the code that made them: the file is to be removed after a change of the method.
    """

    def __init__(self, path: Path | None) -> None:
        """Read what is there."""
        self.path = path
        self._found: dict[str, object] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue  # empty, or torn when a study was killed
                self._found[entry["of"]] = entry["result"]

    def result(self, kind: type[T], of: str, make: Callable[[], T]) -> T:
        """What was kept of this, or made now and kept."""
        adapter = TypeAdapter(kind)
        if of in self._found:
            try:
                return adapter.validate_python(self._found[of])
            except ValidationError:
                pass  # of a version with other fields
        made = make()
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                # A line of its own, also after one that was torn.
                stream.write("\n" + json.dumps({"of": of, "result": asdict(made)}) + "\n")  # type: ignore[call-overload]
        return made

    def finish(self) -> None:
        """Forget everything: the study is written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
