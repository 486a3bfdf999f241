"""Preference files -> Judgment rows: AlpacaEval annotations, its reduced CSV, FastChat reviews, and our own folders."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from components.collect.judgment_folder import folder_rows
from components.collect.outputs import Outputs
from components.collect.prompts import PromptIndex, id_text
from components.collect.reviews import UNREADABLE, Review, read_review
from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.files import Record

Outcome = Literal["win", "tie", "loss"]
ACCEPTED = (
    "AlpacaEval annotations (generator_1, generator_2, preference), a CSV of model, i, baseline, preference, or"
    " FastChat reviews (question_id, answer1_id, answer2_id, score), or the folder that `touchstone judge` wrote"
)
MAX_MISSING_SHARE = 0.5
ALPACA_TIES = (0.0, 1.5)
"""AlpacaEval writes a tie as 0 (first version) or 1.5."""
NO_PREFERENCE = ("", "null", "none", "nan")


class Verdicts(NamedTuple):
    """Judgments of all files, and what was left out."""

    rows: tuple[Judgment, ...]
    skipped: Mapping[str, int]
    """File -> rows about pairs of which a model is not among the outputs."""
    warnings: tuple[str, ...] = ()
    """What folders of ours have to say against their judge: many flips, a server that answered as another model."""


@dataclass(frozen=True)
class _Found:
    """One judgment before its order is known for certain."""

    where: str
    source: str
    prompt_id: str
    first: str
    """The model in the first place of the file."""
    second: str
    first_score: float | None
    second_score: float | None
    unscored: str | None
    shown_in_order: bool
    """False: the file's places say nothing about what the judge saw."""


def read_judgments(
    paths: Sequence[Path],
    outputs: Sequence[Outputs],
    *,
    prompts: PromptIndex | None = None,
    any_model: bool = False,
) -> Verdicts:
    """Read preference files about the models whose outputs are given. Several files of one judge may hold both orders.

    Placebos in a folder of ours are kept beside the models they were compared with.

    Args:
        paths: Files of any of the accepted formats, or folders of Judgment rows.
        outputs: The models, with the names and answer ids by which judgments know them.
        prompts: Needed by files that name prompts by number only (`i`).
        any_model: Take judgments of every model and prompt, with outputs or without.

    Raises:
        TouchstoneError: not readable, no row about two of the given models, or one prompt judged twice alike.
    """
    models = _Models(outputs, any_model=any_model)
    rows: list[_Found] = []
    ready: list[Judgment] = []
    warnings: list[str] = []
    skipped: dict[str, int] = {}
    for path in paths:
        if path.is_dir():
            ours = folder_rows(path, models.named, None if any_model else models.prompts, models.listed())
            ready += ours.rows
            warnings += ours.warnings
            skipped |= {path.name: ours.left_out} if ours.left_out else {}
            continue
        found, left_out = _read_file(path, models, prompts or PromptIndex())
        rows += found
        if left_out:
            skipped[path.name] = left_out
    return Verdicts((*_as_rows(rows, models), *ready), skipped, tuple(warnings))


class _Models:
    """Finds a model by the names and answer ids that judgments use."""

    def __init__(self, outputs: Sequence[Outputs], *, any_model: bool) -> None:
        self.any_model = any_model
        self.outputs = {entry.role: entry for entry in outputs}
        self.by_answer = {
            answer: (entry.model, prompt) for entry in outputs for answer, prompt in entry.answers.items()
        }
        self.prompts = {row.prompt_id for entry in outputs for row in entry.completions}
        self.first_of = {name: entry.model for entry in reversed(outputs) for name in entry.aliases}
        self.first_seen: dict[frozenset[str], tuple[str, str]] = {}

    def named(self, name: str) -> str | None:
        """The model of that name (a version behind a colon may be left out)."""
        known = self.first_of.get(name) or self.first_of.get(name.partition(":")[0])
        return known or (name if self.any_model else None)

    def listed(self) -> str:
        """Roles and names, for error messages."""
        return ", ".join(f"{entry.model} (--{role.replace('_', '-')})" for role, entry in self.outputs.items())

    def tested_first(self, pair: tuple[str, str]) -> tuple[str, str]:
        """(model under test, opponent): the imitator before the base, the base before the target.

        Without roles the second of a pair is under test, as both formats have it: the first is the baseline.
        """
        if self.any_model:
            return self.first_seen.setdefault(frozenset(pair), (pair[1], pair[0]))
        rank = {
            self.outputs[role].model: number
            for number, role in enumerate(("target_second", "target", "base", "imitator"))
            if role in self.outputs
        }
        first, second = sorted(pair, key=lambda name: -rank.get(name, -1))
        return first, second


def _read_file(path: Path, models: _Models, prompts: PromptIndex) -> tuple[list[_Found], int]:
    found: list[_Found] = []
    strangers: list[tuple[Record, str, str]] = []
    for record in files.records(path):
        item = _read_record(path, record, models, prompts)
        if isinstance(item, _Found):
            found.append(item)
        else:
            strangers.append((record, *item))
    if not found:
        if not strangers:
            raise TouchstoneError(f"{path} holds no judgments", expected=ACCEPTED, remedy="give another file")
        record, first, second = strangers[0]
        unknown = [name for name in (first, second) if models.named(name) is None] or [first, second]
        raise record.error(
            f"{' and '.join(unknown)} {'are' if len(unknown) > 1 else 'is'} not among the outputs"
            f" (this file compares {first} with {second})",
            expected=f"two of {models.listed()}",
            remedy="give that model's outputs in a role, name a role with --name ROLE=NAME, or leave the file out",
        )
    known = [item for item in found if models.any_model or item.prompt_id in models.prompts]
    if len(known) < MAX_MISSING_SHARE * len(found) or not known:
        example = next(item for item in found if item.prompt_id not in models.prompts)
        raise TouchstoneError(
            f"{example.where}: prompt {example.prompt_id} is in no outputs file; so are"
            f" {len(found) - len(known)} of the {len(found)} judgments",
            expected="judgments of the prompts whose outputs are given",
            remedy="give the outputs that were judged, or --prompts when ids and texts have to be matched",
        )
    return known, len(strangers) + len(found) - len(known)


