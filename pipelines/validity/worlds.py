"""Worlds whose truth is known: what base, imitator and target can really do, and how they are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from components.contracts.verdict import VerdictWord
from components.report.joining import Part
from components.report.policy import Policy

MMLU, NQ, HUMANEVAL = "mmlu", "nq", "humaneval"
SIZES = (14042, 3610, 164)
SUBJECTS = 57
LARGE = 10_000


@dataclass(frozen=True)
class Task:
    """One benchmark of a world."""

    name: str
    n: int
    """Items."""
    base: float
    """The base's true accuracy."""
    target: float
    """The target's true accuracy."""
    closed: float = 0.0
    """Share of the gap that the imitator truly closes; negative = it got worse."""
    clusters: int | None = None
    """Clusters of unequal size, each helped or hurt by fine-tuning in its own way; None = independent items. Of a
    benchmark named mmlu they are strata, and the truth is that of its very subjects."""
    published: tuple[Part, ...] = ()
    """Models known by a rounded number only."""
    unscored: float = 0.0
    """Share of each model's items that could not be scored, at random."""
    unscored_wrong: float = 0.0
    """Share of the imitator's items that could not be scored, all of them wrong answers."""
    target_lacks: float = 0.0
    """Share of the items that the target was not asked."""
    samples: int = 1
    """Answers an item; scores are their mean."""

    @property
    def truth(self) -> dict[Part, float]:
        """True accuracies."""
        return {"base": self.base, "imitator": self.base + self.closed * self.gap, "target": self.target}

    @property
    def gap(self) -> float:
        """True gap."""
        return self.target - self.base

    def grown(self, n: int) -> Task:
        """The same benchmark with other items, more or fewer; clusters grow with them."""
        clusters = None if self.clusters is None else max(2, round(self.clusters * n / self.n))
        return replace(self, n=n, clusters=self.clusters if self.name == MMLU else clusters)


@dataclass(frozen=True)
class Promise:
    """What is promised of a world's verdicts."""

    word: VerdictWord
    limit: Literal["at least", "at most"]
    share: float

    def __str__(self) -> str:
        """`STYLE_ONLY at least 90%`."""
        return f"{self.word} {self.limit} {self.share:.0%}"

    def is_kept(self, share: float) -> bool:
        """Whether a share of worlds is within the limit."""
        return share >= self.share if self.limit == "at least" else share <= self.share


ALIKE = "every data set is the same, so an interval holds the truth always or never"
FEW = "ten answers have so few outcomes that coverage leaps with the truth (last table)"
UNPAIRED = "how far the models agree on items is not published, so that the interval must do for models that do not"
NO_CAPABILITY = Promise("CAPABILITY", "at most", 0.05)
STYLE_FOUND = Promise("STYLE_ONLY", "at least", 0.90)
LOCAL_FOUND = Promise("LOCAL", "at least", 0.90)


@dataclass(frozen=True)
class World:
    """A setting with known truth."""

    name: str
    tasks: tuple[Task, ...]
    promises: tuple[Promise, ...] = ()
    """What must come out."""
    styled: bool = True
    """Whether the imitator took on most of the target's style."""
    policy: Policy = field(default_factory=Policy)
    unpromised: str = ""
    """Why intervals cannot but cover more than promised; empty where they can."""

    @property
    def is_large(self) -> bool:
        """Of the study's size: a data set of it takes ten times as long as another's."""
        return max(task.n for task in self.tasks) >= LARGE

    def grown(self, items: Mapping[str, int]) -> World:
        """The same world measured on other numbers of items."""
        return replace(self, tasks=tuple(task.grown(items.get(task.name, task.n)) for task in self.tasks))


def study(
    closed: float | Mapping[str, float] = 0.0, *, sizes: Sequence[int] = SIZES, subjects: int | None = SUBJECTS
) -> tuple[Task, ...]:
    """MMLU, NQ and HumanEval with the accuracies of the study's 13B base and its target.

    Args:
        closed: Share of each gap closed, or benchmark -> share with 0 for the others.
        sizes: Items of the three.
        subjects: MMLU's; None = independent items.
    """
    rows = ((MMLU, 0.47, 0.70), (NQ, 0.20, 0.31), (HUMANEVAL, 0.16, 0.48))
    share = closed if isinstance(closed, Mapping) else dict.fromkeys((MMLU, NQ, HUMANEVAL), closed)
    return tuple(
        Task(name, n, base, target, share.get(name, 0.0), subjects if name == MMLU else None)
        for (name, base, target), n in zip(rows, sizes, strict=True)
    )


def _three(n: int, base: float, target: float, **more: object) -> tuple[Task, ...]:
    return tuple(Task(name, n, base, target, **more) for name in ("a", "b", "c"))  # type: ignore[arg-type]


