"""Asks many requests, journals every reply before anything else is done with it, and stops before a budget is passed.

The journal holds, by key: `sent KEY ATTEMPT` (the most the attempt can cost; on disk before it leaves), then one of
`reply KEY` (everything the server sent), `free ATTEMPT` (the server did nothing for it) or, when the reply was lost or
the process killed, nothing: such an attempt counts as spent for ever.
"""

from __future__ import annotations

import random
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.contracts.chat_api.ask import Ask, Cost, Wording
from components.contracts.chat_api.budget import NOTHING, Ledger
from components.contracts.chat_api.clock import Clock, SystemClock
from components.contracts.chat_api.hands import Hands
from components.contracts.chat_api.pace import Pace, pause
from components.contracts.chat_api.problems import Refused, TryAgain
from components.contracts.chat_api.reply import Reply, read_reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.chat_api.wire import Wire
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal

Ending = Literal["complete", "budget"]

FAILURES_BEFORE_ANY_REPLY = 3
"""Requests that may fail, each for good, before a server that never answered is given up."""
FAILURES_IN_A_ROW = 10
"""The same for a server that did answer."""


@dataclass(frozen=True)
class Failure:
    """A request that has no reply, and why."""

    message: str


@dataclass
class Counts:
    """What happened in this process, for metrics; another run of the same work may count otherwise."""

    requests: int = 0
    """Attempts sent."""
    retries: int = 0
    """Attempts that failed and were repeated."""
    lost: int = 0
    """Attempts that may have been billed without a reply."""


@dataclass
class _Task:
    """A request on its way."""

    wording: Wording
    cost: Cost
    attempt: str = ""
    failures: int = 0
    draw: random.Random = field(default_factory=random.Random)


