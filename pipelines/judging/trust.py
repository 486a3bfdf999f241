"""May this judge's numbers gate? What placebos and people say of it, as an audit will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import JudgeQualification, PlaceboResult
from components.contracts.preference_rows import GoldLabel
from components.report.policy import load_policy
from components.report.preferring.qualification import qualify
from pipelines.judging.summary import ALPHA, RESAMPLES

UNTESTED = "no placebo and no label of people was put beside this judge: its numbers are shown and gate nothing"


def qualification_of(
    rows: Iterable[Judgment], gold: Sequence[GoldLabel], *, target: str, base: str, policy: str
) -> JudgeQualification | None:
    """The judge held against a policy's demands; None when nothing was put before it that could tell.

    Args:
        rows: Judgments of one judge.
        gold: What people hold to be right.
        target: Name of the reference.
        base: Name of the base; empty = not given.
        policy: File or preset.
    """
    rules = load_policy(policy)
    found = qualify(
        rows,
        gold,
        rules.judges,
        max_unscored=rules.max_unscored,
        models={"target": target, **({"base": base} if base else {})},
        alpha=ALPHA,
        resamples=RESAMPLES,
        seed=0,
    )
    return found[0] if found else None


def as_text(found: JudgeQualification | None) -> str:
    """The same for a terminal."""
    if found is None:
        return UNTESTED
    lines = [f"this judge {'may gate' if found.qualified else 'gates nothing'}"]
    lines += [_placebo(result) for result in found.placebos]
    if found.gold_agreement is not None and found.gold_ci is not None:
        ends = f"{found.gold_ci[0]:.0%} to {found.gold_ci[1]:.0%}"
        lines.append(f"it says what people say on {found.gold_agreement:.0%} ({ends}) of {found.num_gold} pairs")
    return "\n  ".join([*lines, *found.reasons])


def _placebo(result: PlaceboResult) -> str:
    if result.opponent_preferred is None or result.ci is None:
        return f"{result.arm}: nothing could be read"
    verdict = {True: "fooled", False: "not fooled", None: "cannot tell"}[result.fooled]
    share = f"{result.opponent_preferred:.0%} ({result.ci[0]:.0%} to {result.ci[1]:.0%})"
    return f"{result.arm}: {verdict}; {result.opponent} preferred on {share} of {result.n} prompts, ties half"
