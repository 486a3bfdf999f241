"""Rows of several models -> aligned arrays, one table a benchmark, joined by item id and never by position."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Channel, Score
from components.report.clustered import Codes, Floats

Bools = npt.NDArray[np.bool_]
Part = Literal["base", "imitator", "target"]
PARTS: tuple[Part, ...] = ("base", "imitator", "target")
_BENCHMARK = attrgetter("benchmark")
CHANNELS: tuple[Channel, ...] = ("strict", "extracted", "likelihood")
"""In the order in which they are preferred for the headline."""
STRATIFIED = ("mmlu",)
"""Benchmarks whose clusters are all there is, not a sample of more: MMLU's 57 subjects. A name counts when its letters
begin so. Their intervals are stratified, with those by whole clusters beside them (method section 5)."""


class Drops(NamedTuple):
    """What a join left out, as counts of items."""

    given: Mapping[str, int]
    """Role -> items it brought."""
    unmatched: int
    """Items that only one of base and imitator has."""
    unscored: int
    """Matched items on which some model could not be scored."""
    without_target: int
    """Matched items that the target does not have: they count in D, not in G."""


@dataclass(frozen=True)
class ItemTable:
    """One benchmark's scores on the items that base and imitator share."""

    benchmark: str
    values: Mapping[Part, Floats]
    """Part -> (n,); NaN where unscored or, for the target, absent. Parts without item scores are missing."""
    clusters: Codes
    """(n,)"""
    drops: Drops
    num_shots: int | None = None
    remarks: tuple[str, ...] = field(default=())
    """What a reader must know."""
    items: tuple[str, ...] = ()
    """(n,) ids, in the order of `values`."""
    channel: Channel = "strict"
    """How the answers were read."""

    @property
    def stratified(self) -> bool:
        """Whether clusters are strata; where most hold a single item, nobody named them."""
        letters = "".join(c for c in self.benchmark.lower() if c.isalpha())
        return letters.startswith(STRATIFIED) and 2 * len(np.unique(self.clusters)) <= len(self.clusters)

    def only(self, kept: Bools) -> ItemTable:
        """The table of some of its items.

        Args:
            kept: (n,) which.
        """
        return replace(
            self,
            values={part: values[kept] for part, values in self.values.items()},
            clusters=self.clusters[kept],
            items=tuple(itertools.compress(self.items, kept)),
        )


def tables(scores: Mapping[Part, Iterable[Score]], *, min_matched: float) -> list[ItemTable]:
    """One table for each benchmark, in the order in which benchmarks first appear.

    Args:
        scores: Part -> its rows, of any number of benchmarks.
        min_matched: Least share of the larger of two models' items that the other must have too.

    Raises:
        TouchstoneError: an item scored twice by one model, or a join that is too thin.
    """
    grouped: dict[str, dict[Part, list[Score]]] = {}
    for part in PARTS:
        for benchmark, rows in _by_benchmark(scores.get(part, ())).items():
            grouped.setdefault(benchmark, {})[part] = rows
    return [_table(name, rows, min_matched) for name, rows in grouped.items()]


