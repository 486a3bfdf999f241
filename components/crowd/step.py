"""Ratings by people as steps: what to compare, putting it before raters, taking in what they said.

No step waits for people: `publish` ends when the study stands, and `collect` is run again and again until it is closed.
The database is the service's, named by DATABASE_URL.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from components.contracts.bind import Metrics
from components.contracts.crowd_rows import Hit, PayLine, StudyPair
from components.contracts.evidence_rows import Judgment
from components.contracts.journal import Journal
from components.contracts.ports import Input, Nothing, Output
from components.contracts.preference_rows import GoldLabel
from components.contracts.rows import Completion
from components.crowd.building import build_pairs
from components.crowd.mturk.terms import Terms
from components.crowd.payments import PayRules
from components.crowd.study.design import StudyDesign, checked, silent_rules, with_repeats

NO_PLACEBO = Nothing(Completion)
NOT_IDENTITY: JsonDict = {"identity": False}


class BuildParams(BaseModel):
    """What people compare."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What the study is called in folder names."""
    num_prompts: Annotated[int, Field(ge=1)] | None = None
    """Prompts to rate, drawn by the seed; null = all that both models answered."""
    placebos_per_arm: Annotated[int, Field(ge=0)] = 20
    """Pairs of each placebo with the reference, mixed in among the rest."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Which prompts, and on sheets which answer stands on the left."""


class PublishParams(BaseModel):
    """How the study is put before people."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What the study is called in folder names."""
    design: StudyDesign
    """Raters, checks and exclusion rules, fixed before the first vote."""
    days_open: Annotated[float, Field(gt=0.0, le=365.0)] | None = 7.0
    """The deadline: no vote is taken after so many days; null = none."""
    mturk: Terms | None = None
    """The offer on Mechanical Turk; null = raters are invited by link."""
    mturk_round: Annotated[int, Field(ge=1)] = 1
    """A higher number creates further HITs for the same study."""
    service_url: str = ""
    """Public https address of the rating service; Mechanical Turk shows it in a frame."""
    profile: str = Field("", json_schema_extra=NOT_IDENTITY)
    """AWS profile with the requester's keys; empty = the environment's, which may be the object store's."""
    endpoint: str = Field("", json_schema_extra=NOT_IDENTITY)
    """Another address in place of Mechanical Turk's, such as a stand-in's."""

    @model_validator(mode="after")
    def _frame_has_a_page(self) -> Self:
        if self.mturk is not None and not self.service_url:
            raise ValueError("mturk is given and service_url is not: people need the address of the rating page")
        return self


class CollectParams(BaseModel):
    """Which study, and how its raters are paid."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Name of the study in the database."""
    pay: PayRules = PayRules()
    """What an hour is worth, and how far measured time is trusted."""
    max_bonuses_usd: Annotated[float, Field(ge=0.0)] = Field(0.0, json_schema_extra=NOT_IDENTITY)
    """Bonuses on Mechanical Turk with their fees may not cost more; 0 = none is paid, the ledger says what is owed."""
    reject_reason: str = ""
    """What people on Mechanical Turk are told who opened the page, gave not one answer and submitted; empty = everybody
    is approved."""
    profile: str = Field("", json_schema_extra=NOT_IDENTITY)
    """AWS profile with the requester's keys; empty = the environment's, which may be the object store's."""
    endpoint: str = Field("", json_schema_extra=NOT_IDENTITY)
    """Another address in place of Mechanical Turk's, such as a stand-in's."""


