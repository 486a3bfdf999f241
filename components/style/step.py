"""Completions of base, imitator and target -> one style profile for each prompt and role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.contracts.rows import Completion, Role, StyleProfile
from components.style.english import is_english
from components.style.structure import has_list, has_summary
from components.style.tone import authoritative
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
    params: Params,
) -> Metrics:
    """Profile every output against the target's first sample on the same prompt. An empty `target_second` = none.

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
    not_english = sum(not row.english for row in made)
    unmatched = sum(map(len, by_role.values())) - len(made)
    return {"profiles": float(len(made)), "not_english": float(not_english), "without_target": float(unmatched)}


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
