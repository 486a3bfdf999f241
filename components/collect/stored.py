"""Any stored judgments, of whatever models, with their answers or without -> Judgment rows to be analysed again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from components.collect.judgments import read_judgments
from components.collect.outputs import Outputs
from components.collect.prompts import PromptIndex
from components.collect.votes import is_votes, read_votes
from components.contracts import files
from components.contracts.evidence_rows import Judgment


def read_stored(
    paths: Sequence[Path], answers: Sequence[Outputs] = (), *, prompts: PromptIndex | None = None
) -> list[Judgment]:
    """Judgments in any format that is read here.

    Args:
        paths: Files or folders.
        answers: Answer files of FastChat, by whose ids its reviews name models; without them the file's name tells.
        prompts: Ids of prompts, where judgments name them by text.

    Raises:
        TouchstoneError: a file cannot be read, or a judge judged a pair twice in one order.
    """
    votes = [path for path in paths if not path.is_dir() and _holds_votes(path)]
    others = [path for path in paths if path not in votes]
    found = read_judgments(others, answers, prompts=prompts, any_model=True).rows if others else ()
    return [*read_votes(votes), *found]


def _holds_votes(path: Path) -> bool:
    return any(is_votes(record) for record in itertools.islice(files.records(path), 1))
