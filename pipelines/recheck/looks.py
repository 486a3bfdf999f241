"""Several looks at a growing run: the items of each on every benchmark, and the level that is left for the last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.ports import Input
from components.contracts.rows import Score
from components.report.sequential import error_unspent, spending_levels, spent
from pipelines.audit.decide import read_settings
from pipelines.audit.place import ROWS

PORTS = ("base_scores", "imitator_scores", "target_scores")
OPTION = "--planned-items"
Values = dict[tuple[str, str, str], float | None]


@dataclass(frozen=True)
class Looks:
    """What is known of the looks at a run, the last included."""

    level: float | None
    """Alpha by which this look is judged; None for the policy's own."""
    planned: Mapping[str, int] | None
    """Benchmark -> items planned."""
    said: str
    """The same for a person."""


def looks_at(folder: Path, earlier: Sequence[Path], planned: Sequence[str], alpha: float) -> Looks | None:
    """The looks at a run; None where nothing was asked but to look once.

    Each benchmark spends alpha by its own share of planned items. The verdict has one level, the least of theirs, so
    that on every benchmark all looks together err at most at alpha.

    Args:
        folder: An audit, the look in question.
        earlier: Audits of the same run with fewer items, in the order in which they were looked at.
        planned: `BENCHMARK=ITEMS`, or `ITEMS` alone where one benchmark was measured.
        alpha: What all looks may use together.

    Raises:
        TouchstoneError: not an audit, published numbers only, or earlier rows that are no part of these.
        UsageError: plans that do not fit the benchmarks, or looks that do not grow.
    """
    if not earlier and not planned:
        return None
    runs = [_values(path) for path in (*earlier, folder)]
    for path, first, second in zip(earlier, runs[:-1], runs[1:], strict=True):
        _check_grown(path, first, second)
    counts = [_num_items(run) for run in runs]
    sizes = {name: [count[name] for count in counts] for name in counts[-1]}
    totals = [count.total() for count in counts]
    unspent = error_unspent([total / totals[-1] for total in totals], alpha)  # refuses looks that do not grow
    if not planned:
        worst = max(unspent, *(error_unspent([n / new[-1] for n in new], alpha) for new in map(_grown, sizes.values())))
        return Looks(
            None,
            None,
            f"Look {len(runs)} at this run ({_listed(sizes)}). Alpha is not spent: looks at {alpha:g} each find"
            f" something that is not there in {worst:.1%}, not {alpha:.1%}. {OPTION} would spend it.",
        )
    plan = _planned(planned, list(sizes))
    shares = {name: [n / plan[name] for n in _grown(found)] for name, found in sizes.items()}
    for name, found in shares.items():
        if found[-1] > 1:
            raise UsageError(
                f"{folder} has {sizes[name][-1]:,} items of {name}, {plan[name]:,} were planned",
                expected="no more items than planned",
                remedy="give the number that was planned before the first look; alpha was to be spent by then",
            )
    levels = {name: spending_levels(found, alpha)[-1] for name, found in shares.items()}
    least = min(levels, key=levels.__getitem__)
    used = max(spent(found[-1], alpha) for found in shares.values())
    which = f" (the level of {least}, the least)" if len(levels) > 1 else ""
    return Looks(
        levels[least],
        plan,
        f"Look {len(runs)} at this run ({_listed(sizes, plan)}): judged at {levels[least]:.3g}{which} so that all looks"
        f" together err at {alpha:g}; {used:.3g} is spent by now.",
    )


def _planned(entries: Sequence[str], benchmarks: Sequence[str]) -> dict[str, int]:
    """Benchmark -> planned items, one for each benchmark."""
    example = " ".join(f"{OPTION} {name}=ITEMS" for name in benchmarks)
    found: dict[str, int] = {}
    for entry in entries:
        name, mark, number = entry.rpartition("=")
        if not mark and len(benchmarks) > 1:
            raise UsageError(
                f"{OPTION} {entry}: {len(benchmarks)} benchmarks were measured, and each has its own plan",
                expected=f"{OPTION} BENCHMARK=ITEMS for each of them; a plain number where there is one",
                remedy=example,
            )
        name = name if mark else benchmarks[0]
        if name not in benchmarks:
            raise UsageError(f"{OPTION} {entry}: {name} was not measured", expected=", ".join(benchmarks))
        if not number.isdecimal() or int(number) < 1:
            raise UsageError(f"{OPTION} {entry}", expected=f"{OPTION} BENCHMARK=ITEMS, items from 1", remedy=example)
        if name in found:
            raise UsageError(f"{OPTION}: two plans for {name}", remedy="give one")
        found[name] = int(number)
    missing = [name for name in benchmarks if name not in found]
    if missing:
        raise UsageError(f"{OPTION}: no plan for {', '.join(missing)}", expected=example)
    return found


def _grown(sizes: Sequence[int]) -> list[int]:
    """Sizes of the looks that brought new items: the same items looked at again are no further look at them."""
    return [size for i, size in enumerate(sizes) if size > (sizes[i - 1] if i else 0)]


def _listed(sizes: Mapping[str, Sequence[int]], plan: Mapping[str, int] | None = None) -> str:
    """`items: 400, 800 of 800 planned`, with the benchmarks' names where there are several."""
    parts = []
    for name, found in sizes.items():
        of = f" of {plan[name]:,} planned" if plan else ""
        parts.append(f"{name if len(sizes) > 1 else 'items'}: {', '.join(f'{n:,}' for n in found)}{of}")
    return "; ".join(parts)


def _values(folder: Path) -> Values:
    """Item scores of an audit: (port, benchmark, item) -> value."""
    read_settings(folder)  # refuses what is no audit
    found: Values = {}
    for port in PORTS:
        path = folder / ROWS / port
        if path.exists():
            for row in Input(path, Score).iter_rows():
                found[port, row.benchmark, row.item_id] = row.value
    if not found:
        raise TouchstoneError(
            f"{folder} holds published numbers only",
            expected="item scores: looks are counted in items",
            remedy=f"leave out --earlier and {OPTION}",
        )
    return found


def _num_items(run: Values) -> Counter[str]:
    """Benchmark -> items of base or imitator."""
    return Counter(benchmark for benchmark, _ in dict.fromkeys(key[1:] for key in run if key[0] in PORTS[:2]))


def _check_grown(path: Path, earlier: Values, later: Values) -> None:
    """An earlier look's scores must all be among the later one's, unchanged."""
    lost = [key for key in earlier if key not in later]
    other = [key for key in earlier if key in later and later[key] != earlier[key]]
    if lost or other:
        (port, benchmark, item), kind = (lost or other)[0], "is missing" if lost else "has another score"
        raise TouchstoneError(
            f"{path} is no earlier look at this run: {benchmark} item {item} of its {port} {kind}"
            f" ({len(lost)} missing, {len(other)} changed)",
            expected="every item of the earlier look, with the same score",
            remedy="an audit of another run or of other answers is not a look at this one; leave it out",
        )
