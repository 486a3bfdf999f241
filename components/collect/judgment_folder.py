"""Judgment rows of ours -> the same rows under the names of an audit's models, placebos kept beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from components.collect.folders import refuse_other_folder
from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input
from components.contracts.preference_rows import PLACEBO

PORT = "judgments"


class FolderRows(NamedTuple):
    """What a folder says about the given models."""

    rows: list[Judgment]
    left_out: int
    """Rows about other models or prompts."""
    warnings: list[str]
    """What the reading of the judge's replies had to say against the judge."""


def _port(path: Path, option: str) -> Input[Judgment]:
    """The Judgment rows in a folder: an artifact, or what `touchstone judge` wrote."""
    inside = path / PORT
    if (inside / manifests.FILE_NAME).is_file() and not (path / manifests.FILE_NAME).is_file():
        return Input(inside, Judgment)
    refuse_other_folder(path, "judgments", option)
    return Input(path, Judgment)


def folder_rows(
    path: Path, named: Callable[[str], str | None], prompts: Collection[str] | None, listed: str
) -> FolderRows:
    """Rows about two known models, or about a known model and a placebo.

    Args:
        path: The folder.
        named: Finds a model by a name.
        prompts: Ids of the prompts whose outputs are known; None = any.
        listed: The known models, for messages.

    Raises:
        TouchstoneError: the rows were changed, or none is about known models and prompts.
    """
    port = _port(path, "" if prompts is None else "--judgments")
    rows = port.rows()
    if not rows:
        raise TouchstoneError(f"{path} holds no judgments", expected="at least one", remedy="give another folder")
    kept: list[Judgment] = []
    for row in rows:
        names = [name if name.startswith(PLACEBO) else named(name) for name in (row.model, row.opponent)]
        model, opponent = names
        is_known = model is not None and opponent is not None and not (_placebo(model) and _placebo(opponent))
        if is_known and (prompts is None or row.prompt_id in prompts):
            kept.append(row.model_copy(update={"model": model, "opponent": opponent}))
    if not kept:
        first = rows[0]
        raise TouchstoneError(
            f"{path} judges {first.model} against {first.opponent} on prompt {first.prompt_id}: none of its rows is"
            " about the given models and prompts",
            expected=f"two of {listed}, on the prompts of their outputs",
            remedy="give the outputs that were judged, name a role with --name ROLE=NAME, or leave the folder out",
        )
    told = port.manifest.notes.get("warnings")
    warnings = [f"{path.name}: {line}" for line in told] if isinstance(told, list | tuple) else []
    return FolderRows(kept, len(rows) - len(kept), warnings)


def _placebo(name: str) -> bool:
    return name.startswith(PLACEBO)
