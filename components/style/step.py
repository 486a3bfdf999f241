"""Completions -> style profiles beside the target's, countable features of single answers, tone of scored answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.english import is_english
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import StyleProfile
from components.contracts.ports import Input, Output
from components.contracts.preference_rows import StyleFeatures, ToneScore
from components.contracts.rows import Completion, Role, Score
from components.style.features import features as count_features
from components.style.structure import has_list, has_summary
from components.style.tone import LEXICAL_SCORER, authoritative
from components.style.words import split_words, unigram_f1

NAMED_IN_ERRORS = 5


class Params(BaseModel):
    """How thin a join may be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The comparison; shown in folder names and progress."""
    min_matched: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Least share of the target's prompts that each role must have answered."""


def style(
    *,
    base: Input[Completion],
    imitator: Input[Completion],
    target: Input[Completion],
    target_second: Input[Completion],
    profiles: Output[StyleProfile],
    features: Output[StyleFeatures],
    params: Params,
) -> Metrics:
    """Profile every output against the target's first sample on the same prompt. An empty `target_second` = none.

    `features` counts the surface of what judges may compare: answers of base, imitator and target.

    Raises:
        TouchstoneError: a prompt answered twice by one role, or a role that answered too few of the target's prompts.
    """
    by_role: dict[Role, list[Completion]] = {
        "base": base.rows(),
        "imitator": imitator.rows(),
        "target": target.rows(),
        "target_second": target_second.rows(),
    }
    if not by_role["target_second"]:
        del by_role["target_second"]
    made = profile_roles(by_role, min_matched=params.min_matched)
    profiles.write(made)
    compared = [row for role, rows in by_role.items() if role != "target_second" for row in rows]
    # A model may play two parts; its answers are the same then.
    counted = {(row.prompt_id, row.model): row for row in compared if row.unanswered is None}
    features.write(count_features(row) for row in counted.values())
    not_english = sum(not row.english for row in made)
    unmatched = sum(map(len, by_role.values())) - len(made)
    return {"profiles": float(len(made)), "not_english": float(not_english), "without_target": float(unmatched)}


class DescribeParams(BaseModel):
    """Whose answers these are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model; shown in folder names and progress."""


def describe(*, completions: Input[Completion], features: Output[StyleFeatures], params: DescribeParams) -> Metrics:
    """Count the surface of every answer: the covariates of a style-adjusted preference.

    An answer that was never given has no surface and gives no row.

    Raises:
        TouchstoneError: one model answered a prompt twice.
    """
    given = completions.rows()
    seen: set[tuple[str, str]] = set()
    for row in given:
        if (row.prompt_id, row.model) in seen:
            raise _answered_twice(row.model, row.prompt_id)
        seen.add((row.prompt_id, row.model))
    made = [count_features(row) for row in given if row.unanswered is None]
    features.write(made)
    return {"answers": float(len(made)), "unanswered": float(len(given) - len(made))}


def rate_tone(*, scores: Input[Score], completions: Input[Completion], tones: Output[ToneScore]) -> Metrics:
    """How sure the reply to each scored item sounds, by the lexical score of `tone.py`.

    An item's reply is looked for in the prompt style in which it was scored. Items asked for log-probabilities alone
    have no reply, and the row says so.

    Raises:
        TouchstoneError: an item that one model was asked in two styles, or a request answered twice.
    """
    said: dict[str, Completion] = {}
    for row in completions.iter_rows():
        if row.prompt_id in said:
            raise _answered_twice(row.model, row.prompt_id)
        said[row.prompt_id] = row
    made: dict[tuple[str, str, str], ToneScore] = {}
    styles: dict[tuple[str, str, str], str] = {}
    for score in scores.iter_rows():
        key = (score.benchmark, score.item_id, score.model)
        # Read in several channels it is still one reply; asked in two styles there are two.
        if styles.setdefault(key, score.prompt_style) != score.prompt_style:
            raise TouchstoneError(
                f"{score.benchmark}: {score.model} has item {score.item_id} twice",
                expected="one prompt style for each item and model",
                remedy="give the headline scores, not the variants",
            )
        made[key] = _tone(score, next(filter(None, (said.get(name) for name in _reply_ids(score))), None))
    tones.write(made.values())
    unscored = sum(row.authoritative is None for row in made.values())
    return {"rated": float(len(made) - unscored), "unscored": float(unscored)}


