"""Wrong roles: one file, one model or one log in the place of two."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from components.collect.joins import words
from components.collect.outputs import Outputs, flag
from components.collect.score_file import ScoreFile
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.rows import Role
from pipelines.audit.request import AuditRequest, ScoreRole

FEWEST_ALIKE = 10
"""Items from which equal scores are worth a remark."""


def refuse_one_file_in_two_roles(request: AuditRequest) -> None:
    """The same path under two roles is a slip of the hand.

    Raises:
        UsageError: a path is given twice.
    """
    for kind, entries in (
        ("--{role}", [(role, path) for role, path in request.outputs.items()]),
        ("--scores {role}=", [(role, source.file) for role, found in request.scores.items() for source in found]),
    ):
        seen: dict[Path, str] = {}
        for role, path in entries:
            real = path.resolve()
            option = kind.format(role=flag(role))
            if seen.setdefault(real, option) != option:
                raise UsageError(
                    f"{path} is given as {seen[real]} and as {option}",
                    expected="another file for each role",
                    remedy="give each model's own file",
                )


def refuse_one_model_in_two_roles(outputs: Mapping[Role, Outputs]) -> None:
    """Names and texts of two roles must differ.

    Raises:
        TouchstoneError: two roles hold one model's name, or the same outputs.
    """
    seen: dict[str, Outputs] = {}
    for role, entry in outputs.items():
        # A second sample has the target's name; it must still be another sample, which the texts tell.
        key = entry.model if role != "target_second" else f"second sample of {entry.model}"
        if key in seen:
            twin = seen[key]
            raise TouchstoneError(
                f"{entry.path} (--{flag(role)}) and {twin.path} (--{flag(twin.role)}) are both outputs of {key}",
                expected="one model for each role",
                remedy=f"give the {words(role)}'s own outputs; if both are named alike by mistake: --name {role}=NAME",
            )
        seen[key] = entry
    texts: dict[tuple[tuple[str, str], ...], Outputs] = {}
    for role, entry in outputs.items():
        content = tuple(sorted((row.prompt_id, row.text) for row in entry.completions))
        twin = texts.setdefault(content, entry)
        if twin is not entry:
            raise TouchstoneError(
                f"{entry.path} (--{flag(role)}) holds the same outputs as {twin.path} (--{flag(twin.role)})",
                expected="another model's outputs, or another sample, in each role",
                remedy=f"give the {words(role)}'s own outputs",
            )


def same_scores(scores: Mapping[ScoreRole, ScoreFile]) -> list[str]:
    """Benchmarks on which two roles have the same score on every item: rightly so, or one model's file twice."""
    tables: dict[ScoreRole, dict[str, dict[str, float | None]]] = {}
    for role, file in scores.items():
        for row in file.scores:
            tables.setdefault(role, {}).setdefault(row.benchmark, {})[row.item_id] = row.value
    return [
        f"{name}: {first} and {second} have the same score on all {len(found)} items: two files of one model?"
        for first, second in itertools.combinations(tables, 2)
        for name, found in tables[first].items()
        if sum(value is not None for value in found.values()) >= FEWEST_ALIKE and found == tables[second].get(name)
    ]


def refuse_scores_of_another_role(scores: Mapping[ScoreRole, ScoreFile], outputs: Mapping[Role, Outputs]) -> None:
    """A log that names its model must not name another role's.

    Raises:
        TouchstoneError: it does.
    """
    for role, file in scores.items():
        if file.logged_as is None or (role in outputs and file.logged_as in outputs[role].aliases):
            continue
        for other, entry in outputs.items():
            if other not in (role, "target_second") and file.logged_as in entry.aliases:
                raise TouchstoneError(
                    f"--scores {role}=: the log is of {file.logged_as}, whose outputs are --{flag(other)}",
                    expected=f"the {role}'s scores",
                    remedy=f"give it as --scores {other}=, or name the {role} with --name {role}=NAME",
                )
    taken: dict[str, str] = {}
    for role, file in scores.items():
        if file.logged_as is not None and taken.setdefault(file.logged_as, role) != role:
            raise TouchstoneError(
                f"--scores {role}= and --scores {taken[file.logged_as]}= are logs of one model, {file.logged_as}",
                expected="each role's own scores",
                remedy="give the right log; checkpoints of equal folder names need --output_path folders of their own",
            )
