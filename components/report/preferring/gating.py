"""What a policy demands of preferences before the gate passes. Only judges that may gate are asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from components.contracts.judge_policy import JudgePolicy
from components.contracts.rows import Role
from components.contracts.verdict import PreferenceResult
from components.report.prose import and_list


def preference_missing(
    preferences: Iterable[PreferenceResult], policy: JudgePolicy, *, models: Mapping[Role, str]
) -> tuple[str, ...]:
    """The demands that no preference meets, in words; empty = all are met, or none is made.

    Every judge and pool of raters that may gate must meet each demand by the lower bound of its interval: with the best
    of several, whoever asks enough of them would pass. The numbers of one that may not gate are not looked at, so they
    can neither meet a demand nor miss it; where there is no other, the demand is not met, whatever they say.

    Args:
        preferences: Of any sources and pairs; those of the imitator against the target count.
        policy: The demands.
        models: Role -> name.
    """
    if not policy.requires_preference:
        return ()
    pair = (models.get("imitator"), models.get("target"))
    compared = [row for row in preferences if (row.model, row.opponent) == pair]
    asked = [row for row in compared if row.qualified]
    if asked:
        return tuple(said for row in asked for said in _missing(row, policy))
    shown = f"; {and_list([row.source for row in compared])} may not gate" if compared else ""
    return (f"no judge that may gate compared the imitator with the target{shown}",)


def _missing(row: PreferenceResult, policy: JudgePolicy) -> Iterator[str]:
    """What this judge does not say."""
    fitted = row.adjustment
    adjusted = fitted.adjusted_ci if fitted else None
    demands = (
        (policy.require_at_least_target, "at least as good as the target", row.ci and row.ci[0], row.note),
        (
            policy.require_adjusted,
            "the style-adjusted share",
            # Effects are preferences above one half.
            adjusted and 0.5 + adjusted[0],
            fitted.reason if fitted else "the style regression was not fitted",
        ),
    )
    for least, what, low, why in demands:
        if least is None:
            continue
        if low is None:
            yield f"{row.source}: {what}: {least:.0%} is demanded, and it is not known ({why or 'no interval'})"
        elif low < least:
            yield f"{row.source}: {what}: the lower bound is {low:.1%} of {row.n:,} prompts; {least:.0%} is demanded"
