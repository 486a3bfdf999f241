"""Answers of base and target -> placebos: answers that must not win, with a log of every change that made them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Nothing, Output
from components.contracts.preference_rows import Alteration, PlaceboArm, placebo_model
from components.contracts.rows import Completion, Prompt, Request
from components.placebo.alterations import Change, apply, as_rows
from components.placebo.corruption import corrupt
from components.placebo.lexicon import read_text
from components.placebo.names import Pools
from components.placebo.restyling import FULL_DRESS, dress_of, restyle
from components.placebo.stylistic import STOP, shipped_examples, stylistic_prompt, target_examples

Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
NOTHING_TO_CORRUPT = "nothing in the target's answer could be changed: no number, name, unit, negation or opposite"
NO_WORDS = "the answer it would be made of has no words"
EXAMPLES_CUT = "the base's context is too short for the examples before the prompt"


class Params(BaseModel):
    """How placebos are made."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The comparison; shown in folder names and progress."""
    seed: Seed = 0
    """Another seed makes other changes."""
    dress: Literal["target", "full"] = "target"
    """What a restyled base wears: what the target wears on the same prompt, or list, headings, bold and closing
    paragraph always."""
    contrary_share: Share = 0.5
    """Share of the sentences without changed fact that are made to say the contrary, where they can be."""
    constant: str = ""
    """The answer to everything; empty = the one that ships (`data/constant.txt`)."""


class StylisticParams(BaseModel):
    """How the base is asked for answers in an assistant's style."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the base; shown in folder names and progress."""
    num_examples: Annotated[int, Field(ge=1, le=6)] = 3
    """Worked examples before the prompt; the method's placebo has three."""
    longest_example: Annotated[int, Field(gt=0)] = 900
    """Characters of an example of the target, question and answer; longer ones serve only where too few are shorter."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Longest answer."""
    temperature: Annotated[float, Field(ge=0.0)] = 0.7
    """Temperature."""
    seed: Seed = 0
    """Another seed gives other answers."""


def prepare_stylistic(
    *,
    prompts: Input[Prompt],
    target: Input[Completion] = Nothing(Completion),  # noqa: B008 - a frozen value that says "nothing given"
    requests: Output[Request],
    params: StylisticParams,
) -> Metrics:
    """Put every prompt to the base after worked examples that show a style, for `generate` to answer.

    The examples are answers of the target, and the prompts they answer are not asked; without a target, those that
    ship.

    Raises:
        TouchstoneError: two prompts share an id, or the target answered too few to show one and ask about another.
    """
    known = shipped_examples()
    if not isinstance(target, Nothing):
        known = target_examples(_by_prompt(target).values(), params.num_examples, params.longest_example)
        if not known:
            raise TouchstoneError(
                f"{target.path} has no answer to show before another prompt",
                expected="at least two answers of the target, with their prompts",
                remedy="leave the target out: then the examples that ship are shown",
            )
    shown = {example.prompt_id for example in known}
    made: dict[str, Request] = {}
    for number, prompt in enumerate(prompts.iter_rows()):
        if prompt.id in made:
            raise TouchstoneError(f"{prompts.path} has prompt {prompt.id} twice", expected="unique ids")
        if prompt.id in shown:
            continue
        made[prompt.id] = Request(
            id=prompt.id,
            kind="completion",
            prompt=stylistic_prompt(prompt.text, known, params.num_examples),
            max_tokens=params.max_tokens,
            stop=(STOP,),
            temperature=params.temperature,
            seed=params.seed * 1_000_003 + number,
        )
    requests.write(made.values(), notes={"examples": [example.prompt_id for example in known if example.prompt_id]})
    return {"requests": float(len(made)), "examples": float(min(params.num_examples, len(known)))}


