"""One data set of a world: arrays of answers, and the rows that an audit would read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from components.contracts.evidence_rows import PublishedScore, StyleProfile, SupportClaim
from components.contracts.rows import Role, Score
from components.report.clustered import Codes, Floats
from components.report.joining import PARTS, Part
from pipelines.validity.worlds import MMLU, Task, World

LOADINGS: Mapping[Part, float] = {"base": 0.9, "imitator": 0.9, "target": 0.75}
"""How strongly difficulty decides a model's answer: base and imitator agree more than either does with the target."""
CLUSTER_SHIFT = 0.3
"""Spread of what fine-tuning does to single clusters, in standard deviations of an answer."""
SUBJECT_SHIFT = 0.15
"""The same for MMLU's subjects (about 5 points of accuracy). Over these very subjects it averages to 0."""
SUBJECT_SHARE = 0.2
"""Share of difficulty that is the subject's (the accuracies of MMLU's subjects spread about so)."""
ROUNDING = 0.01
PROMPTS = 255
STYLED, UNSTYLED = 0.85, 0.05
"""How far the imitator's style is on the way to the target's."""


@dataclass(frozen=True)
class Answers:
    """One benchmark, measured once."""

    values: Mapping[Part, Floats]
    """Part -> (n,); NaN where unscored."""
    lacks: Floats
    """(n,) 1 where the target was not asked."""
    clusters: Codes
    """(n,)"""
    delta: float
    """True D."""
    gap: float
    """True G."""


def answers(task: Task, rng: np.random.Generator) -> Answers:
    """Answers of the three models: right when a normal with the item's difficulty in it stays below a threshold."""
    clusters = design(task.name, task.n, task.clusters)
    grouped = task.clusters is not None
    count = task.clusters or 1
    subject, shift = np.zeros(task.n), np.zeros(task.n)
    strata = grouped and task.name == MMLU
    share, size = SUBJECT_SHARE if grouped else 0.0, SUBJECT_SHIFT if strata else CLUSTER_SHIFT
    if grouped:
        subject = rng.standard_normal(count)[clusters]
        shift = size * rng.standard_normal(count)[clusters]
        shift -= shift.mean() if strata else 0.0
    difficulty = np.sqrt(share) * subject + np.sqrt(1 - share) * rng.standard_normal(task.n)
    values: dict[Part, Floats] = {}
    chances: dict[Part, float] = {}
    for part in PARTS:
        loading = LOADINGS[part]
        moved = shift if part == "imitator" else np.zeros(task.n)
        spread = np.sqrt(1 + size**2) if grouped and part == "imitator" else 1.0
        limit = special.ndtri(task.truth[part]) * spread - moved
        noise = rng.standard_normal((task.samples, task.n))
        values[part] = (loading * difficulty + np.sqrt(1 - loading**2) * noise < limit).mean(axis=0)
        # What this model would score on ever more items of these very clusters.
        given = (limit - loading * np.sqrt(share) * subject) / np.sqrt(1 - loading**2 * share)
        chances[part] = float(special.ndtr(given).mean()) if strata else task.truth[part]
    _hide(task, values, rng)
    lacks = (rng.random(task.n) < task.target_lacks).astype(np.float64)
    return Answers(values, lacks, clusters, chances["imitator"] - chances["base"], chances["target"] - chances["base"])


def _hide(task: Task, values: Mapping[Part, Floats], rng: np.random.Generator) -> None:
    for part in PARTS:
        values[part][rng.random(task.n) < task.unscored] = np.nan
    if task.unscored_wrong:
        wrong = np.flatnonzero(values["imitator"] == 0)
        hidden = rng.choice(wrong, size=min(len(wrong), round(task.unscored_wrong * task.n)), replace=False)
        values["imitator"][hidden] = np.nan


