"""infra/versions.env: the versions of everything that is installed, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from components.contracts.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "infra" / "versions.env"
_LINE = re.compile(r"^([A-Z][A-Z0-9_]*)=([\w.:/@+-]+)$")


def read_versions(path: Path = FILE) -> Mapping[str, str]:
    """The KEY=VALUE lines of a versions.env.

    Raises:
        UsageError: the file is missing, a line is neither empty, a comment nor KEY=VALUE, or a key comes twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", remedy="run this from a complete checkout") from error
    versions: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None or match[1] in versions:
            raise UsageError(
                f"{path}:{number}: {line!r}",
                expected="KEY=VALUE without blanks or quotes, each key once",
                remedy="shell scripts source this file too: mend the line",
            )
        versions[match[1]] = match[2]
    return versions