REPLY_MARK = "#"
"""Stands between an item's id and how it was asked, in the ids that `benchmark` gives its requests."""


def _reply_ids(score: Score) -> Iterator[str]:
    """Ids under which an item's reply may stand: as asked by `benchmark` (choices in words are a second request), or
    the bare item's, as in other tools' files."""
    asked = score.item_id + REPLY_MARK + score.prompt_style
    yield asked
    yield asked + REPLY_MARK + "text"
    yield score.item_id


def _tone(score: Score, reply: Completion | None) -> ToneScore:
    value = None
    if reply is None:
        reason = "no reply in words was recorded"
    elif reply.unanswered is not None:
        reason = reply.unanswered
    else:
        value, reason = authoritative(split_words(reply.text)), "the reply has no words"
    return ToneScore(
        item_id=score.item_id,
        benchmark=score.benchmark,
        model=score.model,
        scorer=LEXICAL_SCORER,
        authoritative=value,
        unscored=None if value is not None else reason,
    )


def _answered_twice(who: str, prompt_id: str) -> TouchstoneError:
    return TouchstoneError(
        f"{who} answered prompt {prompt_id} twice",
        expected="one answer for each prompt and model",
        remedy="keep one sample of each prompt",
    )


class _Text(NamedTuple):
    """A text and what is counted in it."""

    text: str
    words: list[str]
    counts: Counter[str]

    @classmethod
    def of(cls, text: str) -> _Text:
        words = split_words(text)
        return cls(text, words, Counter(words))


def profile_roles(by_role: Mapping[Role, Iterable[Completion]], *, min_matched: float = 0.0) -> list[StyleProfile]:
    """Profiles of all roles, joined to the target by prompt id, in the target's order of prompts, roles as given.

    Args:
        by_role: Outputs of each role; `target` must be among them.
        min_matched: Least share of the target's prompts that each role must have answered.

    Outputs on prompts that the target did not answer give no profile.

    Raises:
        TouchstoneError: a prompt answered twice by one role, or a role that answered too few of the target's prompts.
    """
    joined = {role: _by_prompt(role, completions) for role, completions in by_role.items()}
    reference = joined["target"]
    for role, answers in joined.items():
        _check_overlap(role, answers, reference, min_matched)
    rows = []
    for prompt_id, first in reference.items():
        first_text = _Text.of(first.text)
        for role, answers in joined.items():
            if prompt_id in answers:
                text = first_text if role == "target" else _Text.of(answers[prompt_id].text)
                rows.append(_profile(answers[prompt_id], role, text, first_text))
    return rows


def _profile(completion: Completion, role: Role, mine: _Text, reference: _Text) -> StyleProfile:
    return StyleProfile(
        prompt_id=completion.prompt_id,
        role=role,
        model=completion.model,
        words=len(mine.words),
        has_list=has_list(mine.text),
        has_summary=has_summary(mine.text),
        unigram_f1=unigram_f1(mine.counts, reference.counts),
        authoritative=authoritative(mine.words),
        english=is_english(mine.text, mine.words),
    )


def _by_prompt(role: Role, completions: Iterable[Completion]) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    for completion in completions:
        if completion.prompt_id in found:
            raise TouchstoneError(
                f"{role} answered prompt {completion.prompt_id} twice",
                expected="one output for each prompt and role",
                remedy="keep one sample of each prompt; a second sample of the target has a role of its own",
            )
        found[completion.prompt_id] = completion
    return found


def _check_overlap(
    role: Role, answers: Mapping[str, Completion], reference: Mapping[str, Completion], min_matched: float
) -> None:
    missing = [prompt_id for prompt_id in reference if prompt_id not in answers]
    matched = len(reference) - len(missing)
    if matched and matched >= min_matched * len(reference):
        return
    examples = ", ".join(missing[:NAMED_IN_ERRORS])
    raise TouchstoneError(
        f"{role} has outputs for {matched} of the target's {len(reference)} prompts"
        + (f"; missing among others: {examples}" if missing else ""),
        expected=f"at least {min_matched:.0%} of them, and one at the least",
        remedy=f"generate the missing outputs of {role} with the same prompt ids",
    )
