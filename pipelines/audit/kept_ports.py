"""Which ports an audit's rows had when it was finished, so that one that is lost or exchanged since does not pass
for one that was never given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.contracts import manifest
from components.contracts.errors import TouchstoneError
from pipelines.audit.evaluations import is_finished
from pipelines.audit.place import SETTINGS


def ports_of(rows: Path) -> dict[str, str]:
    """Port -> digest of its content, of all finished ports below `rows`."""
    folders = sorted(path for path in rows.iterdir() if path.name != SETTINGS and is_finished(path))
    return {folder.name: manifest.read(folder).digest for folder in folders}


def check_ports(rows: Path, recorded: Mapping[str, str]) -> None:
    """Compare the ports that are there with those on record.

    Args:
        rows: An audit's rows.
        recorded: As `ports_of` gave them; empty of an audit whose version kept no record.

    Raises:
        TouchstoneError: a port is missing, empty, added, or holds other rows.
    """
    if not recorded:
        return
    found = ports_of(rows)
    wrong = [
        (name, problem) for name in sorted({*recorded, *found}) if (problem := _problem(name, recorded, found, rows))
    ]
    if not wrong:
        return
    name, problem = wrong[0]
    more = f" (and {', '.join(other for other, _ in wrong[1:4])} too)" if wrong[1:] else ""
    expected = f"the {len(recorded)} ports of the finished audit, each with its rows: {', '.join(sorted(recorded))}"
    only_added = all(other not in recorded for other, _ in wrong)
    raise TouchstoneError(
        f"{rows / name} {problem}{more}",
        expected=expected,
        remedy="move what was added away; to add evidence, run the audit again with it"
        if only_added
        else "restore the rows from a copy, or run the audit again",
    )


def _problem(name: str, recorded: Mapping[str, str], found: Mapping[str, str], rows: Path) -> str:
    if name not in recorded:
        return "was added after the audit was finished"
    if name not in found:
        return f"has no {manifest.FILE_NAME}" if (rows / name).is_dir() else "is missing"
    return "" if found[name] == recorded[name] else "holds other rows than the audit was made of"
