"""What `touchstone evaluate` wrote, given for a role: its answers, its scores, and the questions they are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.contracts import manifest
from components.contracts.ports import Input
from components.contracts.rows import Completion, Score, TaskItem

ANSWERS, SCORES, VARIANTS, ITEMS = "answers", "scores", "variants", "items"


def is_evaluation(path: Path) -> bool:
    """Whether a folder is a finished evaluation: scores and answers are written last."""
    return all((path / name / manifest.FILE_NAME).is_file() for name in (SCORES, VARIANTS, ANSWERS))


def expanded(values: Mapping[str, object], roles: Mapping[str, bool]) -> dict[str, object]:
    """A request in which every evaluation stands for the files in it.

    Args:
        values: Keys of an audit request.
        roles: Role -> whether scores are asked of it.

    Raises:
        TouchstoneError: an evaluation's artifact is not ours.
    """
    made = dict(values)
    scores = made.get("scores")
    listed: dict[str, object] = dict(scores) if isinstance(scores, Mapping) else {}
    found: dict[str, Path] = {}
    for role, scored in roles.items():
        given = made.get(role)
        if not isinstance(given, str | Path) or not is_evaluation(Path(given)):
            continue
        place = Path(given)
        made[role] = place / ANSWERS if Input(place / ANSWERS, Completion).manifest.num_rows else None
        if scored and Input(place / SCORES, Score).manifest.num_rows and role not in listed:
            listed[role] = [place / SCORES]
            found[role] = place
    return {**made, "scores": listed, "evaluations": found} if found else made


def variants_of(place: Path) -> list[Score]:
    """Scores in other prompt styles and channels."""
    return Input(place / VARIANTS, Score).rows()


def items_of(place: Path) -> list[TaskItem]:
    """Questions of the test items."""
    return [item for item in Input(place / ITEMS, TaskItem).iter_rows() if item.split == "test"]
