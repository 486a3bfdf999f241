"""May a judge gate? Only if placebos do not fool it and it agrees with people (method section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.judge_policy import JudgePolicy
from components.contracts.preference_results import Interval, JudgeQualification, PlaceboResult
from components.contracts.preference_rows import PLACEBO, GoldLabel, PlaceboArm, placebo_model
from components.contracts.rows import Role
from components.contracts.unjudged import lacks_answer
from components.report.preferring.gold_agreement import Key, agreement, by_pair, matches
from components.report.preferring.preference import preferences
from components.report.quantiles import clopper_pearson

ARMS: tuple[PlaceboArm, ...] = get_args(PlaceboArm)
OF_BASE: frozenset[PlaceboArm] = frozenset({"restyled_base", "stylistic_base"})
"""Placebos that know what the base knows."""


class _Asked(NamedTuple):
    """What a judge is held against."""

    policy: JudgePolicy
    max_unscored: float
    models: Mapping[Role, str]
    alpha: float
    resamples: int

    def is_target(self, name: str) -> bool:
        """Whether a model is the target; where the target's name is not known, all but the base are taken for it."""
        return name == self.models["target"] if "target" in self.models else name != self.models.get("base")

    def unread(self, unscored: int, n: int) -> str | None:
        """What is wrong with so many verdicts that could not be read, beside n that could; None = nothing."""
        if unscored <= self.max_unscored * (n + unscored):
            return None
        return f"{unscored:,} of {n + unscored:,} verdicts could not be read; at most {self.max_unscored:.0%} may be so"


