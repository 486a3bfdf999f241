"""Rows of several models -> aligned arrays, one table a benchmark, joined by item id and never by position."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from components.contracts.errors import TouchstoneError
from components.contracts.rows import Channel, PromptStyle, Score
from components.report.clustered import Codes, Floats

Bools = npt.NDArray[np.bool_]
Part = Literal["base", "imitator", "target"]
PARTS: tuple[Part, ...] = ("base", "imitator", "target")
_FIELDS = operator.attrgetter("benchmark", "channel", "prompt_style", "item_id", "value", "cluster", "num_shots")
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
    ways: int = 1
    """Ways of asking and reading, of the model that has most."""

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
    grouped: dict[str, dict[Part, _Column]] = {}
    for part in PARTS:
        for benchmark, column in _by_benchmark(scores.get(part, ())).items():
            grouped.setdefault(benchmark, {})[part] = column
    return [_table(name, given, min_matched) for name, given in grouped.items()]


class _Column(NamedTuple):
    """One model's rows on one benchmark, field by field: rows are read once, everything after is lists and arrays."""

    channels: tuple[Channel, ...]
    styles: tuple[PromptStyle, ...]
    items: tuple[str, ...]
    values: tuple[float | None, ...]
    clusters: tuple[str, ...]
    shots: tuple[int | None, ...]

    def read_as(self, channel: Channel) -> _Column:
        """The rows of one channel."""
        if self.channels.count(channel) == len(self.channels):
            return self
        kept = [found == channel for found in self.channels]
        return _Column._make(tuple(itertools.compress(field, kept)) for field in self)

    def refuse_twice(self, benchmark: str, part: Part) -> None:
        """Raise where an item stands twice."""
        if len(set(self.items)) == len(self.items):
            return
        seen: dict[str, PromptStyle] = {}
        for item, style in zip(self.items, self.styles, strict=True):
            if item in seen:
                styles = sorted({style, seen[item]})
                raise TouchstoneError(
                    f"{benchmark}: {part} has item {item} twice"
                    f"{f', as {styles[0]} and as {styles[1]} prompt' if len(styles) > 1 else ''}",
                    expected="one score for each item and model",
                    remedy="keep one run of the model; give repeated samples of an item as their mean",
                )
            seen[item] = style


def _by_benchmark(rows: Iterable[Score]) -> dict[str, _Column]:
    fields = tuple(zip(*map(_FIELDS, rows), strict=True))
    if not fields:
        return {}
    found: dict[str, _Column] = {}
    start = 0
    for benchmark, run in itertools.groupby(fields[0]):
        end = start + len(list(run))
        piece = _Column(*(field[start:end] for field in fields[1:]))
        earlier = found.get(benchmark)
        found[benchmark] = piece if earlier is None else _Column._make(map(operator.add, earlier, piece))
        start = end
    return found


def _table(benchmark: str, given: Mapping[Part, _Column], min_matched: float) -> ItemTable:
    channel, remarks = _headline(benchmark, given)
    columns = {part: column.read_as(channel) for part, column in given.items()}
    for part, column in columns.items():
        column.refuse_twice(benchmark, part)
    anchors: list[Part] = [part for part in PARTS[:2] if part in columns] or ["target"]
    first, second = (columns[anchors[i]].items for i in (0, -1))
    items = _shared(first, second)
    _check_thin(benchmark, anchors, len(items), max(len(first), len(second)), min_matched)
    places = {part: _places(column.items, items) for part, column in columns.items()}
    with_target = int((places["target"] >= 0).sum()) if "target" in places else len(items)
    _check_thin(benchmark, ["target", *anchors], with_target, len(items), min_matched)
    values = {
        part: np.where(at >= 0, np.array(columns[part].values, dtype=np.float64)[at], np.nan)
        for part, at in places.items()
    }
    missing = [np.isnan(values[part]) & (places[part] >= 0) for part in values]
    shots = {number for column in columns.values() for number in set(column.shots)}
    known = sorted(number for number in shots if number is not None)
    if len(known) > 1:
        remarks.append(f"{benchmark}: models were shown different numbers of worked examples: {known}.")
    return ItemTable(
        benchmark=benchmark,
        values=values,
        clusters=_codes(benchmark, items, columns, places),
        drops=Drops(
            given={part: len(column.items) for part, column in columns.items()},
            unmatched=len(first) + len(second) - 2 * len(items),
            unscored=int(np.logical_or.reduce(missing).sum()),
            without_target=len(items) - with_target,
        ),
        num_shots=shots.pop() if len(shots) == 1 else None,
        remarks=tuple(remarks),
        items=items,
        channel=channel,
        ways=max(len({*zip(column.styles, column.channels, strict=True)}) for column in given.values()),
    )


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Items of both, in the order of the first."""
    if first == second:
        return first
    others = set(second)
    return tuple(item for item in first if item in others)


def _places(given: tuple[str, ...], items: tuple[str, ...]) -> Codes:
    """(len(items),) where each item stands among those given; -1 = nowhere."""
    if given == items:
        return np.arange(len(items))
    index = dict(zip(given, range(len(given)), strict=True))
    return np.array([index.get(item, -1) for item in items], dtype=np.int64)


def _headline(benchmark: str, given: Mapping[Part, _Column]) -> tuple[Channel, list[str]]:
    """The channel that all models share, and what was set aside."""
    found = {part: set(column.channels) for part, column in given.items()}
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


def _check_thin(benchmark: str, parts: Sequence[str], matched: int, largest: int, min_matched: float) -> None:
    if largest and (matched == 0 or matched < min_matched * largest):
        raise TouchstoneError(
            f"{benchmark}: only {matched} of {largest} items are shared by {' and '.join(parts)}",
            expected=f"at least {min_matched:.0%} shared items",
            remedy="score the missing items, or give files of the same items for every model",
        )


def _codes(
    benchmark: str, items: Sequence[str], columns: Mapping[Part, _Column], places: Mapping[Part, Codes]
) -> Codes:
    """Cluster numbers; an item without a cluster is its own, whatever its id looks like.

    Raises:
        TouchstoneError: an item that two models' rows put into different clusters.
    """
    names = np.full(len(items), "", dtype=object)
    for part in reversed([part for part in PARTS if part in columns]):  # the first model that names a cluster decides
        if not any(columns[part].clusters):
            continue
        mine = np.array([*columns[part].clusters, ""], dtype=object)[places[part]]
        clash = np.flatnonzero((mine != "") & (names != "") & (mine != names))
        if len(clash):
            i = int(clash[0])
            raise TouchstoneError(
                f"{benchmark}: item {items[i]} is in cluster {mine[i]} for {part} and in {names[i]} for another model",
                expected="one cluster for each item",
                remedy="correct the cluster, or give it in one model's file only",
            )
        names = np.where(mine == "", names, mine)
    named = names.tolist()
    index = {name: i for i, name in enumerate(dict.fromkeys(filter(None, named)))}
    alone = len(index)
    codes = np.array([*map({**index, "": -1}.__getitem__, named)], dtype=np.int64)
    return np.where(codes < 0, alone + np.arange(len(items)), codes)