def make_placebos(
    *,
    base: Input[Completion],
    target: Input[Completion],
    stylistic: Input[Completion] = Nothing(Completion),  # noqa: B008
    restyled_base: Output[Completion],
    stylistic_base: Output[Completion],
    corrupted_target: Output[Completion],
    constant: Output[Completion],
    alterations: Output[Alteration],
    params: Params,
) -> Metrics:
    """Make every arm for the target's prompts, under the names by which judges' verdicts on placebos are known.

    An answer that cannot be made is a row without text that says why. `stylistic` are the base's answers to the
    requests of `prepare_stylistic`; without them `stylistic_base` has no rows.

    Raises:
        TouchstoneError: a prompt answered twice by one model, or no prompt that base and target both answered.
    """
    answers = _by_prompt(target)
    plain, styled = _by_prompt(base), _by_prompt(stylistic)
    for port, found in ((base, plain), (stylistic, styled)):
        if port.manifest.num_rows and not found.keys() & answers.keys():
            raise TouchstoneError(
                f"{port.path} and {target.path} have no prompt in common",
                expected="answers of base and target to the same prompts",
            )
    dressed = [_restyled(plain[row.prompt_id], row, params) for row in answers.values() if row.prompt_id in plain]
    pools = Pools(row.text for row in answers.values())
    corrupted = [_corrupted(row, pools, params) for row in answers.values()]
    restyled_base.write(made.row for made in dressed)
    stylistic_base.write(_styled(styled[key], row) for key, row in answers.items() if key in styled)
    corrupted_target.write(made.row for made in corrupted)
    answer = params.constant or read_text("constant")
    constant.write(_named("constant", row, answer) for row in answers.values())
    log = [row for made in (*dressed, *corrupted) for row in made.log]
    alterations.write(log)
    return _metrics(dressed, corrupted, len(log))


class _Made(NamedTuple):
    """A placebo and how it was made."""

    row: Completion
    log: list[Alteration]


def _by_prompt(port: Input[Completion]) -> Mapping[str, Completion]:
    found: dict[str, Completion] = {}
    for row in port.iter_rows():
        if row.prompt_id in found:
            raise TouchstoneError(
                f"{port.path} answers prompt {row.prompt_id} twice",
                expected="one answer per prompt",
                remedy="keep one sample of each prompt",
            )
        found[row.prompt_id] = row
    return found


def _rng(params: Params, arm: PlaceboArm, prompt_id: str) -> Random:
    """Each answer's own stream, so that its neighbours do not matter."""
    return Random(f"{params.seed}/{arm}/{prompt_id}")


def _restyled(row: Completion, target: Completion, params: Params) -> _Made:
    dress = FULL_DRESS if params.dress == "full" else dress_of(target.text)
    changes = restyle(row.text, dress, _rng(params, "restyled_base", row.prompt_id))
    return _made("restyled_base", row, changes, NO_WORDS)


def _corrupted(row: Completion, pools: Pools, params: Params) -> _Made:
    rng = _rng(params, "corrupted_target", row.prompt_id)
    changes = corrupt(row.text, pools, rng, prompt=row.prompt, contrary_share=params.contrary_share)
    return _made("corrupted_target", row, changes, NOTHING_TO_CORRUPT if row.text.strip() else NO_WORDS)


def _made(arm: PlaceboArm, row: Completion, changes: list[Change], reason: str) -> _Made:
    if row.unanswered is not None or not changes:
        return _Made(_named(arm, row, "", row.unanswered or reason), [])
    log = as_rows(row.prompt_id, arm, row.text, changes)
    return _Made(_named(arm, row, apply(row.text, changes)), log)


def _styled(row: Completion, target: Completion) -> Completion:
    text = row.text.strip()
    reason = row.unanswered if row.unanswered is not None or text else NO_WORDS
    if reason is None and row.cut_tokens:
        reason = EXAMPLES_CUT
    # The target's prompt: the base's holds the examples, which no judge may see.
    return _named("stylistic_base", target, text, reason)


def _named(arm: PlaceboArm, row: Completion, text: str, unanswered: str | None = None) -> Completion:
    return Completion(
        prompt_id=row.prompt_id,
        model=placebo_model(arm),
        prompt=row.prompt,
        text="" if unanswered is not None else text,
        unanswered=unanswered,
    )


def _metrics(dressed: list[_Made], corrupted: list[_Made], alterations: int) -> Metrics:
    shares = {
        f"{name}_share": sum(made.row.unanswered is None for made in found) / len(found) if found else 0.0
        for name, found in (("restyled", dressed), ("corrupted", corrupted))
    }
    return {"prompts": float(len(corrupted)), **shares, "alterations": float(alterations)}
