"""Two models' answers -> who is preferred: by verdicts that a judge writes, or by how likely it finds each answer.

A judge that writes verdicts is asked by `generate`: `prepare_verdicts` makes its questions, `read_verdicts` reads its
replies. The likelihood judge is its offline stand-in, with the weakness that the study warns of: it hears the style of
an answer and knows little of its truth. It sees one answer at a time, so it has no order to be biased by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input, Nothing, Output
from components.contracts.rows import ChoiceScore, Completion, Request
from components.judge import drift as drifting
from components.judge import verdicts
from components.judge.likelihood import BASE, REFERENCE, Scale, asked_as, by_prompt, shares
from components.judge.pairing import Match, by_model, one_model, pairs_of, requests_of, shuffled
from components.judge.pinning import Where, check_pinned, pin_of, warnings_of
from components.judge.rows import DriftCheck, JudgeReply, VerdictPair
from components.judge.template import load_template

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class AskParams(BaseModel):
    """How an answer is put before the judge."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model under test; shown in folder names and progress."""
    template: str = "Question: {prompt}\nAnswer:"
    """What stands before the answer; {prompt} is the instruction."""


class Params(BaseModel):
    """How likelihoods become outcomes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model under test; shown in folder names and progress."""
    judge: str = "likelihood"
    """Name of the judge in the rows."""
    tie_margin: Annotated[float, Field(ge=0.0)] = 0.0
    """Natural-log probability per token within which two answers are equal."""


class JudgeParams(BaseModel):
    """Who judges, and by which template: the same for the questions and for the reading of the replies."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    judge: str = ""
    """The judge: behind a server its name there, with its date; of a checkpoint any name, since its digest is added."""
    revision: str = ""
    """Commit or sha256 of the judge's weights, where a server's model has no date in its name."""
    where: Where = "server"
    """Who answers: a server (backends api and vllm), or a checkpoint (backend hf)."""
    template: str | dict[str, Any] = "pairwise"
    """Name of a shipped template (pairwise, graded), or a template's fields."""


class PrepareParams(JudgeParams):
    """How pairs are put before the judge."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Of the order in which the questions go out."""
    longest_answer_chars: Annotated[int, Field(gt=0)] = 32_000
    """Pairs with a longer answer are not asked about and stay unscored."""
    max_tokens: Annotated[int, Field(ge=0)] = 0
    """Longest reply of the judge; 0 = as the template says. A reasoning judge needs room to think."""
    round: str = ""
    """Begins the ids of the questions: another round asks the judge anew, whatever it replied before."""


