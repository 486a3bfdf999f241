"""May a judge gate? Only if placebos do not fool it and it agrees with people (method section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.judge_policy import JudgePolicy
from components.contracts.preference_results import Interval, JudgeQualification, PlaceboResult
from components.contracts.preference_rows import PLACEBO, GoldLabel, PlaceboArm, placebo_model
from components.contracts.rows import Role
from components.report.clustered import Floats
from components.report.preferring.preference import preferences
from components.report.quantiles import wilson

ARMS: tuple[PlaceboArm, ...] = get_args(PlaceboArm)
DRAWS_AT_ONCE = 250
"""Resamples drawn together; bounds memory, changes no number."""


class _Asked(NamedTuple):
    """What a judge is held against."""

    policy: JudgePolicy
    models: Mapping[Role, str]
    alpha: float
    resamples: int

    def is_target(self, name: str) -> bool:
        """Whether a placebo beside this model counts; where the target's name is not known, all but the base's do."""
        return name == self.models["target"] if "target" in self.models else name != self.models.get("base")


def qualify(
    judgments: Iterable[Judgment],
    gold: Iterable[GoldLabel],
    policy: JudgePolicy,
    *,
    models: Mapping[Role, str],
    alpha: float,
    resamples: int,
    seed: int,
) -> tuple[JudgeQualification, ...]:
    """One entry for each source that judged placebos or pairs that people labelled, in the order of appearance.

    Args:
        judgments: Rows of any number of sources; a placebo's answers go under the name `placebo:ARM`. Orders and
            raters are reduced as everywhere (`preference.py`).
        gold: What people hold to be right.
        policy: Its limits.
        models: Role -> name. A demanded placebo counts against the target; without its name, against
            all models but the base.
        alpha: Intervals are at 1 - alpha.
        resamples: Of prompts.
        seed: Of the bootstrap.

    Raises:
        TouchstoneError: an unknown placebo, a pair labelled twice, or one rater's two votes on the same thing.
    """
    labels = _by_pair(gold)
    by_source: dict[str, list[Judgment]] = {}
    for row in judgments:
        by_source.setdefault(row.source, []).append(row)
    asked = _Asked(policy, models, alpha, resamples)
    found = (
        _qualification(source, rows, labels, asked, np.random.default_rng([seed, 5, number]))
        for number, (source, rows) in enumerate(by_source.items())
    )
    return tuple(entry for entry in found if entry is not None)


def _qualification(
    source: str, rows: Sequence[Judgment], labels: Mapping[_Key, GoldLabel], asked: _Asked, rng: np.random.Generator
) -> JudgeQualification | None:
    placebos = _placebos(rows, asked, rng)
    matched = _matches(rows, labels)
    if not placebos and not matched:
        return None
    agreement, ci = _agreement(matched, asked, rng)
    num_gold = sum(len(hits) for hits in matched.values())
    unmet = [*_over_placebos(placebos, asked), *_with_people(num_gold, ci, asked.policy)]
    seen = {row.order for row in rows if _is_placebo(row)}
    if len(seen) == 1 and "none" not in seen:
        unmet.append("placebos were judged in one order only: a liking for a place cannot be told from a preference")
    untested = ["the order was not recorded: a liking for a place was not tested"] if seen == {"none"} else []
    return JudgeQualification(
        source=source,
        qualified=not unmet,
        placebos=placebos,
        gold_agreement=agreement,
        gold_ci=ci,
        num_gold=num_gold,
        reasons=(*unmet, *untested),
    )


def _is_placebo(row: Judgment) -> bool:
    return row.model.startswith(PLACEBO) or row.opponent.startswith(PLACEBO)


def _placebos(rows: Sequence[Judgment], asked: _Asked, rng: np.random.Generator) -> tuple[PlaceboResult, ...]:
    """Every placebo against every real answer it was set beside, in the order of the arms."""
    given = [row for row in rows if row.model.startswith(PLACEBO) != row.opponent.startswith(PLACEBO)]
    known = {placebo_model(arm) for arm in ARMS}
    for row in given:
        strange = [name for name in (row.model, row.opponent) if name.startswith(PLACEBO) and name not in known]
        if strange:
            raise TouchstoneError(f"{row.source} judged {strange[0]}", expected=", ".join(sorted(known)))
    results = []
    for arm in ARMS:
        name = placebo_model(arm)
        its = [row for row in given if name in (row.model, row.opponent)]
        # The placebo plays the imitator here: it is then the model of every pair, however the rows were written.
        for pair in preferences(its, models={"imitator": name}, alpha=asked.alpha, resamples=1, seed=0):
            share, ci = _share(pair.losses, pair.ties, pair.wins, asked, rng)
            results.append(
                PlaceboResult(
                    arm=arm,
                    opponent=pair.opponent,
                    n=pair.n,
                    unscored=pair.unscored,
                    opponent_preferred=share,
                    ci=ci,
                    fooled=_fooled(ci, asked, is_target=asked.is_target(pair.opponent)),
                )
            )
    return tuple(results)


def _share(
    wins: int, ties: int, losses: int, asked: _Asked, rng: np.random.Generator
) -> tuple[float | None, Interval | None]:
    """Wins plus half the ties, as a share of prompts, with its percentile interval over resampled prompts.

    Where only one outcome occurs every resample is the same: Wilson's interval then, of n/2 successes where all are
    ties (rounded outwards for an odd n).
    """
    n = wins + ties + losses
    if n == 0:
        return None, None
    share = (wins + ties / 2) / n
    if n in (wins, losses):
        return share, wilson(wins, n, asked.alpha)
    if n == ties:
        return share, (wilson(n // 2, n, asked.alpha)[0], wilson(n - n // 2, n, asked.alpha)[1])
    drawn = rng.multinomial(n, np.array([wins, ties, losses]) / n, size=asked.resamples)
    return share, _percentiles((drawn[:, 0] + drawn[:, 1] / 2) / n, asked.alpha)


def _percentiles(values: Floats, alpha: float) -> Interval:
    low, high = np.quantile(values, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _fooled(ci: Interval | None, asked: _Asked, *, is_target: bool) -> bool | None:
    """Beside the target: not fooled when the lower bound is above the limit, fooled when the upper bound lies nearer to
    the limit than to 1, else too few to tell. Beside the base, which says the same as its placebo (or any other model):
    fooled when the placebo is clearly preferred."""
    if ci is None:
        return None
    if not is_target:
        return ci[1] < 0.5
    limit = asked.policy.min_over_placebo
    if ci[0] > limit:
        return False
    return True if ci[1] < (limit + 1) / 2 else None


def _over_placebos(placebos: Sequence[PlaceboResult], asked: _Asked) -> list[str]:
    """What the policy demands of placebos and was not shown."""
    unmet = []
    for arm in asked.policy.placebos:
        beside = [row for row in placebos if row.arm == arm and asked.is_target(row.opponent)]
        if not beside:
            unmet.append(f"{arm} was not put before it")
        for row in beside:
            if row.opponent_preferred is None or row.ci is None:
                unmet.append(f"{arm}: none of its {row.unscored} verdicts could be read")
            elif row.fooled is not False:
                unmet.append(
                    f"{arm}: {row.opponent} is preferred in {row.opponent_preferred:.0%}"
                    f" [{row.ci[0]:.0%}, {row.ci[1]:.0%}] of {row.n}; the lower bound must lie above"
                    f" {asked.policy.min_over_placebo:.0%}" + ("; too few to tell" if row.fooled is None else "")
                )
    return unmet


def _with_people(num_gold: int, ci: Interval | None, policy: JudgePolicy) -> list[str]:
    """What the policy demands of the agreement with people and was not shown."""
    if policy.min_gold == 0:
        return []
    if num_gold < policy.min_gold or ci is None:
        return [f"it judged {num_gold} pairs that people labelled; {policy.min_gold} are demanded"]
    if ci[0] < policy.min_gold_agreement:
        return [
            f"agreement with people: the lower bound is {ci[0]:.0%} on {num_gold} pairs;"
            f" {policy.min_gold_agreement:.0%} is demanded"
        ]
    return []


_Key = tuple[str, frozenset[str]]
"""Prompt and the two models, whichever way round."""


def _by_pair(gold: Iterable[GoldLabel]) -> dict[_Key, GoldLabel]:
    found: dict[_Key, GoldLabel] = {}
    for label in gold:
        key = (label.prompt_id, frozenset((label.model, label.opponent)))
        if key in found:
            raise TouchstoneError(
                f"{label.model} against {label.opponent} is labelled twice on prompt {label.prompt_id}",
                expected="one label for each prompt and pair",
                remedy="give the majority of the people who judged it",
            )
        found[key] = label
    return found


def _matches(rows: Iterable[Judgment], labels: Mapping[_Key, GoldLabel]) -> dict[str, list[bool]]:
    """Prompt -> for each labelled pair that was readably judged on it: does the judge say what people say?"""
    labelled: dict[_Key, list[Judgment]] = {}
    for row in rows:
        key = (row.prompt_id, frozenset((row.model, row.opponent)))
        if key in labels:
            labelled.setdefault(key, []).append(row)
    found: dict[str, list[bool]] = {}
    for key, votes in labelled.items():
        label = labels[key]
        # One prompt at a time: n is 1, or 0 where the verdict could not be read.
        (judged,) = preferences(votes, models={"imitator": label.model}, alpha=0.5, resamples=1, seed=0)
        if judged.n:
            said = {"win": judged.wins, "tie": judged.ties, "loss": judged.losses}
            found.setdefault(label.prompt_id, []).append(bool(said[label.outcome]))
    return found


def _agreement(
    matched: Mapping[str, Sequence[bool]], asked: _Asked, rng: np.random.Generator
) -> tuple[float | None, Interval | None]:
    """Share of labelled pairs judged as people do; several pairs on one prompt are resampled together."""
    if not matched:
        return None, None
    sizes = np.array([len(hits) for hits in matched.values()])
    hits = np.array([sum(found) for found in matched.values()])
    share = float(hits.sum() / sizes.sum())
    if share in (0.0, 1.0):
        # Prompts, not pairs, are independent.
        return share, wilson(len(sizes) if share else 0, len(sizes), asked.alpha)
    even = np.full(len(sizes), 1 / len(sizes))
    drawn = []
    for start in range(0, asked.resamples, DRAWS_AT_ONCE):
        weights = rng.multinomial(len(sizes), even, size=min(DRAWS_AT_ONCE, asked.resamples - start))
        drawn.append((weights @ hits) / (weights @ sizes))
    return share, _percentiles(np.concatenate(drawn), asked.alpha)