def _by_benchmark(rows: Iterable[Score]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for benchmark, run in itertools.groupby(rows, _BENCHMARK):
        found.setdefault(benchmark, []).extend(run)
    return found


def _table(benchmark: str, rows: Mapping[Part, Sequence[Score]], min_matched: float) -> ItemTable:
    channel, remarks = _headline(benchmark, rows)
    chosen: dict[Part, dict[str, Score]] = {
        part: _by_item(benchmark, part, [row for row in found if row.channel == channel])
        for part, found in rows.items()
    }
    anchors: list[Part] = [part for part in PARTS[:2] if part in chosen] or ["target"]
    items = _shared(chosen[anchors[0]], chosen[anchors[-1]])
    largest = max(len(chosen[part]) for part in anchors)
    _check_thin(benchmark, anchors, len(items), largest, min_matched)
    lined = {part: list(map(found.get, items)) for part, found in chosen.items()}
    with_target = len(items) - lined["target"].count(None) if "target" in lined else len(items)
    _check_thin(benchmark, ["target", *anchors], with_target, len(items), min_matched)
    values = {part: np.array(list(map(_value, found)), dtype=np.float64) for part, found in lined.items()}
    union = len(chosen[anchors[0]].keys() | chosen[anchors[-1]].keys())
    shots = {row.num_shots for found in chosen.values() for row in found.values()}
    known = sorted(number for number in shots if number is not None)
    if len(known) > 1:
        remarks.append(f"{benchmark}: models were shown different numbers of worked examples: {known}.")
    return ItemTable(
        benchmark=benchmark,
        values=values,
        clusters=_codes(benchmark, items, lined),
        drops=Drops(
            given={part: len(found) for part, found in chosen.items()},
            unmatched=union - len(items),
            unscored=_count_unscored(values, lined),
            without_target=len(items) - with_target,
        ),
        num_shots=shots.pop() if len(shots) == 1 else None,
        remarks=tuple(remarks),
        items=tuple(items),
        channel=channel,
    )


def _shared(first: Mapping[str, Score], second: Mapping[str, Score]) -> list[str]:
    """Items of both, in the order of the first."""
    return list(first) if first.keys() == second.keys() else [item for item in first if item in second]


def _count_unscored(values: Mapping[Part, Floats], lined: Mapping[Part, Sequence[Score | None]]) -> int:
    """Items on which some model that was asked has no score."""
    missing = np.zeros(len(next(iter(values.values()))), dtype=bool)
    for part, found in lined.items():
        empty = np.flatnonzero(np.isnan(values[part]))
        missing[[i for i in empty.tolist() if found[i] is not None]] = True
    return int(missing.sum())


def _headline(benchmark: str, rows: Mapping[Part, Sequence[Score]]) -> tuple[Channel, list[str]]:
    """The channel that all models share, and what was set aside."""
    found = {part: {row.channel for row in given} for part, given in rows.items()}
    shared = [channel for channel in CHANNELS if all(channel in channels for channels in found.values())]
    if not shared:
        listed = "; ".join(f"{part}: {', '.join(sorted(channels))}" for part, channels in found.items())
        raise TouchstoneError(
            f"{benchmark}: the models' answers were read in different ways ({listed})",
            expected="one channel that base, imitator and target share",
            remedy="score all models again in the same way",
        )
    others = sorted(set().union(*found.values()) - {shared[0]})
    note = f"{benchmark}: the {shared[0]} reading of answers is used; {', '.join(others)} was given too."
    return shared[0], [note] if others else []


def _by_item(benchmark: str, part: Part, rows: Sequence[Score]) -> dict[str, Score]:
    found: dict[str, Score] = {}
    for row in rows:
        if row.item_id in found:
            styles = {row.prompt_style, found[row.item_id].prompt_style}
            how = f", as {' and as '.join(sorted(styles))} prompt" if len(styles) > 1 else ""
            raise TouchstoneError(
                f"{benchmark}: {part} has item {row.item_id} twice{how}",
                expected="one score for each item and model",
                remedy="keep one run of the model; give repeated samples of an item as their mean",
            )
        found[row.item_id] = row
    return found


def _check_thin(benchmark: str, parts: Sequence[str], matched: int, largest: int, min_matched: float) -> None:
    if largest and (matched == 0 or matched < min_matched * largest):
        raise TouchstoneError(
            f"{benchmark}: only {matched} of {largest} items are shared by {' and '.join(parts)}",
            expected=f"at least {min_matched:.0%} shared items",
            remedy="score the missing items, or give files of the same items for every model",
        )


def _value(row: Score | None) -> float:
    return float("nan") if row is None or row.value is None else row.value


def _codes(benchmark: str, items: Sequence[str], found: Mapping[Part, Sequence[Score | None]]) -> Codes:
    """Cluster numbers; an item without a cluster is its own, whatever its id looks like.

    Raises:
        TouchstoneError: an item that two models' rows put into different clusters.
    """
    names: list[str] = [""] * len(items)
    for part in reversed([part for part in PARTS if part in found]):  # the first model that names a cluster decides
        given = [name if row is None else row.cluster or name for row, name in zip(found[part], names, strict=True)]
        for item, name, other in zip(items, given, names, strict=True):
            if other and name != other:
                raise TouchstoneError(
                    f"{benchmark}: item {item} is in cluster {name} for {part} and in {other} for another model",
                    expected="one cluster for each item",
                    remedy="correct the cluster, or give it in one model's file only",
                )
        names = given
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(name, len(numbers)) if name else -1 for name in names]
    alone = len(numbers)
    return np.array([code if code >= 0 else alone + i for i, code in enumerate(codes)], dtype=np.int64)
