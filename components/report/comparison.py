"""The study's arms side by side: what each claim of the study needs, and whether the measurements show it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from components.contracts.rows import Score
from components.contracts.verdict import Interval, Verdict
from components.report.attribution_sheets import attribution_sentences
from components.report.clustered import clustered_means
from components.report.fieller import confidence, satterthwaite
from components.report.html import render_study_html
from components.report.page_inputs import PolicyLimits, StudyClaim, StudyEntry
from components.report.wording import untypeset


class Study(BaseModel):
    """study.json: what study.html shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    title: str
    """Heading."""
    entries: tuple[StudyEntry, ...]
    """One per arm, with its verdict."""
    claims: tuple[StudyClaim, ...]
    """What the study was to show, and whether it did."""


class Gain(NamedTuple):
    """A difference of mean scores, averaged over benchmarks."""

    value: float
    ci: Interval


def contrast(arms: Sequence[Sequence[Score]], weights: Sequence[float], alpha: float) -> Gain:
    """Weighted sum of the arms' mean scores on the items all of them have, averaged over benchmarks.

    Variances are clustered within a benchmark and add up over benchmarks; degrees of freedom by Satterthwaite.

    Args:
        arms: Scores of each model; rows without a value are left out with their item.
        weights: One per arm; they sum to 0.
    """
    tables = [{(s.benchmark, s.item_id): s for s in rows if s.value is not None} for rows in arms]
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    names = sorted({benchmark for benchmark, _ in shared})
    estimates: list[float] = []
    spread: list[tuple[float, float]] = []
    for name in names:
        keys = [key for key in shared if key[0] == name]
        values = np.array([[table[key].value for table in tables] for key in keys], dtype=np.float64)
        labels = [tables[0][key].cluster or key[1] for key in keys]
        joint = clustered_means(values, np.unique(labels, return_inverse=True)[1].astype(np.int64))
        w = np.asarray(weights)
        estimates.append(float(w @ joint.means))
        spread.append((float(w @ joint.covariance @ w) / len(names) ** 2, joint.df))
    value = float(np.mean(estimates))
    return Gain(value, confidence(value, sum(v for v, _ in spread), satterthwaite(spread), alpha))


def claims(
    verdicts: Mapping[str, Verdict], scores: Mapping[str, Sequence[Score]], *, plain: bool, alpha: float = 0.05
) -> tuple[StudyClaim, ...]:
    """What the study was to show, judged by its own measurements.

    Args:
        verdicts: broad, broad_less, local, larger_base.
        scores: the imitators' scores of broad, broad_less and larger_base.
        plain: The target had no style of its own, so nothing may come out STYLE_ONLY.
    """
    if plain:
        return (_never_style_only(verdicts), _base_beats_data(scores, alpha))
    return (
        _verdict_is("Broad imitation brings style without capability", verdicts["broad"], "STYLE_ONLY"),
        *_taken_for_the_target(verdicts["broad"]),
        _verdict_is("Local imitation brings its own task and nothing else", verdicts["local"], "LOCAL"),
        _base_beats_data(scores, alpha),
    )


def write_study(
    folder: Path,
    reports: Mapping[str, Path],
    scores: Mapping[str, Sequence[Score]],
    *,
    title: str,
    plain: bool,
    with_claims: bool,
    arms: Mapping[str, tuple[str, str]],
) -> tuple[StudyClaim, ...]:
    """Write study.html, study.json and a copy of every arm's report below `folder`; gives the claims.

    Args:
        folder: Empty directory.
        reports: Arm -> folder with verdict.json and report.html.
        scores: Imitators' scores of broad, broad_less and larger_base.
        title: Heading of the page.
        plain: See `claims`.
        with_claims: False leaves the claims out.
        arms: Arm -> title and description.
    """
    verdicts: dict[str, Verdict] = {}
    for name, source in reports.items():
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("manifest.json"))
        verdicts[name] = Verdict.model_validate_json((source / "verdict.json").read_text(encoding="utf-8"))
    shown = claims(verdicts, scores, plain=plain) if with_claims else ()
    entries = [
        StudyEntry(
            name=name,
            title=arms.get(name, (name, ""))[0],
            description=arms.get(name, (name, ""))[1],
            verdict=verdict,
            href=f"{name}/report.html",
        )
        for name, verdict in verdicts.items()
    ]
    page = render_study_html(entries, claims=shown, title=title)
    (folder / "study.html").write_text(page, encoding="utf-8")
    record = Study(title=title, entries=tuple(entries), claims=shown)
    (folder / "study.json").write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return shown


def _verdict_is(text: str, verdict: Verdict, word: str) -> StudyClaim:
    return StudyClaim(text=text, holds=verdict.verdict == word, detail=f"the verdict is {verdict.verdict}")


def _taken_for_the_target(verdict: Verdict) -> tuple[StudyClaim, ...]:
    """Style in one number beside capability in one; nothing where nobody was asked whose the answers are."""
    if verdict.attribution is None:
        return ()
    taken, gap = verdict.attribution.headline.imitator, verdict.pooled.all
    negligible = PolicyLimits.from_provenance(verdict.provenance).negligible_gap_closed
    stays = gap.ci is not None and negligible is not None and gap.ci[1] < negligible
    return (
        StudyClaim(
            text="Broad imitation is taken for the target while the gap stays",
            holds=taken.ci[0] > 0.5 and stays,
            detail=untypeset(" ".join(attribution_sentences(verdict.attribution, gap)[:2])),
        ),
    )


def _never_style_only(verdicts: Mapping[str, Verdict]) -> StudyClaim:
    found = ", ".join(f"{name} {verdict.verdict}" for name, verdict in verdicts.items())
    holds = all(verdict.verdict != "STYLE_ONLY" for verdict in verdicts.values())
    return StudyClaim(text="Without a style to take on, no verdict is STYLE_ONLY", holds=holds, detail=found)


def _base_beats_data(scores: Mapping[str, Sequence[Score]], alpha: float) -> StudyClaim:
    less, more, larger = scores["broad_less"], scores["broad"], scores["larger_base"]
    from_base = contrast((larger, more), (1.0, -1.0), alpha)
    from_data = contrast((more, less), (1.0, -1.0), alpha)
    difference = contrast((larger, more, less), (1.0, -2.0, 1.0), alpha)
    return StudyClaim(
        text="A larger base brings more than more imitation data",
        holds=difference.ci[0] > 0,
        detail=(
            f"mean score {_points(from_base)} from the larger base, {_points(from_data)} from more data; "
            f"difference {_points(difference)}"
        ),
    )


def _points(gain: Gain) -> str:
    low, high = gain.ci
    return f"{100 * gain.value:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"