def _read_record(path: Path, record: Record, models: _Models, prompts: PromptIndex) -> _Found | tuple[str, str]:
    keys = record.value.keys()
    if {"generator_1", "generator_2", "preference"} <= keys:
        names = record.text("generator_1"), record.text("generator_2")
        annotator = record.value.get("annotator")
        source = annotator if isinstance(annotator, str) else _stem(path)
        prompt_id = prompts.id_of(record.text("instruction"), record)
    elif {"model", "baseline", "preference"} <= keys:
        # The preference is 2 for the model and 1 for the baseline, as in annotations whose first is the baseline.
        names, source = (record.text("baseline"), record.text("model")), _stem(path)
        prompt_id = _numbered_prompt(record, prompts, numbers_only=models.any_model)
    elif {"question_id", "score"} <= keys and ("answer1_id" in keys or "model_1" in keys):
        review = read_review(path, record, models.by_answer, models.named)
        return _reviewed(review, record, models)
    else:
        raise record.error(
            f"a record with only {', '.join(keys) or 'nothing'}", expected=ACCEPTED, remedy="give another file"
        )
    first, second = (models.named(name) for name in names)
    if first is None or second is None or first == second:
        return names
    preference, why = _preference(record)
    share = None if preference is None else (0.5 if preference in ALPACA_TIES else preference - 1)
    other = None if share is None else 1 - share
    # AlpacaEval shuffles what the judge sees and un-shuffles what it writes.
    return _Found(record.where, source, prompt_id, first, second, other, share, why, shown_in_order=False)


def _reviewed(review: Review, record: Record, models: _Models) -> _Found | tuple[str, str]:
    first, second = models.named(review.first), models.named(review.second)
    if first is None or second is None:
        return review.first, review.second
    scores = review.scores
    return _Found(
        record.where,
        review.reviewer,
        review.prompt_id,
        first,
        second,
        None if scores is None else scores[0],
        None if scores is None else scores[1],
        UNREADABLE if scores is None else None,
        shown_in_order=True,
    )


def _preference(record: Record) -> tuple[float | None, str | None]:
    value = record.value["preference"]
    if value is None or (isinstance(value, str) and value.strip().lower() in NO_PREFERENCE):
        return None, "no preference in the file"
    if isinstance(value, float) and math.isnan(value):
        return None, "no preference in the file"
    number = record.number("preference")
    if number != 0 and not 1 <= number <= 2:
        raise record.error(
            f"preference is {number:g}", expected="0 for a tie, or from 1 (first) to 2 (second)", remedy="correct it"
        )
    return number, None


def _numbered_prompt(record: Record, prompts: PromptIndex, *, numbers_only: bool) -> str:
    key = next((key for key in ("prompt_id", "question_id", "i") if key in record.value), None)
    if key is None:
        raise record.error("no i", expected="the prompt's number or id", remedy="add the column")
    prompt_id = id_text(record, key)
    if key == "i" and prompt_id not in prompts and not numbers_only:
        raise record.error(
            f"prompt number {prompt_id}, which "
            + (f"{prompts.name} does not have" if prompts.name else "names no text"),
            expected="numbers that a prompts file resolves",
            remedy="give the instructions with their numbers: --prompts instructions.jsonl",
        )
    return prompt_id


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _as_rows(found: Iterable[_Found], models: _Models) -> list[Judgment]:
    groups: dict[tuple[str, str, tuple[str, str]], list[_Found]] = {}
    for item in found:
        pair = models.tested_first((item.first, item.second))
        groups.setdefault((item.source, item.prompt_id, pair), []).append(item)
    rows = []
    for (_, _, (model, opponent)), items in groups.items():
        _refuse_repeats(items)
        rows += [_row(item, model, opponent, both=len(items) == 2) for item in items]
    return rows


def _refuse_repeats(items: Sequence[_Found]) -> None:
    seen: dict[str, _Found] = {}
    for item in items:
        if item.first in seen:
            raise TouchstoneError(
                f"{item.where}: {item.source} judged {item.first} against {item.second} on prompt {item.prompt_id}"
                f" a second time (first in {seen[item.first].where})",
                expected="one judgment for each judge, prompt, pair and order",
                remedy="leave one of the two out",
            )
        seen[item.first] = item


def _row(item: _Found, model: str, opponent: str, *, both: bool) -> Judgment:
    is_first = item.first == model
    score, other = (item.first_score, item.second_score) if is_first else (item.second_score, item.first_score)
    outcome: Outcome | None = None
    if score is not None and other is not None:
        outcome = "win" if score > other else "loss" if score < other else "tie"
    # A judge asked twice, with the places changed, was asked in both orders even where one file alone does not tell.
    ordered = item.shown_in_order or both
    return Judgment(
        prompt_id=item.prompt_id,
        source=item.source,
        rater=item.source,
        model=model,
        opponent=opponent,
        outcome=outcome,
        unscored=item.unscored,
        order=("model_first" if is_first else "opponent_first") if ordered else "none",
        score=score,
        opponent_score=other,
    )
