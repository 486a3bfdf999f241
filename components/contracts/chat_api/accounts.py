"""What a journal says was sent, answered and spent, and the only writer of it.

By key: `sent KEY ATTEMPT` (the most the attempt can cost; on disk before it leaves), then one of `reply KEY` (all that
the server sent), `free ATTEMPT` (the server did nothing for it) or, when the reply was lost or the process killed,
nothing: such an attempt counts as spent for ever.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from typing import Any

from components.contracts.chat_api.ask import Cost, Wording
from components.contracts.chat_api.budget import NOTHING, Ledger
from components.contracts.chat_api.reply import Reply, read_reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.journal import Journal


class Accounts:
    """The ledger beside the journal that it follows from; any thread may book."""

    def __init__(self, target: ApiTarget, journal: Journal) -> None:
        """Continue what the journal holds.

        Raises:
            TouchstoneError: the journal cannot be used.
        """
        self.ledger = Ledger(target)
        self._target = target
        self._journal = journal
        # Names of attempts: drawing each anew takes longer than the rest of its booking.
        self._session, self._numbers = uuid.uuid4().hex[:16], itertools.count()
        self.num_replies_found = self._recount()
        """Replies that were in the journal."""

    def has_reply(self, key: str) -> bool:
        """Whether a request was answered."""
        return f"reply {key}" in self._journal

    def reply(self, key: str, num_choices: int) -> Reply | None:
        """The reply to a request for so many choices, if there is one.

        Raises:
            TouchstoneError: the journal is damaged.
        """
        kept = self._journal.read(f"reply {key}")
        if kept is None:
            return None
        raw = kept["raw"]
        assert isinstance(raw, dict)
        return read_reply(raw, num_choices)

    def begin(self, wording: Wording, cost: Cost) -> str:
        """Write down that a request is about to leave, its cost set aside; gives the attempt's name."""
        attempt = f"{self._session}-{next(self._numbers)}"
        self._journal.append(f"sent {wording.key} {attempt}", {"attempt": attempt, **cost._asdict()})
        return attempt

    def keep(self, wording: Wording, attempt: str, cost: Cost, raw: Mapping[str, Any], usage: Cost | None) -> None:
        """Write a reply down; what was set aside becomes what the server counted, where it counted."""
        spent = usage or cost
        self._journal.append(f"reply {wording.key}", {"raw": dict(raw), "attempt": attempt, **spent._asdict()})
        self.ledger.settle(cost, spent)

    def free(self, attempt: str, cost: Cost) -> None:
        """Nothing is owed; an empty `attempt` = none was begun."""
        if attempt:
            self._journal.append(f"free {attempt}", {})
        self.ledger.release(cost)

    @property
    def usd(self) -> float:
        """Spent, lost replies included; 0 where prices are not known."""
        return self.ledger.usd(self.ledger.spent)

    def notes(self) -> dict[str, object]:
        """The money spent, for the manifest of what is made of the replies; empty where a price is not known."""
        prices = (self._target.usd_per_million_prompt, self._target.usd_per_million_completion)
        return {} if None in prices else {"cost_usd": self.usd}

    def costs(self) -> dict[str, float]:
        """What was spent, for a step's metrics."""
        spent, lost = self.ledger.spent, self.ledger.lost
        return {
            "prompt_tokens": float(spent.prompt),
            "completion_tokens": float(spent.completion),
            "lost_tokens": float(lost.total),
            "cost_usd": self.usd,
        }

    def budget_end(self) -> tuple[str, str]:
        """That the next request could pass the budget, and what to raise, in words."""
        target, spent = self._target, self.ledger.spent
        limits, raised = [], []
        if target.max_tokens_total is not None:
            limits.append(f"{spent.total} of {target.max_tokens_total} tokens")
            raised.append("max_tokens_total")
        if target.max_usd is not None:
            limits.append(f"{self.usd:.4f} of {target.max_usd:g} USD")
            raised.append("max_usd")
        lost = self.ledger.lost.total
        told = f", {lost} tokens of them for replies that were lost and may have been billed" if lost else ""
        return (
            f"the next request could pass the budget: {' and '.join(limits)} are spent{told}",
            f"raise {' and '.join(raised)}",
        )

    def _recount(self) -> int:
        open_attempts: dict[str, Cost] = {}
        num_replies = 0
        for key, payload in self._journal.records():
            kind, _, rest = key.partition(" ")
            if kind == "sent":
                open_attempts[str(payload["attempt"])] = _cost(payload)
            elif kind == "free":
                open_attempts.pop(rest, None)
            elif kind == "reply":
                num_replies += 1
                open_attempts.pop(str(payload["attempt"]), None)
                self.ledger.settle(NOTHING, _cost(payload))
        for cost in open_attempts.values():
            self.ledger.carry_lost(cost)
        return num_replies


def _cost(payload: Mapping[str, object]) -> Cost:
    prompt, completion = payload["prompt"], payload["completion"]
    assert isinstance(prompt, int)
    assert isinstance(completion, int)
    return Cost(prompt, completion)