def build_study(
    *,
    candidate: Input[Completion],
    reference: Input[Completion],
    restyled_base: Input[Completion] = NO_PLACEBO,
    stylistic_base: Input[Completion] = NO_PLACEBO,
    corrupted_target: Input[Completion] = NO_PLACEBO,
    constant: Input[Completion] = NO_PLACEBO,
    gold: Input[GoldLabel] = Nothing(GoldLabel),  # noqa: B008 - a frozen value that says "nothing given"
    study: Output[StudyPair],
    params: BuildParams,
) -> Metrics:
    """Pair the answers of two models, with placebos and gold among them.

    Raises:
        TouchstoneError: no prompt is answered by both.
    """
    arms = {"restyled": restyled_base, "stylistic": stylistic_base, "corrupted": corrupted_target, "constant": constant}
    built = build_pairs(
        candidate.rows(),
        reference.rows(),
        {name: port.rows() for name, port in arms.items()},
        gold.rows(),
        num_prompts=params.num_prompts,
        placebos_per_arm=params.placebos_per_arm,
        seed=params.seed,
    )
    study.write(built.pairs, notes={"unanswered": built.unanswered, "gold_unused": built.gold_unused})
    kinds = [pair.kind for pair in built.pairs]
    identical = sum(pair.output == pair.opponent_output for pair in built.pairs)
    counted = {kind: float(kinds.count(kind)) for kind in ("headline", "placebo", "gold")}
    left_out = {"unanswered": float(built.unanswered), "gold_unused": float(built.gold_unused)}
    return counted | left_out | {"identical": float(identical)}


def publish(*, study: Input[StudyPair], hits: Output[Hit], journal: Journal, params: PublishParams) -> Metrics:
    """Put the study before raters, once however often it is run; HITs only where an offer is given.

    Raises:
        TouchstoneError: another study has the name, the offer is too dear, or Mechanical Turk does not do its part.
    """
    from components.crowd.publishing import Offer, publish_study  # the database's packages are an extra

    offer = None
    if params.mturk is not None:
        offer = Offer(params.mturk, params.service_url, params.mturk_round, params.profile, params.endpoint)
    pairs = study.rows()
    made = publish_study(pairs, params.design, days_open=params.days_open, offer=offer, journal=journal)
    silent = silent_rules(params.design, with_repeats(checked(pairs), params.design))
    notes = {"study": params.design.name, "design": made.design_digest, "warnings": silent}
    hits.write(made.hits, notes=notes)
    people = sum(hit.num_assignments for hit in made.hits)
    return {
        "pairs": float(len(pairs)),
        "hits": float(len(made.hits)),
        "assignments": float(people),
        "max_cost_usd": made.usd,
    }


def collect(
    *,
    study: Input[StudyPair],
    hits: Input[Hit] = Nothing(Hit),  # noqa: B008 - a frozen value that says "nothing given"
    judgments: Output[Judgment],
    pay: Output[PayLine],
    journal: Journal,
    params: CollectParams,
) -> Metrics:
    """What people said so far. Run again it goes on, until the study is closed and everybody is paid.

    Raises:
        TouchstoneError: the database has no such study, or one of other pairs; Mechanical Turk does not do its part.
    """
    from components.crowd.collecting import Account, collect_study  # the database's packages are an extra

    account = Account(params.profile, params.endpoint, params.max_bonuses_usd, params.reject_reason)
    found = collect_study(params.name, study.rows(), hits.rows(), rules=params.pay, account=account)
    standing = found.standing
    unpaid = found.bonuses.refused if found.bonuses else {}
    notes = {
        "standing": str(standing),
        "closed": standing.closed,
        "deadline_passed": standing.deadline_passed,
        "missing_votes": standing.num_missing,
        "bonuses_refused": len(unpaid),
    }
    judgments.write(found.judgments, notes=notes)
    pay.write(found.pay, notes=notes)
    # Not kept as finished work: the next call is to look again.
    journal.unfinished = found.open_ends
    return {
        "judgments": float(len(found.judgments)),
        "unscored": float(sum(row.outcome is None for row in found.judgments)),
        "pairs": float(standing.num_pairs),
        "complete_pairs": float(standing.num_complete),
        "missing_votes": float(standing.num_missing),
        "closed": float(standing.closed),
        "deadline_passed": float(standing.deadline_passed),
        "due_usd": sum(line.due_usd for line in found.pay),
        "bonuses_usd": found.bonuses.cents / 100 if found.bonuses else 0.0,
        "approved": float(found.submissions.num_approved) if found.submissions else 0.0,
        "rejected": float(found.submissions.num_rejected) if found.submissions else 0.0,
    }
