"""Which answers are put side by side, in which order, and which pairs are not put before the judge at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from components.contracts.rows import Completion, Request
from components.contracts.unjudged import no_answer_by
from components.judge.rows import Order, VerdictPair
from components.judge.template import Template

Answers = Mapping[str, Completion]
"""Prompt id -> one model's answer."""
ORDERS: tuple[Order, Order] = ("model_first", "opponent_first")


class Match(NamedTuple):
    """A model under test and its opponent."""

    model: str
    answers: Answers
    opponent: str
    theirs: Answers


def by_model(port: Input[Completion]) -> dict[str, dict[str, Completion]]:
    """Model -> its answers, in the order of the rows.

    Raises:
        TouchstoneError: a model answers a prompt twice.
    """
    found: dict[str, dict[str, Completion]] = {}
    for row in port.iter_rows():
        answers = found.setdefault(row.model, {})
        if row.prompt_id in answers:
            raise TouchstoneError(
                f"{port.path}: {row.model} answers prompt {row.prompt_id} twice",
                expected="one answer for each model and prompt",
                remedy="judge one sample of a model, or give each sample a name of its own",
            )
        answers[row.prompt_id] = row
    return found


def one_model(port: Input[Completion]) -> tuple[str, dict[str, Completion]]:
    """The one model of an artifact, with its answers.

    Raises:
        TouchstoneError: there is none, or there are several.
    """
    found = by_model(port)
    if len(found) != 1:
        raise TouchstoneError(
            f"{port.path} holds answers of {len(found)} models{': ' if found else ''}{', '.join(sorted(found))}",
            expected="the answers of one model to compare with",
        )
    return next(iter(found.items()))


def pairs_of(match: Match, *, longest_answer_chars: int, begin_id: str) -> Iterator[VerdictPair]:
    """Every prompt of either side: twice where it is asked about, once where it is not.

    Raises:
        TouchstoneError: the two sides have no prompt in common.
    """
    ours, theirs = match.answers, match.theirs
    if not ours.keys() & theirs.keys():
        raise TouchstoneError(
            f"{match.model} and {match.opponent} have no prompt in common",
            expected="answers of both models to the same prompts",
            remedy="give answers to one set of prompts; files without ids need the prompts' texts",
        )
    for prompt_id in (*theirs, *(name for name in ours if name not in theirs)):
        mine, other = ours.get(prompt_id), theirs.get(prompt_id)
        why = _unasked(match, mine, other, longest_answer_chars)
        same = why is None and mine is not None and other is not None and _same(mine, other)
        orders: Iterable[Order] = ("none",) if why is not None or same else ORDERS
        for order in orders:
            yield VerdictPair(
                id=f"{begin_id}{match.model}|{match.opponent}|{prompt_id}|{order}",
                prompt_id=prompt_id,
                model=match.model,
                opponent=match.opponent,
                order=order,
                same=same,
                unasked=why,
            )


def requests_of(pairs: Sequence[VerdictPair], matches: Sequence[Match], template: Template) -> Iterator[Request]:
    """The question of each pair that is asked about.

    Raises:
        TouchstoneError: a prompt's text is not known.
    """
    known = {(match.model, match.opponent): match for match in matches}
    for pair in pairs:
        if pair.order == "none":
            continue
        match = known[pair.model, pair.opponent]
        mine, other = match.answers[pair.prompt_id], match.theirs[pair.prompt_id]
        instruction = other.prompt or mine.prompt
        if not instruction.strip():
            raise TouchstoneError(
                f"the text of prompt {pair.prompt_id} is in the answers of neither {pair.model} nor {pair.opponent}",
                expected="answers with the prompt they answer",
                remedy="give the prompts' texts beside the answers (--prompts)",
            )
        first, second = (mine, other) if pair.order == "model_first" else (other, mine)
        yield Request(
            id=pair.id,
            kind="completion",
            chat=True,
            prompt=template.render(instruction, first.text, second.text),
            max_tokens=template.max_tokens,
        )


def shuffled(pairs: Iterable[VerdictPair], seed: int) -> list[VerdictPair]:
    """All pairs in an order that hangs on ids and seed alone: models, placebos and both orders mixed.

    A judge whose server changes during the work then changes for all of them alike.
    """
    return sorted(pairs, key=lambda pair: hashlib.sha256(f"{seed}:{pair.id}".encode()).digest())


def _unasked(match: Match, mine: Completion | None, other: Completion | None, longest: int) -> str | None:
    for name, row in ((match.model, mine), (match.opponent, other)):
        if row is None:
            return no_answer_by(name)
        if row.unanswered is not None:
            return no_answer_by(name, row.unanswered)
        if len(row.text) > longest:
            return f"{name}'s answer has {len(row.text):,} characters, and the judge is shown at most {longest:,}"
    return None


def _same(mine: Completion, other: Completion) -> bool:
    return mine.text.split() == other.text.split()
