"""What people hold to be right: labels as they are, or votes of which the majority counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.collect.judgments import read_judgments
from components.collect.outputs import Outputs
from components.collect.prompts import PromptIndex
from components.collect.stored import read_stored
from components.contracts import manifest as manifests
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input
from components.contracts.preference_rows import GoldLabel
from components.report.preferring.voices import majority, voices_in, votes_of


def read_gold(path: Path) -> list[GoldLabel]:
    """Labels from a folder of GoldLabel rows, or from people's judgments in any format that is read.

    Raises:
        TouchstoneError: the file cannot be read, or one person voted twice alike.
    """
    return Input(path, GoldLabel).rows() if _holds_labels(path) else labels_of(read_stored([path]))


def gold_about(paths: Sequence[Path], outputs: Sequence[Outputs], prompts: PromptIndex) -> list[GoldLabel]:
    """The same of some models, with prompts as their outputs number them. Votes of all files are counted together.

    Raises:
        TouchstoneError: a file cannot be read, holds no vote about two of the models, or one person voted twice alike.
    """
    labels = [path for path in paths if _holds_labels(path)]
    votes = [path for path in paths if path not in labels]
    found = [label for path in labels for label in Input(path, GoldLabel).rows()]
    return found + (labels_of(read_judgments(votes, outputs, prompts=prompts).rows) if votes else [])


def _holds_labels(path: Path) -> bool:
    return (path / manifests.FILE_NAME).is_file() and manifests.read(path).contract == GoldLabel.__name__


def labels_of(rows: Sequence[Judgment]) -> list[GoldLabel]:
    """A label for each pair with a readable vote: the outcome of more than half of the voices, else a tie."""
    pairs: dict[tuple[str, str], list[Judgment]] = {}
    for row in rows:
        pairs.setdefault((row.model, row.opponent), []).append(row)
    found = []
    for (model, opponent), its in pairs.items():
        for prompt_id, votes in votes_of(its).items():
            voices = voices_in(votes)
            outcome = majority(list(voices.values()))
            if outcome is not None:
                label = {"prompt_id": prompt_id, "model": model, "opponent": opponent, "outcome": outcome}
                found.append(GoldLabel.model_validate({**label, "num_raters": len(voices)}))
    return found
