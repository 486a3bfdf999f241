"""Judgments that somebody stored, analysed again: who is preferred, and how far voices and judges agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from components.collect.outputs import read_outputs
from components.collect.prompts import PromptIndex, read_prompts
from components.collect.stored import read_stored
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import Agreement
from components.report.preferring.agreement import agreement
from components.report.preferring.voices import Outcome
from pipelines.judging.summary import ALPHA, RESAMPLES, Line, lines


@dataclass(frozen=True)
class Stored:
    """What stored judgments say."""

    lines: tuple[Line, ...]
    among: Mapping[str, Agreement]
    """Source with several voices -> how far they agree, item by item."""
    between: Mapping[tuple[str, str], Agreement]
    """Two sources on the same items -> how far they agree; a source says what most of its voices name."""


def analyse(paths: Sequence[Path], *, answers: Sequence[Path] = (), prompts: Path | None = None) -> Stored:
    """Read stored judgments and measure them.

    Args:
        paths: Files or folders of judgments.
        answers: FastChat answers, by whose ids reviews name their models.
        prompts: Ids and texts of prompts.

    Raises:
        TouchstoneError: a file cannot be read.
    """
    index = read_prompts(prompts) if prompts else PromptIndex()
    known = [read_outputs(path, "imitator", prompts=index, option="--answers") for path in answers]
    rows = _apart([(path, read_stored([path], known, prompts=index)) for path in paths])
    voices = _voices(rows)
    among = {
        source: agreement(items, alpha=ALPHA, resamples=RESAMPLES, seed=0)
        for source, items in voices.items()
        if len({voice for said in items.values() for voice in said}) > 1
    }
    outcomes = {
        source: {item: _most_named(said.values()) for item, said in items.items()} for source, items in voices.items()
    }
    between = {}
    for first, second in combinations(sorted(outcomes), 2):
        shared = outcomes[first].keys() & outcomes[second].keys()
        if shared:
            pairs = {item: {first: outcomes[first][item], second: outcomes[second][item]} for item in sorted(shared)}
            between[first, second] = agreement(pairs, alpha=ALPHA, resamples=RESAMPLES, seed=0)
    return Stored(tuple(lines(rows)), among, between)


def _apart(read: Sequence[tuple[Path, Sequence[Judgment]]]) -> list[Judgment]:
    """The rows of all files.

    Raises:
        TouchstoneError: two of them hold the same voice on the same pairs.
    """
    held: dict[tuple[str, ...], Path] = {}
    for path, rows in read:
        own = {_asked_once(row) for row in rows}
        twice = [key for key in own if key in held]
        if twice:
            raise TouchstoneError(
                f"{held[twice[0]]} and {path} both hold what {twice[0][0]} said of {len({key[:-1] for key in twice}):,}"
                " pairs",
                expected="one judging by each judge",
                remedy="give one of them; `touchstone judge drift FOLDER --out NEW` asks a judge again and compares,"
                " `touchstone step check_drift --frozen FIRST/judgments --judgments SECOND/judgments --drift NEW`"
                " compares two rounds that there are",
            )
        held |= dict.fromkeys(own, path)
    return [row for _, rows in read for row in rows]


def _asked_once(row: Judgment) -> tuple[str, ...]:
    return row.source, row.rater, row.prompt_id, *sorted((row.model, row.opponent)), row.order


def as_text(found: Stored) -> str:
    """Tables for a terminal."""
    from pipelines.judging.summary import as_text as table

    by_source: dict[str, list[Line]] = {}
    for line in found.lines:
        by_source.setdefault(line.source, []).append(line)
    told = [f"{source}\n{table(of_source)}" for source, of_source in by_source.items()]
    told += [_sentence(f"{source}: its voices among themselves", value) for source, value in found.among.items()]
    told += [_sentence(f"{a} and {b}", value) for (a, b), value in found.between.items()]
    return "\n\n".join(told)


def _sentence(who: str, value: Agreement) -> str:
    parts = [f"{value.num_items:,} items"]
    parts += [f"agreement {value.raw:.3f}"] if value.raw is not None else []
    if value.alpha is not None:
        ends = f" ({value.alpha_ci[0]:.3f} to {value.alpha_ci[1]:.3f})" if value.alpha_ci else ""
        parts.append(f"alpha {value.alpha:.3f}{ends}")
    parts += [f"Cohen's kappa {value.cohen:.3f}"] if value.cohen is not None else []
    parts += [f"Fleiss' kappa {value.fleiss:.3f}"] if value.fleiss is not None else []
    parts += [value.reason] if value.reason else []
    return f"{who}: {', '.join(parts)}"


def _voices(rows: Iterable[Judgment]) -> dict[str, dict[str, dict[str, Outcome]]]:
    """Source -> item -> voice -> outcome. Both orders of a voice are two votes of it; unscored ones are no votes."""
    found: dict[str, dict[str, dict[str, Outcome]]] = {}
    for row in rows:
        if row.outcome is not None:
            item = f"{row.prompt_id}|{row.model}|{row.opponent}"
            found.setdefault(row.source, {}).setdefault(item, {})[f"{row.rater} {row.order}"] = row.outcome
    return found


def _most_named(said: Iterable[Outcome]) -> Outcome:
    """The outcome that more voices name than any other, else a tie.

    Figures published for MT-bench are by this rule. It differs from a majority, which tables of preference use, from
    four voices on: two of four are the most, and no majority.
    """
    (first, most), *rest = Counter(said).most_common(2)
    return "tie" if rest and rest[0][1] == most else first
