"""Rows in, verdict out. Pure: the same rows, policy and seed give the same verdict to the last byte."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel

from components.contracts.data_rows import DataFigures, Overlap
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import (
    GateCheck,
    Judgment,
    PublishedScore,
    PublishedStyle,
    StyleProfile,
    Support,
    SupportClaim,
)
from components.contracts.preference_rows import GoldLabel, StyleFeatures, ToneScore
from components.contracts.rows import Role, Score
from components.contracts.verdict import Plan, PooledSets, StyleResult, Verdict
from components.report.benchmark_results import Evidence, assess
from components.report.closeness import measured_style, no_style, printed_style
from components.report.imitation_data import data_remarks, data_result, leaked_prompts, leaked_remarks
from components.report.joining import PARTS, ItemTable, Part, tables
from components.report.policy import Policy
from components.report.preferring.confidently_wrong import confidently_wrong
from components.report.preferring.gating import preference_missing
from components.report.preferring.hearing import Drawn, heard, judge_remarks
from components.report.readings import Pair, format_remarks, other_readings
from components.report.remarks import CHECKPOINT_NOTE, court_remarks, join_remarks, style_remarks
from components.report.rules import Court
from components.report.sentences import reason, would_change
from components.report.settling import settling
from components.report.support_map import support_map
from components.report.support_sets import coverage

DIGITS = 10
"""Significant digits kept: sums may differ in the last bits between machines, verdict.json must not."""
M = TypeVar("M", bound=BaseModel)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for cycles meanwhile: rows have none, and of some 100,000 it takes longer than everything else."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@_collector_paused()
def decide(
    *,
    base_scores: Iterable[Score] = (),
    imitator_scores: Iterable[Score] = (),
    target_scores: Iterable[Score] = (),
    base_variants: Iterable[Score] = (),
    imitator_variants: Iterable[Score] = (),
    published: Iterable[PublishedScore] = (),
    profiles: Iterable[StyleProfile] = (),
    published_style: Iterable[PublishedStyle] = (),
    judgments: Iterable[Judgment] = (),
    features: Iterable[StyleFeatures] = (),
    gold: Iterable[GoldLabel] = (),
    tones: Iterable[ToneScore] = (),
    support: Iterable[Support] = (),
    claims: Iterable[SupportClaim] = (),
    figures: Iterable[DataFigures] = (),
    checks: Iterable[GateCheck] = (),
    overlap: Iterable[Overlap] = (),
    policy: Policy | None = None,
    support_threshold: float | None = None,
    models: Mapping[Role, str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    min_matched: float = 0.8,
    provenance: Mapping[str, object] | None = None,
) -> Verdict:
    """The verdict on one imitator (method sections 4 to 6). Empty = not given.

    Args:
        base_scores: Item scores of the base, any number of benchmarks; joined with the others by item id.
        imitator_scores: Item scores of the imitator.
        target_scores: Item scores of the target; items it lacks only reduce the gap's sample.
        base_variants: The base's scores in other prompt styles and channels; they decide nothing.
        imitator_variants: The imitator's.
        published: Numbers for models without item scores.
        profiles: Style of every output beside the target's.
        published_style: A printed style table, used when no profiles are given.
        judgments: Preferences, of any number of sources; those on placebos say whether a source may be believed.
        features: Surface of the judged outputs; with them preferences are adjusted for style.
        gold: People's labels of judged pairs.
        tones: How sure answers to scored items sound.
        support: How well the imitation data cover single items.
        claims: Declarations that go before a measurement of support.
        figures: What is known of each set of imitation data.
        checks: The data-quality gate's.
        overlap: How near the imitation data come to each item and prompt; prompts that they repeat count neither in
            style nor in preference.
        policy: The rules; `study` unless given.
        support_threshold: The threshold that belongs to `support`; the policy's unless given.
        models: Role -> name; read from the rows unless given.
        resamples: Bootstrap resamples.
        seed: Of every bootstrap.
        min_matched: Least share of items two models must share.
        provenance: Carried into the verdict as it is.

    Raises:
        TouchstoneError: duplicate or contradicting rows, or a join that is too thin.
    """
    policy = policy or Policy()
    scores: dict[Part, list[Score]] = {
        "base": list(base_scores),
        "imitator": list(imitator_scores),
        "target": list(target_scores),
    }
    overlap = list(overlap)
    leaked = leaked_prompts(overlap, policy)
    outputs = list(profiles)
    profiles = [row for row in outputs if row.prompt_id not in leaked]
    judgments = [row for row in judgments if row.prompt_id not in leaked]
    gold = [row for row in gold if row.prompt_id not in leaked]
    cells, printed = list(published_style), _by_benchmark(published)
    joined = {table.benchmark: table for table in tables(scores, min_matched=min_matched)}
    order = list(dict.fromkeys([*joined, *printed]))
    support = list(support)
    covered = coverage(order, measured=support, claims=claims, policy=policy, threshold=support_threshold)
    evidence = [Evidence.of(name, joined.get(name), printed.get(name, {}), covered[name]) for name in order]
    found = {**_names(scores, profiles, printed), **(models or {})}
    unstyled = "every prompt repeats a training text" if outputs else "no outputs were given"
    style = _style(profiles, cells, policy, resamples, seed, unstyled)
    court = Court(assess(evidence, policy), style, policy)
    remarks = [
        *leaked_remarks(leaked, policy),
        *style_remarks(profiles, cells, style),
        *join_remarks(joined, printed),
    ]
    data = data_result(figures, checks, overlap, joined, policy)
    variants: dict[Pair, list[Score]] = {"base": list(base_variants), "imitator": list(imitator_variants)}
    several = any(variants.values()) or any(table.ways > 1 for table in joined.values())
    readings, losses = other_readings(scores, variants, joined, alpha=policy.alpha) if several else ((), ())
    drawn = Drawn(policy.alpha, resamples, seed)
    liked, judges = heard(judgments, features, gold, models=found, policy=policy, drawn=drawn)
    behaviour = {name for name in order if policy.is_behaviour(name)}
    tones = [row for row in tones if row.benchmark not in behaviour]
    headline = (row for rows in scores.values() for row in rows if row.benchmark not in behaviour)
    decided, not_preferred = verdict_of(court), preference_missing(liked, policy.judges, models=found)
    return _rounded(
        decided.model_copy(
            update={
                "gate": "fail" if not_preferred else decided.gate,
                "gate_missing": (*decided.gate_missing, *not_preferred),
                "preference": liked,
                "judges": judges,
                "confidently_wrong": confidently_wrong(tones, headline, found, alpha=policy.alpha) if tones else (),
                "data": data,
                "support_map": support_map(
                    joined, support, [b.result for b in court.benchmarks], court.verdict, policy
                ),
                "readings": readings,
                "format_loss": losses,
                "warnings": (
                    *court_remarks(court),
                    *remarks,
                    *judge_remarks(judges),
                    *(f"The gate is not passed: {said}." for said in not_preferred),
                    *format_remarks(losses),
                    *data_remarks(data),
                    CHECKPOINT_NOTE,
                ),
                "provenance": {
                    **(provenance or {}),
                    "models": found,
                    "policy": policy.model_dump(mode="json"),
                    "joins": {name: _join_counts(table) for name, table in joined.items()},
                    "support_threshold": policy.supported_at if support_threshold is None else support_threshold,
                    "bootstrap": {"resamples": resamples, "seed": seed},
                },
            }
        )
    )


def verdict_of(court: Court) -> Verdict:
    """The verdict from assessed benchmarks and style, without preference, warnings and provenance."""
    word, policy = court.verdict, court.policy
    passes = not policy.require or word in policy.require
    return Verdict(
        verdict=word,
        reason=reason(court),
        would_change=would_change(court),
        plan=_plan(court),
        gate="pass" if passes else "fail",
        gate_missing=() if passes else (f"{word} is not among what policy {policy.name} requires",),
        policy=policy.ref,
        support="unknown" if court.support_unknown else "known",
        regressed=tuple(b.name for b in court.regressed),
        gained=tuple(b.name for b in court.benchmarks if b.label == "gained"),
        benchmarks=tuple(b.result for b in court.benchmarks),
        pooled=PooledSets(
            unsupported=court.pooled(court.unsupported),
            supported=court.pooled(court.supported),
            all=court.pooled(court.everything),
        ),
        style=court.style,
        preference=(),
        provenance={},
    )


def _plan(court: Court) -> Plan | None:
    found = settling(court) if court.verdict == "INCONCLUSIVE" else None
    return found and Plan(verdict=found.word, growth=found.growth, items=dict(found.items))


def _by_benchmark(published: Iterable[PublishedScore]) -> dict[str, dict[Part, PublishedScore]]:
    found: dict[str, dict[Part, PublishedScore]] = {}
    for row in published:
        part = next((part for part in PARTS if part == row.role), None)
        if part is None:
            continue  # a second sample of the target has no place in a gap
        if part in found.setdefault(row.benchmark, {}):
            raise TouchstoneError(
                f"{row.benchmark}: two published numbers for the {row.role}",
                expected="one number for each benchmark and role",
                remedy="keep one of them",
            )
        found[row.benchmark][part] = row
    return found


def _names(
    scores: Mapping[Part, Sequence[Score]],
    profiles: Sequence[StyleProfile],
    published: Mapping[str, Mapping[Part, PublishedScore]],
) -> dict[Role, str]:
    """Role -> model name as the rows give it; the first of several."""
    found: dict[Role, str] = {}
    for rows in published.values():
        for row in rows.values():
            found.setdefault(row.role, row.model)
    for part, items in scores.items():
        if items:
            found[part] = items[0].model
    for profile in profiles:
        found.setdefault(profile.role, profile.model)
    return found


def _style(
    profiles: Sequence[StyleProfile],
    cells: Sequence[PublishedStyle],
    policy: Policy,
    resamples: int,
    seed: int,
    unstyled: str,
) -> StyleResult:
    if profiles:
        return measured_style(profiles, alpha=policy.alpha, resamples=resamples, seed=seed)
    return printed_style(cells) if cells else no_style(unstyled)


def _join_counts(table: ItemTable) -> dict[str, object]:
    drops = table.drops
    return {
        "given": dict(drops.given),
        "matched": len(table.clusters),
        "unmatched": drops.unmatched,
        "unscored": drops.unscored,
        "without_target": drops.without_target,
    }


def _rounded(verdict: M) -> M:
    return type(verdict).model_validate(_round(verdict.model_dump()))


def _round(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_round(item) for item in value)
    return value
