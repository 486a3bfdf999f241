"""Rows of a sweep: its cells, and what each of them came to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.contracts.ports import Folder
from components.contracts.rows import Count, Row


class Cell(Row):
    """One imitator of a sweep."""

    name: str
    """What tells it from the others; used in folders, tables and figures."""
    base: str
    """Name of its base."""
    data: str
    """Name of its imitation data."""
    amount: Count
    """Dialogues it learned from."""
    mitigation: str
    """Name of the arm; `plain` = nothing is done against forgetting."""
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Of an interpolation: the imitator's share of the weights."""
    seed: Count = 0
    """Of its training."""


class CellResults(Folder):
    """Finished cells of a sweep: for each a folder of its name with verdict.json, report.html and its scores."""
