"""The five rules of method section 6. Each condition answers whether it holds, and in words what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from components.contracts.verdict import Pooled, StyleResult, VerdictWord
from components.report.benchmark_results import Assessed
from components.report.demands import growth_needed, ratio_demand
from components.report.fieller import pool
from components.report.policy import Policy
from components.report.pooling import poolable, pooled, without_largest
from components.report.prose import and_list, apart, percent, points, times


class Condition(NamedTuple):
    """Whether a condition holds, and the sentences (without full stop) on what is missing."""

    holds: bool
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, *missing: str | None) -> Condition:
        """Holds when nothing is missing."""
        found = tuple(text for text in missing if text)
        return cls(not found, found)


@dataclass(frozen=True)
class Court:
    """Everything the rules look at."""

    benchmarks: Sequence[Assessed]
    style: StyleResult
    policy: Policy

    @cached_property
    def unsupported(self) -> list[Assessed]:
        """U: usable benchmarks the imitation data do not cover, or of which that is unknown."""
        return [b for b in self._usable if b.evidence.coverage.in_u]

    @cached_property
    def supported(self) -> list[Assessed]:
        """V: usable benchmarks that the imitation data cover."""
        return [b for b in self._usable if b.evidence.coverage.in_v]

    @cached_property
    def everything(self) -> list[Assessed]:
        """U and V together, in the order given."""
        return [b for b in self._usable if b.evidence.coverage.source != "behaviour"]

    @property
    def _usable(self) -> list[Assessed]:
        return [b for b in self.benchmarks if b.label != "unusable" and b.evidence.estimate.change is not None]

    @cached_property
    def gained(self) -> list[Assessed]:
        """Members of U and V that gained by themselves."""
        return [b for b in self.everything if b.label == "gained"]

    @cached_property
    def regressed(self) -> list[Assessed]:
        """Every benchmark that regressed, behaviour included."""
        return [b for b in self.benchmarks if b.label == "regressed"]

    @cached_property
    def ungained(self) -> list[Assessed]:
        """U and V without the benchmarks that gained."""
        return [b for b in self.everything if b.label != "gained"]

    @property
    def family(self) -> int:
        """Benchmarks over which single tests are adjusted."""
        return max(1, sum(b.result.p_gain_holm is not None for b in self.benchmarks))

    def pooled(self, members: Sequence[Assessed]) -> Pooled:
        """Gap closed over a set."""
        return pooled(members, self.policy)

    @property
    def support_unknown(self) -> bool:
        """Whether the coverage of some member of U is not known."""
        return any(b.evidence.coverage.source == "unknown" for b in self.benchmarks)

    @cached_property
    def broad(self) -> Condition:
        """Capability on more than one benchmark outside the imitation data."""
        members, policy = self.unsupported, self.policy
        if len(members) < 2:
            covered = "every benchmark is covered by the imitation data" if self.supported and not members else ""
            which = f"only {members[0].name} was measured" if members else covered or "none was measured"
            return Condition.of(f"at least two benchmarks outside the imitation data are needed; {which}")
        num_gained = sum(b.label == "gained" for b in members)
        if num_gained >= 2 and 2 * num_gained > len(members):
            return Condition(True)
        total = self.pooled(members)
        if total.gap_closed is None or total.ci is None:
            return Condition.of(f"{total.reason} ({names(members)})")
        return Condition.of(
            f"{policy.capability_gap_closed:.0%} of the gap must be closed {over(members)};"
            f" it is {percent(total.gap_closed)}"
            if total.gap_closed < policy.capability_gap_closed
            else None,
            f"the gap closed {over(members)} must be above 0 beyond chance; it could be {percent(total.ci[0])}"
            if total.ci[0] <= 0
            else None,
            self._rest_missing(members),
        )

    def _rest_missing(self, members: Sequence[Assessed]) -> str | None:
        """A single benchmark must not pass for broad capability, nor with others that gained next to nothing."""
        rest = without_largest(members, self.policy)
        if rest is None:
            return None
        lead = f"the others must gain too without {rest.largest}, which adds most"
        if rest.change[0] <= 0:
            return f"{lead}; their summed change could be {points(rest.change[0])}"
        if rest.closed is not None and rest.closed[1] < self.policy.negligible_gap_closed:
            return f"{lead}; of their gap they closed at most {percent(rest.closed[1])}"
        return None

    def nothing(self, members: Sequence[Assessed]) -> Condition:
        """A shown absence of gain over a set: an upper bound below negligible, and no member that gained."""
        if not members:
            return Condition.of("no usable benchmark was measured")
        better = [b.name for b in members if b.label == "gained"]
        hidden = [b.name for b in members if b.label != "gained" and self._better_than_the_gap_says(b)]
        total = self.pooled(members)
        if total.gap_closed is None or total.ci is None:
            bound: str | None = f"{total.reason} ({names(members)})"
        elif total.ci[1] >= self.policy.negligible_gap_closed:
            bound = (
                f"the gap closed {over(members)} must be shown to be below"
                f" {percent(self.policy.negligible_gap_closed)}; it is {percent(total.gap_closed)} and could be"
                f" {percent(total.ci[1])}{self._times_for_nothing(members)}"
            )
        else:
            bound = None
        return Condition.of(
            bound,
            f"no benchmark may have gained; {and_list(better)} did" if better else None,
            f"{and_list(hidden)} rose beyond chance, and without a measurable gap nobody can say that it is little"
            if hidden
            else None,
        )

    def _better_than_the_gap_says(self, b: Assessed) -> bool:
        # Such a benchmark cannot be labelled gained, but a rise beyond chance is no proof of nothing either.
        p = b.result.p_gain_holm
        return b.result.gap_closed is None and p is not None and p < self.policy.alpha / 2

    def _times_for_nothing(self, members: Sequence[Assessed]) -> str:
        parts = poolable(members)
        total, limit = pool([c for _, c in parts]), self.policy.negligible_gap_closed
        spread = {name: ratio_demand(c, limit, 0.5, above=False).variance for name, c in parts}
        factor = growth_needed([ratio_demand(total, limit, self.policy.alpha / 2, above=False)])
        if factor is None:
            return ""
        widest = max(spread, key=spread.__getitem__)
        size = next(b.result.n for b in members if b.name == widest)
        most = f", most of all of {widest} (n {size:,})" if len(parts) > 1 else f" (n {size:,})"
        return f"; about {times(factor)} times the items would show it{most}"

    @cached_property
    def captured(self) -> Condition:
        """The target's style taken on, beyond doubt where there are prompts to resample."""
        style, least = self.style, self.policy.style_captured
        if style.closeness is None:
            return Condition.of(f"style closeness is not known: {style.reason}")
        low = style.closeness if style.ci is None else style.ci[0]
        if low >= least:
            return Condition(True)
        if style.ci is None or style.closeness <= least:
            asked, found = apart(least, style.closeness)
            return Condition.of(f"style closeness must reach {asked}; it is {found}")
        # The interval's half-width stands for 1.96 standard errors; 80% power needs 2.8 of them below the margin.
        factor = ((style.closeness - low) / (style.closeness - least) * (2.8 / 1.96)) ** 2
        return Condition.of(
            f"style closeness must be shown to reach {least:.2f}; it is {style.closeness:.2f} and could be {low:.2f};"
            f" about {max(style.n + 1, round(style.n * factor)):,} prompts would show it (n {style.n:,})"
        )

    @cached_property
    def safe(self) -> Condition:
        """No critical benchmark lost anything that matters. One that was not measured is not known to be safe."""
        policy = self.policy
        critical = [b for b in self.benchmarks if policy.is_critical(b.name)]
        present = {b.name for b in self.benchmarks} | {"*"}
        missing = [name for name in policy.critical if name not in present]
        unusable = [b.name for b in critical if b.label == "unusable" or b.result.delta_ci is None]
        lost = [b.name for b in critical if b.label == "regressed"]
        wide = [
            f"{b.name} could have lost {points(-b.result.delta_ci[0])}"
            for b in critical
            if policy.critical_tolerance is not None
            and b.label != "regressed"
            and b.result.delta_ci is not None
            and b.result.delta_ci[0] <= -policy.critical_tolerance
        ]
        tolerance = points(policy.critical_tolerance or 0.0)
        return Condition.of(
            f"critical benchmarks must be measured; {and_list(missing)} was not" if missing else None,
            f"critical benchmarks must be usable; {and_list(unusable)} is not" if unusable else None,
            f"no critical benchmark may regress; {and_list(lost)} did" if lost else None,
            f"a critical loss of {tolerance} must be excluded; {and_list(wide)}" if wide else None,
        )

    @cached_property
    def capability(self) -> Condition:
        """Rule 1."""
        return Condition.of(*self.broad.missing, *self.safe.missing)

    @cached_property
    def local(self) -> Condition:
        """Rule 2."""
        some = None if self.gained else self._nothing_gained()
        rest = self.nothing(self.ungained).missing if self.gained and self.ungained else ()
        return Condition.of(some, *rest, *self.safe.missing)

    def _nothing_gained(self) -> str:
        least = self.policy.capability_gap_closed
        if not self.everything:
            return f"some benchmark must close {percent(least)} of its gap beyond chance; none was measured"
        sizes = [f"{b.name} {b.result.n_needed:,}" for b in self.everything if b.result.n_needed is not None]
        need = f"; items that would settle single benchmarks: {', '.join(sizes)}" if sizes else ""
        return f"some benchmark must close {percent(least)} of its gap beyond chance; none did{need}"

    @cached_property
    def style_only(self) -> Condition:
        """Rule 3."""
        return Condition.of(*self.nothing(self.everything).missing, *self.captured.missing)

    @cached_property
    def regression(self) -> bool:
        """Rule 4."""
        if any(self.policy.is_critical(b.name) for b in self.regressed):
            return True
        return bool(self.regressed) and not self.captured.holds

    @cached_property
    def verdict(self) -> VerdictWord:
        """The first rule that holds."""
        if self.capability.holds:
            return "INCONCLUSIVE" if self.support_blocks else "CAPABILITY"
        if self.local.holds:
            return "LOCAL"
        if self.style_only.holds:
            return "STYLE_ONLY"
        return "REGRESSION" if self.regression else "INCONCLUSIVE"

    @property
    def support_blocks(self) -> bool:
        """Capability holds but for knowing what the imitation data cover."""
        return self.capability.holds and self.support_missing

    @property
    def support_missing(self) -> bool:
        """The policy demands to know what the imitation data cover, and it is not known."""
        unknown = any(b.evidence.coverage.source == "unknown" for b in self.unsupported)
        return self.policy.require_support and unknown


def names(members: Sequence[Assessed]) -> str:
    """Benchmarks of a set in words."""
    return and_list([b.name for b in members])


def over(members: Sequence[Assessed]) -> str:
    """`on nq`, `over mmlu and nq`: the members that a pooled number speaks of."""
    measured = [name for name, _ in poolable(members)] or [b.name for b in members]
    return f"{'on' if len(measured) == 1 else 'over'} {and_list(measured)}"
