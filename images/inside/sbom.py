"""Adds Debian's packages to a CycloneDX document: python sbom.py DOCUMENT OUT [--only NAMES] < dpkg status file.

DOCUMENT is what cyclonedx-py wrote for the Python packages, or /dev/null where there are none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

EMPTY: dict[str, Any] = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}


def installed(status: Iterable[str]) -> Iterator[dict[str, str]]:
    """The installed packages of a dpkg status file, as field name -> first line of the value."""
    fields: dict[str, str] = {}
    for line in [*status, "\n"]:
        if not line.strip():
            if fields.get("Status", "").endswith(" installed"):
                yield fields
            fields = {}
        elif not line[0].isspace() and ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()


def component(package: dict[str, str]) -> dict[str, Any]:
    """A Debian package as a CycloneDX component, named by a package URL."""
    name, version, machine = package["Package"], package["Version"], package["Architecture"]
    url = f"pkg:deb/debian/{name}@{version.replace(':', '%3A').replace('+', '%2B')}?arch={machine}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def merge(document: dict[str, Any], packages: Iterable[dict[str, str]]) -> dict[str, Any]:
    """`document` with the packages after its own components, in the order of their names; what varies is dropped."""
    debian = sorted((component(package) for package in packages), key=lambda found: str(found["bom-ref"]))
    merged = EMPTY | document
    merged.pop("serialNumber", None)
    merged.get("metadata", {}).pop("timestamp", None)
    merged["components"] = [*merged.get("components", []), *debian]
    return merged


def main() -> None:
    """Read the status file from standard input and write the merged document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("document", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", type=Path, help="file with the names of the packages to keep, one a line")
    given = parser.parse_args()
    text = given.document.read_text()
    packages = list(installed(sys.stdin))
    if given.only:
        kept = set(given.only.read_text().split())
        packages = [package for package in packages if package["Package"] in kept]
    merged = merge(json.loads(text) if text.strip() else {}, packages)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
