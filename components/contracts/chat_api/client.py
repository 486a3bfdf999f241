"""Sends many requests, journals every reply before anything else is done with it, and never passes a budget."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from components.contracts.chat_api.accounts import Accounts
from components.contracts.chat_api.ask import Ask, Cost, Wording
from components.contracts.chat_api.clock import Clock, SystemClock
from components.contracts.chat_api.hands import Hands
from components.contracts.chat_api.pace import Pace, pause
from components.contracts.chat_api.problems import Refused, TryAgain
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import TouchstoneError
from components.contracts.journal import Journal

if TYPE_CHECKING:
    from components.contracts.chat_api.wire import Answer, Wire

Ending = Literal["complete", "budget"]

FAILURES_BEFORE_ANY_REPLY = 3
"""Requests that may fail, each for good, before a server that never answered is given up."""
MOST_BEFORE_ANY_REPLY = 32
"""The same where the caller tolerates some."""
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
    seed: int = 0
    """Of the jitter of its pauses."""

    @cached_property
    def draw(self) -> random.Random:
        """For the pauses; most requests make none."""
        return random.Random(f"{self.seed}:{self.wording.key}")


class ChatClient:
    """A model behind an OpenAI-compatible server. Use as a context manager, one thread at a time."""

    def __init__(
        self, target: ApiTarget, journal: Journal, *, seed: int = 0, clock: Clock | None = None, tolerated: int = 0
    ) -> None:
        """Continue what the journal holds.

        Args:
            target: Whom to ask, and the limits.
            journal: Where replies are kept.
            seed: Of the jitter of pauses.
            clock: Time; the machine's when nothing is given.
            tolerated: Requests without reply that the caller can do with: so many in a row are no sign of a server
                that answers nothing (where it never answered: at most 32).

        Raises:
            UsageError: no server, no model, or an impossible key.
            TouchstoneError: the journal cannot be used, or the extra `api` is not installed.
        """
        target.check()
        self.target = target
        self.counts = Counts()
        self.accounts = Accounts(target, journal)
        self._seed = seed
        self._tolerated = tolerated
        clock = clock or SystemClock()
        self._wire = _wire(target, clock)
        draw = random.Random(seed)
        self._pace = Pace(target.base_url, patience_seconds=target.patience_seconds, clock=clock, draw=draw)
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[Ask, str]] = {}
        """What the last call asked, by the requests' ids."""
        self._failures: dict[str, Failure] = {}
        self._failed_in_a_row = 0
        self._out_of_budget = False
        self.num_kept = self.accounts.num_replies_found
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
        self._keys.clear()
        tasks = self._tasks(asks, lambda: hands.stopped())
        hands: Hands[_Task] = Hands(self.target.concurrency, tasks, lambda task: self._work(task, hands.stopped, told))
        try:
            hands.run()
        except KeyboardInterrupt:
            hands.stop()
            sys.stderr.write("waiting for the replies that are on their way; interrupt again to do without them\n")
            hands.run()
            raise
        return "budget" if self._out_of_budget else "complete"

    def reply(self, ask: Ask) -> Reply | Failure | None:
        """What came of a request; None when it was not asked.

        Raises:
            TouchstoneError: the journal is damaged.
        """
        known = self._keys.get(ask.id)
        key = known[1] if known and known[0] == ask else Wording(ask, self.target).key
        return self.accounts.reply(key, ask.n) or self._failures.get(key)

    def costs(self) -> dict[str, float]:
        """What was spent, and how often an attempt was repeated, for a step's metrics."""
        return {**self.accounts.costs(), "retries": float(self.counts.retries)}

    def _tasks(self, asks: Iterable[Ask], stopped: Callable[[], bool]) -> Iterator[_Task]:
        """What has no reply yet, each with its money set aside; asked for by a thread that is free.

        First the thread, then the money: money set aside for a request that cannot leave would keep threads that wait
        for money waiting for ever.
        """
        for ask in asks:
            wording = Wording(ask, self.target)
            self._keys[ask.id] = ask, wording.key
            if self.accounts.has_reply(wording.key):
                continue
            self._failures.pop(wording.key, None)
            task = _Task(wording, wording.worst_case, seed=self._seed)
            if self._out_of_budget or not self._reserve(task, stopped):
                return
            yield task

    def _reserve(self, task: _Task, stopped: Callable[[], bool]) -> bool:
        if self.accounts.ledger.reserve(task.cost, stopped=stopped):
            return True
        if not stopped():
            self._out_of_budget = True
        return False

    def _work(self, task: _Task, stopped: Callable[[], bool], told: Callable[[], None]) -> None:
        """See a request through, with its repetitions; its cost is reserved."""
        while True:
            sent_at = self._pace.wait(stopped)
            if stopped():
                self.accounts.free(task.attempt, task.cost)
                return
            try:
                answer = self._attempt(task)
            except TryAgain as problem:
                if not self._again(task, problem, sent_at, stopped):
                    return
            except Refused as refusal:
                self.accounts.free(task.attempt, task.cost)
                self._failed(task, f"the server refuses: {refusal}")
                return
            except TouchstoneError:
                self.accounts.free(task.attempt, task.cost)
                raise
            else:
                self._keep(task, answer)
                told()
                return

    def _attempt(self, task: _Task) -> Answer:
        if not task.attempt:
            task.attempt = self.accounts.begin(task.wording, task.cost)
        with self._lock:
            self.counts.requests += 1
        return self._wire.send(task.wording)

    def _keep(self, task: _Task, answer: Answer) -> None:
        self.accounts.keep(task.wording, task.attempt, task.cost, answer.kept, answer.usage)
        self._pace.answered()
        with self._lock:
            self.num_kept += 1
            self._failed_in_a_row = 0

    def _again(self, task: _Task, problem: TryAgain, sent_at: float, stopped: Callable[[], bool]) -> bool:
        """Prepare the next attempt; False when there will be none."""
        task.failures += not problem.throttled
        is_last, is_over = task.failures >= self.target.max_attempts, stopped()
        if problem.lost:
            self.accounts.ledger.lose(task.cost)
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
                self.accounts.free(task.attempt, task.cost)
        if is_last or is_over or (problem.lost and not self._reserve(task, stopped)):
            return False
        with self._lock:
            self.counts.retries += 1
        if not problem.throttled and not problem.wait_seconds:
            self._pace.rest(pause(task.failures, task.draw), stopped)
        return True

    def _failed(self, task: _Task, message: str) -> None:
        with self._lock:
            self._failures[task.wording.key] = Failure(message)
            self._failed_in_a_row += 1
            if self.num_kept:
                limit = max(FAILURES_IN_A_ROW, self._tolerated + 1)
            else:
                limit = max(FAILURES_BEFORE_ANY_REPLY, min(self._tolerated, MOST_BEFORE_ANY_REPLY) + 1)
            if self._failed_in_a_row < limit:
                return
            raise TouchstoneError(
                f"{self.target.base_url}: {self._failed_in_a_row} requests in a row failed; last: {message}",
                expected="an OpenAI-compatible server that knows the model and the fields of the request",
                remedy="mend what the server names and run the same command again: replies so far are kept",
            )


def _wire(target: ApiTarget, clock: Clock) -> Wire:
    # The core install does not have what it needs.
    try:
        from components.contracts.chat_api.wire import Wire
    except ModuleNotFoundError as error:
        raise TouchstoneError(
            f"a target behind an API needs a package that is not installed: {error.name}",
            remedy="pip install 'touchstone-audit[api]'",
        ) from error
    return Wire(target, clock)