class DriftParams(BaseModel):
    """When a judge counts as changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Shown in folder names and progress."""
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Intervals are at 1 - alpha."""
    max_changed: Share = 0.1
    """Share of pairs that may come out differently; above it, with its whole interval, the judge is said to drift."""


def prepare_judging(
    *,
    candidate: Input[Completion],
    reference: Input[Completion],
    base: Input[Completion] = Nothing(Completion),  # noqa: B008 - a frozen value that says "nothing given"
    restyled_base: Input[Completion] = Nothing(Completion),  # noqa: B008
    stylistic_base: Input[Completion] = Nothing(Completion),  # noqa: B008
    constant: Input[Completion] = Nothing(Completion),  # noqa: B008
    requests: Output[Request],
    params: AskParams,
) -> Metrics:
    """One likelihood request per answer of either side, for `generate` to answer with the judge's checkpoint.

    The instruction comes from the reference's row, so both sides are read after the same words. The candidate may be a
    placebo; three more are read beside it, and the base that two of them are made of.
    """
    theirs = by_prompt(reference)
    ports = (candidate, restyled_base, stylistic_base, constant)
    sides = [row for port in ports for row in by_prompt(port).values()]
    asked = [(asked_as(row), row) for row in sides]
    asked += [(asked_as(row, REFERENCE), row) for row in theirs.values()]
    asked += [(asked_as(row, BASE), row) for row in by_prompt(base).values()]
    made = [
        Request(
            id=name,
            kind="choice",
            prompt=params.template.format(prompt=theirs[row.prompt_id].prompt),
            choices=(" " + row.text,),
        )
        for name, row in asked
        if row.text.strip() and row.prompt_id in theirs
    ]
    requests.write(made)
    return {"requests": float(len(made))}


def judge_likelihood(
    *,
    candidate: Input[Completion],
    reference: Input[Completion],
    base: Input[Completion] = Nothing(Completion),  # noqa: B008
    restyled_base: Input[Completion] = Nothing(Completion),  # noqa: B008
    stylistic_base: Input[Completion] = Nothing(Completion),  # noqa: B008
    constant: Input[Completion] = Nothing(Completion),  # noqa: B008
    choice_scores: Input[ChoiceScore],
    judgments: Output[Judgment],
    params: Params,
) -> Metrics:
    """Compare mean log-probability per token: all beside the reference, what is made of the base beside that too.

    Raises:
        TouchstoneError: the two sides have no prompt in common.
    """
    weighed = {row.request_id: row for row in choice_scores.rows()}
    scale = Scale(weighed, set(by_prompt(reference)), params.judge, params.tie_margin)
    ports = (candidate, restyled_base, stylistic_base, constant)
    rows = [row for port in ports for row in scale.beside(port, reference, REFERENCE)]
    own = () if isinstance(base, Nothing) else (restyled_base, stylistic_base)
    of_base = [row for port in own for row in scale.beside(port, base, BASE)]
    notes = {"judge": params.judge, "checkpoint": choice_scores.manifest.parents.get("checkpoint")}
    judgments.write([*rows, *of_base], notes=notes)
    return shares(rows)


def prepare_verdicts(
    *,
    candidate: Input[Completion],
    reference: Input[Completion],
    base: Input[Completion] = Nothing(Completion),  # noqa: B008 - a frozen value that says "nothing given"
    restyled_base: Input[Completion] = Nothing(Completion),  # noqa: B008
    stylistic_base: Input[Completion] = Nothing(Completion),  # noqa: B008
    corrupted_target: Input[Completion] = Nothing(Completion),  # noqa: B008
    constant: Input[Completion] = Nothing(Completion),  # noqa: B008
    requests: Output[Request],
    pairs: Output[VerdictPair],
    params: PrepareParams,
) -> Metrics:
    """Every pair of answers in both orders, as questions for `generate`; models and placebos mixed, none of them named.

    The candidate may hold several models. Placebos made of the base are compared with the base where it is given, with
    the reference otherwise; the other two always with the reference.

    Raises:
        UsageError: the judge is not pinned, or the template cannot be understood.
        TouchstoneError: two models share a name, a side answers a prompt twice, or there is no prompt in common.
    """
    check_pinned(params.judge, params.revision, params.where)
    template = load_template(params.template)
    if params.max_tokens:
        template = template.model_copy(update={"max_tokens": params.max_tokens})
    against_base = [restyled_base, stylistic_base]
    matches = _matches([candidate, corrupted_target, constant], reference)
    matches += _matches(against_base, reference if isinstance(base, Nothing) else base)
    _refuse_one_name_twice(matches)
    begin_id = f"{params.round}|" if params.round else ""
    made = shuffled(
        (
            pair
            for match in matches
            for pair in pairs_of(match, longest_answer_chars=params.longest_answer_chars, begin_id=begin_id)
        ),
        params.seed,
    )
    asked = list(requests_of(made, matches, template))
    if len({request.id for request in asked}) < len(asked):
        raise TouchstoneError("two pairs share an id", expected="names of models and prompts without the sign |")
    requests.write(asked)
    pairs.write(made, notes={"template": template.label, "template_digest": load_template(params.template).digest})
    return {
        "requests": float(len(asked)),
        "models": float(len(matches)),
        "unasked": float(sum(pair.unasked is not None for pair in made)),
        "same_answers": float(sum(pair.same for pair in made)),
    }


def read_verdicts(
    *,
    pairs: Input[VerdictPair],
    completions: Input[Completion],
    judgments: Output[Judgment],
    replies: Output[JudgeReply],
    params: JudgeParams,
) -> Metrics:
    """Read the judge's replies: a judgment for each pair and order, unscored where there is not exactly one verdict.

    Raises:
        TouchstoneError: the replies are another judge's, or not to these questions.
    """
    template = load_template(params.template)
    if pairs.manifest.notes.get("template_digest") != template.digest:
        raise TouchstoneError(
            f"{pairs.path} was asked by template {pairs.manifest.notes.get('template')}, not by {template.label}",
            expected="replies read by the template that asked for them",
            remedy="give read_verdicts the template of prepare_verdicts",
        )
    pin = pin_of(params.judge, params.revision, params.where, completions.manifest)
    said = {row.prompt_id: row for row in completions.iter_rows()}
    source = f"{pin.name} ({template.label})"
    read = verdicts.read_all(pairs.rows(), said, template, source=source, rater=pin.name)
    counts = verdicts.counts_of(read)
    notes = {
        "judge": {"name": pin.name, "pinned_by": pin.by, "is": pin.what},
        "template": template.label,
        "template_digest": template.digest,
        "server": dict(completions.manifest.notes),
        "unreadable": verdicts.reasons_of(read.replies),
        "warnings": [*warnings_of(pin, completions.manifest), *verdicts.warnings_of(counts)],
    }
    judgments.write(read.judgments, notes=notes)
    replies.write(read.replies, notes=notes)
    return counts


def check_drift(
    *, frozen: Input[Judgment], judgments: Input[Judgment], drift: Output[DriftCheck], params: DriftParams
) -> Metrics:
    """Whether a judge, asked again about a frozen set of pairs, still says what it said.

    Raises:
        TouchstoneError: the two share no pair.
    """
    before, after = (drifting.outcomes_of(port.iter_rows()) for port in (frozen, judgments))
    if not before.keys() & after.keys():
        raise TouchstoneError(
            f"{judgments.path} judges none of the pairs of {frozen.path}",
            expected="the same prompts and models, judged again",
            remedy="put the frozen set's own pairs before the judge: touchstone judge drift",
        )
    checks = drifting.compare(before, after, alpha=params.alpha, max_changed=params.max_changed)
    drift.write(checks, notes={"warnings": [check.sentence for check in checks if check.warns]})
    by_measure = {check.measure: check.change for check in checks if check.change is not None}
    counted = {f"{name}_change": float(change) for name, change in by_measure.items()}
    return {"pairs": float(checks[-1].n), "warnings": float(sum(check.warns for check in checks)), **counted}


def _matches(ports: Sequence[Input[Completion]], against: Input[Completion]) -> list[Match]:
    given = [port for port in ports if not isinstance(port, Nothing)]
    if not given:
        return []
    opponent, theirs = one_model(against)
    return [Match(model, answers, opponent, theirs) for port in given for model, answers in by_model(port).items()]


def _refuse_one_name_twice(matches: Sequence[Match]) -> None:
    names = [match.model for match in matches]
    taken = next((name for name in names if names.count(name) > 1), None)
    taken = taken or next((match.model for match in matches if match.model == match.opponent), None)
    if taken is not None:
        raise TouchstoneError(
            f"two of the models to compare are called {taken}",
            expected="a name of its own for each",
            remedy="give the answers under names that tell them apart",
        )