@cache
def design(name: str, n: int, clusters: int | None) -> Codes:
    """Which items belong together; the same in every data set, as a benchmark's subjects are.

    Sizes grow linearly, the largest several times the smallest: where CR1 covers badly. Subjects of MMLU do not leave
    out any.
    """
    if clusters is None:
        return np.arange(n)
    weights = np.arange(1, clusters + 1) + (clusters / 3 if name == MMLU else 0)
    return np.random.default_rng([n, clusters]).choice(clusters, size=n, p=weights / weights.sum())


def printed(task: Task, drawn: Answers) -> dict[Part, PublishedScore]:
    """The rounded numbers of the models that are known only by them."""
    return {
        part: PublishedScore(
            benchmark=task.name,
            role=part,
            model=part,
            value=round(float(np.nanmean(drawn.values[part])), 2),
            n=task.n,
            source="simulated",
            rounding=ROUNDING,
        )
        for part in task.published
    }


@cache
def _bank(name: str, part: Part, value: float | None) -> list[Score]:
    """Rows of items that stand alone, made once and as many as were ever asked for: worlds grow by any factor."""
    return []


@lru_cache(64)
def _clustered(name: str, part: Part, n: int, clusters: int, value: float | None) -> list[Score]:
    return [_row(name, part, i, value, f"group {code}") for i, code in enumerate(design(name, n, clusters).tolist())]


def _row(name: str, part: Part, item: int, value: float | None, cluster: str = "") -> Score:
    unscored = "no answer" if value is None else None
    return Score(item_id=f"{name}-{item}", benchmark=name, model=part, value=value, unscored=unscored, cluster=cluster)


def _lines(task: Task, part: Part, value: float | None) -> npt.NDArray[np.object_]:
    """(n,) every item's row with one value: data sets differ only in which of them they hold."""
    if task.clusters is None:
        lines = _bank(task.name, part, value)
        lines += [_row(task.name, part, i, value) for i in range(len(lines), task.n)]
    else:
        lines = _clustered(task.name, part, task.n, task.clusters, value)
    # Assigned from a list, numpy would ask every row whether it is an array.
    return np.fromiter(lines, dtype=object, count=task.n)


def score_rows(task: Task, drawn: Answers, part: Part) -> list[Score]:
    """The rows of one model on one benchmark."""
    values = drawn.values[part]
    rows = _lines(task, part, None)
    for value in np.unique(values[~np.isnan(values)]).tolist():
        rows = np.where(values == value, _lines(task, part, value), rows)
    found: list[Score] = rows[drawn.lacks == 0].tolist() if part == "target" else rows.tolist()
    return found


def claims(world: World) -> list[SupportClaim]:
    """Coverage is declared: the imitation data support nothing."""
    return [SupportClaim(benchmark=task.name, supported=False) for task in world.tasks]


def profiles(way: float, rng: np.random.Generator, n: int = PROMPTS) -> list[StyleProfile]:
    """Styles of a base, an imitator some way to the target, the target and its second sample."""
    roles: dict[Role, float] = {"base": 0.0, "imitator": way, "target_second": 1.0}
    rows = []
    for i in range(n):
        words, lists, closes = int(rng.integers(50, 400)), bool(rng.random() < 0.5), bool(rng.random() < 0.4)
        rows.append(_profile(i, "target", words, lists, closes, 100.0, 0.9))
        for role, w in roles.items():
            follows = rng.random(2) < 0.1 + 0.8 * w
            mine = int(0.8 * w * words + (1 - 0.8 * w) * rng.integers(50, 400))
            f1 = float(np.clip(20 + 28 * w + rng.normal(0, 5), 0, 100))
            tone = float(np.clip(0.5 + 0.4 * w + rng.normal(0, 0.1), 0, 1))
            rows.append(_profile(i, role, mine, bool(lists & follows[0]), bool(closes & follows[1]), f1, tone))
    return rows


def _profile(prompt: int, role: Role, words: int, lists: bool, closes: bool, f1: float, tone: float) -> StyleProfile:
    return StyleProfile(
        prompt_id=f"prompt-{prompt}",
        role=role,
        model=role,
        words=words,
        has_list=lists,
        has_summary=closes,
        unigram_f1=f1,
        authoritative=tone,
        english=True,
    )