class ChatClient:
    """A model behind an OpenAI-compatible server. Use as a context manager, one thread at a time."""

    def __init__(self, target: ApiTarget, journal: Journal, *, seed: int = 0, clock: Clock | None = None) -> None:
        """Continue what the journal holds.

        Args:
            target: Whom to ask, and the limits.
            journal: Where replies are kept.
            seed: Of the jitter of pauses.
            clock: Time; the machine's when nothing is given.

        Raises:
            UsageError: no server, no model, or an impossible key.
            TouchstoneError: the journal cannot be used.
        """
        target.check()
        self.target = target
        self.ledger = Ledger(target)
        self.counts = Counts()
        self._journal = journal
        self._seed = seed
        clock = clock or SystemClock()
        self._wire = Wire(target, clock)
        draw = random.Random(seed)
        self._pace = Pace(target.base_url, patience_seconds=target.patience_seconds, clock=clock, draw=draw)
        self._lock = threading.Lock()
        self._failures: dict[str, Failure] = {}
        self._failed_in_a_row = 0
        self._out_of_budget = False
        self.num_kept = self._recount()
        """Replies in the journal."""

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    def answer(self, asks: Iterable[Ask], *, told: Callable[[], None] = lambda: None) -> Ending:
        """Ask everything that has no reply yet; replies are then had by `reply`.

        Requests are sent in their order. An interrupt waits for the replies that are under way, since they are paid
        for; a second one does not.

        Args:
            asks: Requests with ids of their own.
            told: Called after every reply, from any thread.

        Returns:
            complete, or budget when the next request could have passed it.

        Raises:
            TouchstoneError: the server refuses everything, has not answered for too long, or wants a key; the journal
                cannot be written.
        """
        self._out_of_budget = False
        hands: Hands[_Task] = Hands(self.target.concurrency, lambda task: self._work(task, hands.stopped, told))
        try:
            for ask in asks:
                wording = Wording(ask, self.target)
                if f"reply {wording.key}" in self._journal:
                    continue
                self._failures.pop(wording.key, None)
                task = _Task(wording, wording.worst_case, draw=random.Random(f"{self._seed}:{wording.key}"))
                # First the thread, then the money: money set aside for a request that cannot leave would keep threads
                # that wait for money waiting for ever.
                hands.wait_for_one()
                if self._out_of_budget or not self._reserve(task, hands.stopped):
                    break
                hands.give(task)
            hands.finish()
        except KeyboardInterrupt:
            hands.stop()
            sys.stderr.write("waiting for the replies that are on their way; interrupt again to do without them\n")
            hands.finish()
            raise
        except BaseException:
            hands.stop()
            hands.finish()
            raise
        return "budget" if self._out_of_budget else "complete"

    def reply(self, ask: Ask) -> Reply | Failure | None:
        """What came of a request; None when it was not asked.

        Raises:
            TouchstoneError: the journal is damaged.
        """
        wording = Wording(ask, self.target)
        kept = self._journal.read(f"reply {wording.key}")
        if kept is None:
            return self._failures.get(wording.key)
        raw = kept["raw"]
        assert isinstance(raw, dict)
        return read_reply(raw, ask.n)

    def replies(self, asks: Sequence[Ask]) -> Iterable[tuple[Ask, Reply | Failure | None]]:
        """What came of each request, in their order, read one by one."""
        return ((ask, self.reply(ask)) for ask in asks)

    @property
    def usd(self) -> float:
        """Spent, lost replies included."""
        return self.ledger.usd(self.ledger.spent)

    def costs(self) -> dict[str, float]:
        """What was spent, for a step's metrics."""
        spent, lost = self.ledger.spent, self.ledger.lost
        return {
            "prompt_tokens": float(spent.prompt),
            "completion_tokens": float(spent.completion),
            "lost_tokens": float(lost.total),
            "cost_usd": self.usd,
            "retries": float(self.counts.retries),
        }

    def budget_end(self) -> tuple[str, str]:
        """That the next request could pass the budget, and what to raise, in words."""
        target, spent = self.target, self.ledger.spent
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
        """Set the ledger to what the journal says; gives the number of replies."""
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

    def _reserve(self, task: _Task, stopped: Callable[[], bool]) -> bool:
        if self.ledger.reserve(task.cost, stopped=stopped):
            return True
        if not stopped():
            self._out_of_budget = True
        return False

    def _work(self, task: _Task, stopped: Callable[[], bool], told: Callable[[], None]) -> None:
        """See a request through, with its repetitions; its cost is reserved."""
        while True:
            sent_at = self._pace.wait(stopped)
            if stopped():
                self._release(task)
                return
            try:
                raw = self._attempt(task)
            except TryAgain as problem:
                if not self._again(task, problem, sent_at, stopped):
                    return
            except Refused as refusal:
                self._release(task)
                self._failed(task, f"the server refuses: {refusal}")
                return
            except TouchstoneError:
                self._release(task)
                raise
            else:
                self._keep(task, raw)
                told()
                return

    def _attempt(self, task: _Task) -> dict[str, Any]:
        if not task.attempt:
            attempt = uuid.uuid4().hex[:16]
            self._journal.append(f"sent {task.wording.key} {attempt}", {"attempt": attempt, **task.cost._asdict()})
            task.attempt = attempt
        with self._lock:
            self.counts.requests += 1
        return self._wire.send(task.wording)

    def _keep(self, task: _Task, raw: Mapping[str, Any]) -> None:
        usage = read_reply(raw, task.wording.ask.n).usage or task.cost
        payload = {"raw": dict(raw), "attempt": task.attempt, **usage._asdict()}
        self._journal.append(f"reply {task.wording.key}", payload)
        self.ledger.settle(task.cost, usage)
        self._pace.answered()
        with self._lock:
            self.num_kept += 1
            self._failed_in_a_row = 0

    def _again(self, task: _Task, problem: TryAgain, sent_at: float, stopped: Callable[[], bool]) -> bool:
        """Prepare the next attempt; False when there will be none."""
        task.failures += not problem.throttled
        is_last, is_over = task.failures >= self.target.max_attempts, stopped()
        if problem.lost:
            self.ledger.lose(task.cost)
            task.attempt = ""
            with self._lock:
                self.counts.lost += 1
        try:
            if is_last:
                self._failed(task, f"no reply in {task.failures} attempts; last: {problem}")
            elif not is_over:
                self._pace.failed(problem, sent_at)
        except TouchstoneError:
            is_over = True
            raise
        finally:
            if not problem.lost and (is_last or is_over):
                self._release(task)
        if is_last or is_over or (problem.lost and not self._reserve(task, stopped)):
            return False
        with self._lock:
            self.counts.retries += 1
        if not problem.throttled and not problem.wait_seconds:
            self._pace.rest(pause(task.failures, task.draw), stopped)
        return True

    def _release(self, task: _Task) -> None:
        """Nothing is owed for the attempt, if there was one."""
        if task.attempt:
            self._journal.append(f"free {task.attempt}", {})
        self.ledger.release(task.cost)

    def _failed(self, task: _Task, message: str) -> None:
        with self._lock:
            self._failures[task.wording.key] = Failure(message)
            self._failed_in_a_row += 1
            limit = FAILURES_IN_A_ROW if self.num_kept else FAILURES_BEFORE_ANY_REPLY
            if self._failed_in_a_row < limit:
                return
            raise TouchstoneError(
                f"{self.target.base_url}: {self._failed_in_a_row} requests in a row failed; last: {message}",
                expected="an OpenAI-compatible server that knows the model and the fields of the request",
                remedy="mend what the server names and run the same command again: replies so far are kept",
            )


def _cost(payload: Mapping[str, object]) -> Cost:
    prompt, completion = payload["prompt"], payload["completion"]
    assert isinstance(prompt, int)
    assert isinstance(completion, int)
    return Cost(prompt, completion)