def qualify(
    judgments: Iterable[Judgment],
    gold: Iterable[GoldLabel],
    policy: JudgePolicy,
    *,
    max_unscored: float,
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
        max_unscored: Largest share of unreadable verdicts, on a placebo or on labelled pairs, that lets them count.
        models: Role -> name. A demanded placebo counts against the target; without its name, against
            all models but the base.
        alpha: Intervals are at 1 - alpha.
        resamples: Of prompts, for the agreement with people.
        seed: Of the bootstrap.

    Raises:
        TouchstoneError: an unknown placebo, a pair labelled twice, or one rater's two votes on the same thing.
    """
    labels = by_pair(gold)
    by_source: dict[str, list[Judgment]] = {}
    for row in judgments:
        by_source.setdefault(row.source, []).append(row)
    asked = _Asked(policy, max_unscored, models, alpha, resamples)
    found = (
        _qualification(source, rows, labels, asked, np.random.default_rng([seed, 5, number]))
        for number, (source, rows) in enumerate(by_source.items())
    )
    return tuple(entry for entry in found if entry is not None)


def _qualification(
    source: str, rows: Sequence[Judgment], labels: Mapping[Key, GoldLabel], asked: _Asked, rng: np.random.Generator
) -> JudgeQualification | None:
    given = [row for row in rows if row.model.startswith(PLACEBO) != row.opponent.startswith(PLACEBO)]
    placebos = _placebos(given, asked)
    matched = matches((row for row in rows if not lacks_answer(row)), labels)
    if not (placebos or matched.n or matched.unread):
        return None
    agreed, ci = agreement(matched, alpha=asked.alpha, resamples=asked.resamples, rng=rng)
    unmet = [*_over_placebos(placebos, asked), *_with_people(matched.n, matched.unread, ci, asked)]
    orders = _orders(row for row in given if not lacks_answer(row))
    if any(len(seen) == 1 for seen in orders):
        unmet.append("placebos were judged in one order only: a liking for a place cannot be told from a preference")
    untested = ["the order was not recorded: a liking for a place was not tested"] if orders and not any(orders) else []
    return JudgeQualification(
        source=source,
        qualified=not unmet,
        placebos=tuple(tried.result for tried in placebos),
        gold_agreement=agreed,
        gold_ci=ci,
        num_gold=matched.n,
        reasons=(*unmet, *untested),
    )


class _Tried(NamedTuple):
    """A placebo beside one real answer."""

    result: PlaceboResult
    unmade: int
    """Prompts on which one of the two answers does not exist: nothing was put before the judge."""

    @property
    def unread(self) -> int:
        """Prompts on which the judge was asked, and its verdict could not be read."""
        return self.result.unscored - self.unmade


def _orders(given: Iterable[Judgment]) -> list[set[str]]:
    """The orders in which each pair with a placebo was shown, pair by pair; empty = none is recorded."""
    found: dict[frozenset[str], set[str]] = {}
    for row in given:
        found.setdefault(frozenset((row.model, row.opponent)), set()).update({row.order} - {"none"})
    return list(found.values())


def _placebos(given: Sequence[Judgment], asked: _Asked) -> list[_Tried]:
    """Every placebo against every real answer it was set beside, in the order of the arms."""
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
            share, ci = _share(pair.losses, pair.ties, pair.n, asked.alpha)
            result = PlaceboResult(
                arm=arm,
                opponent=pair.opponent,
                n=pair.n,
                unscored=pair.unscored,
                opponent_preferred=share,
                ci=ci,
                fooled=_fooled(arm, pair.opponent, ci, asked),
            )
            unmade = {row.prompt_id for row in its if pair.opponent in (row.model, row.opponent) and lacks_answer(row)}
            results.append(_Tried(result, len(unmade)))
    return results


def _share(wins: int, ties: int, n: int, alpha: float) -> tuple[float | None, Interval | None]:
    """Wins plus half the ties, as a share of n prompts, with Clopper and Pearson's interval.

    Exact without ties. With them it is wider than it need be, since a tie as half spreads less than a coin; resampled
    prompts would give 3 wins and a tie a lower bound above one half, and any bound but the exact one is too high where
    prompts are few and agree. At 95% the least that lies above one half is 6 of 6, above 0.6 it is 8 of 8.
    """
    if n == 0:
        return None, None
    sum_preferred = wins + ties / 2
    return sum_preferred / n, clopper_pearson(sum_preferred, n, alpha)


def _fooled(arm: PlaceboArm, opponent: str, ci: Interval | None, asked: _Asked) -> bool | None:
    """Whether this judge fell for this placebo; None = too few prompts to tell, or nothing to be told.

    A placebo of the base knows what the base knows, so an equal verdict is no error, and a judge is fooled when it
    prefers the placebo beyond chance: to the base, or to the target, whatever the base is worth beside it. So too with
    the base after stylistic examples, although these may have kept it to the question: an imitator that learned as much
    and knows nothing more would be preferred in the same way, and such a preference must not gate. Beside the imitator,
    which may have lost what the base knows, nothing follows.

    The corrupted target and the constant answer are worse than the target for certain. A judge is fooled when it does
    not clearly prefer the target: the upper bound of its share lies nearer to the policy's limit than to 1. It is not
    when the lower bound lies above the limit. Beside any other model nothing follows: what is left of the target may
    be better.
    """
    if ci is None:
        return None
    if arm in OF_BASE:
        return None if opponent == asked.models.get("imitator") else ci[1] < 0.5
    limit = asked.policy.min_over_placebo
    if not asked.is_target(opponent):
        return None
    if ci[0] > limit:
        return False
    return True if ci[1] < (limit + 1) / 2 else None


def _over_placebos(placebos: Sequence[_Tried], asked: _Asked) -> list[str]:
    """What the policy demands of placebos and was not shown, then other placebos that it fell for."""
    demanded = asked.policy.placebos
    unmet = []
    for arm in demanded:
        beside = [tried for tried in placebos if tried.result.arm == arm and asked.is_target(tried.result.opponent)]
        put = [tried for tried in beside if tried.result.n or tried.unread]
        if not put:
            others = [tried.result.opponent for tried in placebos if tried.result.arm == arm and tried not in beside]
            where = f"put beside {', '.join(others)} and not beside the target" if others else "not put before it"
            unmet.append(f"{arm} was {where}")
        unmet += [f"{arm}: {problem}" for tried in put for problem in _not_passed(tried, asked)]
    for row in (tried.result for tried in placebos):
        if row.fooled and not (row.arm in demanded and asked.is_target(row.opponent)):
            unmet.append(f"fooled by {row.arm}: {_preferred(row)}")
    return unmet


def _not_passed(tried: _Tried, asked: _Asked) -> Iterator[str]:
    """Why a demanded placebo beside the target is not passed; nothing = it is."""
    row, limit = tried.result, asked.policy.min_over_placebo
    if row.ci is None:
        yield f"none of its {tried.unread:,} verdicts could be read"
        return
    if row.ci[0] <= limit:
        few = "; too few to tell" if row.fooled is None else ""
        yield f"{_preferred(row)}; the lower bound must lie above {limit:.0%}{few}"
    unread = asked.unread(tried.unread, row.n)
    if unread:
        yield unread


def _preferred(row: PlaceboResult) -> str:
    assert row.opponent_preferred is not None
    assert row.ci is not None
    ends = f"[{row.ci[0]:.0%}, {row.ci[1]:.0%}]"
    return f"{row.opponent} is preferred in {row.opponent_preferred:.0%} {ends} of {row.n:,}"


def _with_people(num_gold: int, unread: int, ci: Interval | None, asked: _Asked) -> list[str]:
    """What the policy demands of the agreement with people and was not shown."""
    policy = asked.policy
    if policy.min_gold == 0:
        return []
    unmet = []
    if num_gold < policy.min_gold or ci is None:
        unmet.append(f"it judged {num_gold} pairs that people labelled; {policy.min_gold} are demanded")
    elif ci[0] < policy.min_gold_agreement:
        unmet.append(
            f"agreement with people: the lower bound is {ci[0]:.0%} on {num_gold} pairs;"
            f" {policy.min_gold_agreement:.0%} is demanded"
        )
    missing = asked.unread(unread, num_gold)
    return [*unmet, *([f"pairs that people labelled: {missing}"] if missing else [])]
