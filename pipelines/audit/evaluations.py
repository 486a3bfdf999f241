"""What `touchstone evaluate` wrote, given for a role: its answers, its scores, and the questions they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from components.collect.score_file import ScoreFile
from components.contracts import manifest
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from components.contracts.rows import Channel, Completion, Score, TaskItem

ScoreRole = Literal["base", "imitator", "target"]
FALLBACKS: tuple[Channel, ...] = ("likelihood", "extracted", "strict")
ANSWERS, SCORES, VARIANTS, ITEMS = "answers", "scores", "variants", "items"
COMPLETIONS = "completions"


def is_evaluation(path: Path) -> bool:
    """Whether a folder is a finished evaluation: scores and answers are written last."""
    return all(is_finished(path / name) for name in (SCORES, VARIANTS, ANSWERS))


def is_finished(artifact: Path) -> bool:
    """Whether an artifact is there and whole.

    Raises:
        TouchstoneError: nobody may look.
    """
    try:
        return (artifact / manifest.FILE_NAME).is_file()
    except PermissionError as error:
        raise TouchstoneError(f"{artifact.parent} cannot be read: {error.strerror}") from error


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


def on_common_ground(
    scores: Mapping[ScoreRole, ScoreFile], variants: Mapping[ScoreRole, Sequence[Score]]
) -> tuple[dict[ScoreRole, ScoreFile], list[str]]:
    """Scores in which every benchmark is read in one way, taken from the variants where headlines differ.

    A target behind a server has no likelihoods: its choices are read from its replies, and so must the others' be.

    Args:
        scores: Role -> headline scores.
        variants: Role -> scores in other prompt styles and channels, of roles given as evaluations.

    Returns:
        The scores, and a remark for each benchmark that was read in another way than its headline.
    """
    made, remarks = dict(scores), []
    for benchmark in dict.fromkeys(name for file in scores.values() for name in file.benchmarks):
        rows = {role: [row for row in file.scores if row.benchmark == benchmark] for role, file in scores.items()}
        used = {role: {row.channel for row in found} for role, found in rows.items() if found}
        if not used or set.intersection(*used.values()):
            continue
        others = {role: [row for row in variants.get(role, ()) if row.benchmark == benchmark] for role in used}
        readable = [used[role] | {row.channel for row in others[role]} for role in used]
        channel = next((name for name in FALLBACKS if all(name in found for found in readable)), None)
        if channel is None:
            continue  # the decision says so
        for role in used:
            if channel not in used[role]:
                made[role] = _reread(made[role], rows[role], others[role], channel)
        remarks.append(f"{benchmark}: not every model has the headline's reading; all are compared by {channel}.")
    return made, remarks


def _reread(file: ScoreFile, headline: Sequence[Score], others: Sequence[Score], channel: Channel) -> ScoreFile:
    """The same items in the same prompt style, read in another way."""
    benchmark, style = headline[0].benchmark, headline[0].prompt_style
    items = {row.item_id for row in headline}
    taken = [row for row in others if row.channel == channel and row.prompt_style == style and row.item_id in items]
    kept = [row for row in file.scores if row.benchmark != benchmark]
    return replace(file, scores=(*kept, *(row.model_copy(update={"model": file.model}) for row in taken)))