WORLDS: tuple[World, ...] = (
    World("nothing gained", study(), (NO_CAPABILITY, STYLE_FOUND)),
    World("gap closed 0.1 everywhere", study(0.1), (NO_CAPABILITY,)),
    World("gap closed 0.2 everywhere", study(0.2)),
    World("gap closed 0.3 everywhere", study(0.3)),
    World("gap closed 0.5 everywhere", study(0.5), (Promise("CAPABILITY", "at least", 0.90),)),
    World("only nq, 0.64", study({NQ: 0.64}), (NO_CAPABILITY, LOCAL_FOUND)),
    World("only nq, 0.3", study({NQ: 0.3}), (NO_CAPABILITY,)),
    World("only humaneval, 0.6", study({HUMANEVAL: 0.6}), (NO_CAPABILITY, LOCAL_FOUND)),
    World("humaneval 0.6, mmlu 0.07", study({HUMANEVAL: 0.6, MMLU: 0.07}), (NO_CAPABILITY, LOCAL_FOUND)),
    World("humaneval 0.6, mmlu 0.15", study({HUMANEVAL: 0.6, MMLU: 0.15})),
    World(
        "nq 0.05 worse, style not captured",
        study({NQ: -0.05 / 0.11}),
        (NO_CAPABILITY, Promise("REGRESSION", "at least", 0.90)),
        styled=False,
    ),
    World("nq 0.05 worse, style captured", study({NQ: -0.05 / 0.11}), (NO_CAPABILITY, STYLE_FOUND)),
    World("conflicting: mmlu up 0.3, nq down 0.3", study({MMLU: 0.3, NQ: -0.3}), (NO_CAPABILITY, LOCAL_FOUND)),
    World("100 items each, nothing gained", study(sizes=(100, 100, 100), subjects=None), (NO_CAPABILITY,)),
    World("30 items each, nothing gained", study(sizes=(30, 30, 30), subjects=None), (NO_CAPABILITY,)),
    World("ten identical outputs, nothing gained", (Task("a", 10, 0.001, 0.999),), (NO_CAPABILITY,), unpromised=ALIKE),
    World(
        "ten items each, gap closed 0.3",
        (Task("a", 10, 0.05, 0.95, 0.3), Task("b", 10, 0.05, 0.95, 0.3)),
        unpromised=FEW,
    ),
    World("few unequal clusters, nothing gained", _three(600, 0.3, 0.6, clusters=12), (NO_CAPABILITY,)),
    World("many unequal clusters, nothing gained", _three(3000, 0.3, 0.6, clusters=100), (NO_CAPABILITY,)),
    World("floor: all near 0.02, nothing gained", _three(1000, 0.02, 0.10), (NO_CAPABILITY,)),
    World("ceiling: 0.94 to 0.98, nothing gained", _three(1000, 0.94, 0.98), (NO_CAPABILITY,)),
    World("1.5% unscored, nothing gained", _three(2000, 0.3, 0.6, unscored=0.005), (NO_CAPABILITY, STYLE_FOUND)),
    World("1.5% unscored, all wrong answers", _three(2000, 0.3, 0.6, unscored_wrong=0.015), (NO_CAPABILITY,)),
    World(
        "8% unscored", _three(2000, 0.3, 0.6, unscored=0.03), (Promise("INCONCLUSIVE", "at least", 0.99), NO_CAPABILITY)
    ),
    World("the target lacks 15% of the items", _three(2000, 0.3, 0.6, target_lacks=0.15), (NO_CAPABILITY,)),
    World("four answers an item, nothing gained", _three(300, 0.3, 0.6, samples=4), (NO_CAPABILITY,)),
    World(
        "ten benchmarks, nothing gained",
        tuple(Task(f"b{i}", 500, 0.3, 0.6) for i in range(10)),
        (NO_CAPABILITY, STYLE_FOUND),
    ),
    World(
        "ten benchmarks, one gained 0.6",
        tuple(Task(f"b{i}", 1000, 0.3, 0.6, 0.6 if i == 0 else 0.0) for i in range(10)),
        (NO_CAPABILITY, LOCAL_FOUND),
    ),
    World(
        "published numbers, nothing gained",
        _three(3610, 0.2, 0.4, published=("base", "imitator", "target")),
        (NO_CAPABILITY,),
        unpromised=UNPAIRED,
    ),
    World(
        "published target, nothing gained", _three(2000, 0.3, 0.6, published=("target",)), (NO_CAPABILITY, STYLE_FOUND)
    ),
)

SMALL: tuple[World, ...] = (
    *(
        World(f"{n} items each, {label}", study(closed, sizes=(n, n, n), subjects=None))
        for n in (50, 100, 200, 400)
        for label, closed in (
            ("nothing gained", 0.0),
            ("gap closed 0.5 everywhere", 0.5),
            ("only humaneval, 0.6", {HUMANEVAL: 0.6}),
        )
    ),
    World(
        "100 items each, nq 0.05 worse, no style",
        study({NQ: -0.05 / 0.11}, sizes=(100, 100, 100), subjects=None),
        styled=False,
    ),
    World("twelve clusters of 20, nothing gained", _three(240, 0.3, 0.6, clusters=12)),
    World("200 items, target published, nothing gained", _three(200, 0.3, 0.5, published=("target",))),
)
"""Worlds with too few items to tell, where the number of items that is asked for is granted."""
