"""Tokens and money: what is spent, what requests under way may still cost, and the limits that neither may pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction

from components.contracts.chat_api.ask import Cost
from components.contracts.chat_api.settings import ApiTarget

NOTHING = Cost(0, 0)
LOOK_SECONDS = 0.5
"""How often a thread that waits for room looks whether the work was called off."""


class Ledger:
    """Counts tokens only; money follows from them and the prices of today, so that no cent is lost to rounding."""

    def __init__(self, target: ApiTarget) -> None:
        """Keep to the limits of `target`."""
        self._target = target
        # Fractions of the decimal that the user typed: 0.1 + 0.2 must not pass 0.3.
        self._prices = tuple(
            Fraction(str(price or 0.0)) / 1_000_000
            for price in (target.usd_per_million_prompt, target.usd_per_million_completion)
        )
        self._most = None if target.max_usd is None else Fraction(str(target.max_usd))
        self._change = threading.Condition()
        self.spent = NOTHING
        """Replies by the server's own count, and attempts whose reply was lost by the most they can have cost."""
        self.lost = NOTHING
        """The part of `spent` for which there is no reply."""
        self._reserved = NOTHING

    def usd(self, cost: Cost) -> float:
        """What tokens cost; 0 where the price is not known."""
        return float(self._price(cost)) if any(self._prices) else 0.0

    def reserve(self, cost: Cost, *, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Set `cost` aside; waits while requests under way may still turn out cheaper.

        Returns:
            False when it does not fit, or `stopped` said that nobody wants it any more.
        """
        with self._change:
            while not self._fits(cost):
                if self._reserved == NOTHING or stopped():
                    return False
                self._change.wait(LOOK_SECONDS)
            self._reserved += cost
            return True

    def settle(self, reserved: Cost, actual: Cost) -> None:
        """A reply came: what was set aside becomes what it cost."""
        self._book(reserved, actual, NOTHING)

    def lose(self, reserved: Cost) -> None:
        """No reply came, and it may have been made: all that was set aside counts as spent."""
        self._book(reserved, reserved, reserved)

    def carry_lost(self, cost: Cost) -> None:
        """Count an attempt of an earlier process whose reply was lost."""
        self._book(NOTHING, cost, cost)

    def release(self, reserved: Cost) -> None:
        """Nothing was done for it."""
        self._book(reserved, NOTHING, NOTHING)

    def _book(self, reserved: Cost, spent: Cost, lost: Cost) -> None:
        with self._change:
            self._reserved -= reserved
            self.spent += spent
            self.lost += lost
            self._change.notify_all()

    def _fits(self, cost: Cost) -> bool:
        after, target = self.spent + self._reserved + cost, self._target
        if target.max_tokens_total is not None and after.total > target.max_tokens_total:
            return False
        return self._most is None or self._price(after) <= self._most

    def _price(self, cost: Cost) -> Fraction:
        of_prompt, of_completion = self._prices
        return cost.prompt * of_prompt + cost.completion * of_completion
