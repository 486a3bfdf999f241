"""Names of pipeline versions: the same code, settings and images always give the same name."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path

import components
import pipelines
from components.contracts import canonical

DIGEST_CHARS = 12


def version_name(ir: Path) -> str:
    """`0.1.0-3f2a...`: the project's version, and a digest of its sources and of the compiled pipeline."""
    digest = canonical.digest({"ir": canonical.file_digest(ir), "code": source_digest()})
    return f"{installed_version('touchstone-audit')}-{digest[:DIGEST_CHARS]}"


def source_digest() -> str:
    """sha256 over every Python and data file of the components and pipelines."""
    files = {}
    for package in (components, pipelines):
        root = Path(str(package.__file__)).parent
        for name in canonical.tree_files(root):
            if "__pycache__" not in name and not name.endswith(".md"):
                files[f"{root.name}/{name}"] = canonical.file_digest(root / name)
    return canonical.digest(files)
