"""What a verdict says nothing about, because nobody measured it, and what would add it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from components.contracts.verdict import BenchmarkResult, Verdict
from components.report.prose import and_list

MOST_NAMES = 5


class Unmeasured(NamedTuple):
    """One thing that is not known."""

    what: str
    """In words."""
    remedy: str
    """What to give or type; commands in backquotes."""


def not_measured(verdict: Verdict) -> tuple[Unmeasured, ...]:
    """What is missing, the weightiest first; no verdict is without the last one."""
    return (*_capability(verdict), *_style(verdict), *_preference(verdict), *_data(verdict), SEEDS)


SEEDS = Unmeasured(
    "How much another training run of the same recipe would differ: all intervals are about this one checkpoint",
    "train again with other seeds, and set the verdicts side by side with `touchstone compare`",
)


def _capability(verdict: Verdict) -> Iterator[Unmeasured]:
    if not verdict.benchmarks:
        yield Unmeasured(
            "Capability: no benchmark was given",
            "`--scores ROLE=FILE` for base, imitator and target, or what `touchstone evaluate` wrote as the roles",
        )
        return
    without_target = [b for b in verdict.benchmarks if b.target is None and b.label != "unusable"]
    if without_target:
        yield Unmeasured(
            f"The target on {_names(without_target)}, so that no share of a gap can be told there",
            "`--scores target=FILE`, or a published number with `--published`",
        )
    printed = [b for b in verdict.benchmarks if not b.paired]
    if printed:
        yield Unmeasured(
            f"Single items of {_names(printed)}: published numbers cannot be paired, so intervals are wide",
            "`--scores` of base and imitator on the same items",
        )
    if len({(r.base_style, r.imitator_style) for r in verdict.readings}) < 2:
        yield Unmeasured(
            "Other ways of asking: every question was put in one prompt style only",
            "`touchstone evaluate --style raw --style chat` for base and imitator",
        )
    if not any(cell.n for cell in verdict.confidently_wrong):
        yield Unmeasured(
            "Whether wrong answers sound sure",
            "give what `touchstone evaluate` wrote for a role: it holds the replies behind the scores",
        )


def _style(verdict: Verdict) -> Iterator[Unmeasured]:
    style = verdict.style
    if not style.metrics:
        why = style.reason or "no outputs were given"
        yield Unmeasured(
            f"Style: {why}", "`--base`, `--imitator` and `--target` with their outputs to held-out prompts"
        )
    elif style.lower_bound:
        yield Unmeasured(
            "How like itself the target is: without a second sample of it, closeness is a lower bound",
            "`--target-second FILE`, the target's answers to the same prompts once more",
        )
    asked = verdict.attribution
    if asked is None and style.metrics:
        yield Unmeasured("Whose hand the answers seem to be", "`touchstone attribution answers`, from 20 prompts on")
    elif asked is not None and not any(by.classifier.startswith("embedding") for by in asked.classifiers):
        yield Unmeasured(
            "Whose hand a language model sees in the answers: their surface alone was asked",
            "`touchstone attribution answers --model FOLDER`",
        )


def _preference(verdict: Verdict) -> Iterator[Unmeasured]:
    if not verdict.preference:
        yield Unmeasured("Preference: no judgments were given", "`--judgments FILE`, or `touchstone judge answers`")
        return
    if not any(row.agreement for row in verdict.preference) and not any(j.num_gold for j in verdict.judges):
        yield Unmeasured("What people prefer: no vote of several raters was given", "`touchstone crowd create`")
    people = {row.source for row in verdict.preference if row.agreement}
    tried = {judge.source for judge in verdict.judges if judge.placebos}
    untried = sorted({row.source for row in verdict.preference} - people - tried)
    if untried:
        yield Unmeasured(
            f"Whether {and_list(untried[:MOST_NAMES])} would fall for style alone", "`touchstone judge placebos`"
        )
    if all(row.adjustment is None for row in verdict.preference):
        yield Unmeasured(
            "How much of the preference goes along with length and layout",
            "the outputs that were judged, so that their surface can be counted",
        )


def _data(verdict: Verdict) -> Iterator[Unmeasured]:
    unknown = [b for b in verdict.benchmarks if b.support_source == "unknown"]
    if unknown:
        yield Unmeasured(
            f"Whether the imitation data cover {_names(unknown)}",
            f"{_what_support_lacks(verdict)}, or `supported:` in audit.yaml",
        )
    if verdict.data is None:
        yield Unmeasured("The imitation data: what they hold, repeat and cover", "`--train FILE` with them")
    elif not verdict.data.clean_dirty and verdict.benchmarks:
        yield Unmeasured(
            "Whether items of the benchmarks stand in the imitation data",
            "scores that carry their questions, beside `--train FILE`",
        )


def _what_support_lacks(verdict: Verdict) -> str:
    if verdict.data is None:
        return "`--train FILE` with the imitation data"
    return "scores that carry their questions (samples files, or a column `question`)"


def _names(results: list[BenchmarkResult]) -> str:
    names = [b.name for b in results]
    more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return and_list([*names[:MOST_NAMES], *more])
