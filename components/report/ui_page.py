"""What the Kubeflow UI shows of a report: its page as an HTML artifact beside the folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from components.contracts.ports import Input, Report

PAGES = ("study.html", "sweep.html", "report.html")
"""The one a person opens, where a folder holds several."""


def show_page(report: Any, page: Any) -> None:
    """Copy a report's page to where the UI looks for it.

    The folder stays the artifact that others read; the UI can show no folder.

    Args:
        report: Artifact of a finished report.
        page: Artifact of type `dsl.HTML`.
    """
    folder = Input(Path(report.path), Report).folder
    found = next(folder / name for name in PAGES if (folder / name).is_file())
    target = Path(page.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(found, target)
