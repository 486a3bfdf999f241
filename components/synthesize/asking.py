"""The rounds of asking: how many requests next, what came of them, and why it ends.

A round is asked whole before anything is made of it, and its size follows from the replies of earlier rounds: the
examples depend on what the target said, not on how fast or in which order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from components.contracts.chat_api import progress
from components.contracts.chat_api.ask import Ask, Message
from components.contracts.chat_api.client import ChatClient, Failure
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.tally import Tally
from components.contracts.errors import TouchstoneError
from components.synthesize.examples import Collection, no_examples
from components.synthesize.prompting import Composed, compose_prompt
from components.synthesize.task import Task

FIRST_ROUND = 8
"""Requests by which it is learnt how many examples a reply holds."""
LONGEST_ROUND = 512
FRUITLESS_REQUESTS = 128
"""Requests in a row without a new example after which there is no hope."""


class Asking:
    """Asks for a task's examples until there are enough."""

    def __init__(self, task: Task, client: ChatClient, collection: Collection, *, seed: int, max_requests: int) -> None:
        """Prepare.

        Args:
            task: What is asked.
            client: Whom.
            collection: Where examples go.
            seed: Of the prompts.
            max_requests: Prompts that may be asked.
        """
        self._task = task
        self._client = client
        self._collection = collection
        self._seed = seed
        self._max_requests = max_requests
        self._fruitless = 0
        self.tally = Tally()
        self.num_asked = 0
        """Prompts so far, those without reply included."""

    def run(self) -> TouchstoneError | None:
        """Ask, round by round; gives None, or why it ended before there were enough examples.

        Raises:
            TouchstoneError: see `ChatClient.answer`.
        """
        while not self._collection.is_full:
            size = min(self._next_round(), self._max_requests - self.num_asked)
            if size <= 0:
                return self._early(f"{self._max_requests} requests were made", "raise max_requests")
            prompts = [compose_prompt(self._task, self._seed, self.num_asked + i) for i in range(size)]
            ending = self._client.answer((self._ask(p) for p in prompts), told=self._teller())
            self._take(prompts)
            self.num_asked += size
            if self._collection.is_full:
                break
            if ending == "budget":
                return self._early(*self._client.accounts.budget_end())
            if self._fruitless >= FRUITLESS_REQUESTS:
                return (
                    no_examples(self._collection)
                    if not self._collection.dialogues
                    else self._early(
                        f"{self._fruitless} requests in a row brought nothing new", "ask another model or for fewer"
                    )
                )
        return None

    def _early(self, why: str, remedy: str) -> TouchstoneError:
        have, wanted = len(self._collection.dialogues), self._collection.num_wanted
        return TouchstoneError(
            f"{why}, with {have} of {wanted} examples of {self._task.name}",
            expected=f"{wanted} examples",
            remedy=f"{remedy} and run the same again: it continues, and no reply is paid for twice; "
            "or take what there is with accept_fewer",
        )

    def replies(self) -> Iterator[tuple[Composed, Reply]]:
        """Every reply that was used, in the order of the prompts, read anew from the journal."""
        for number in range(self.num_asked):
            prompt = compose_prompt(self._task, self._seed, number)
            reply = self._client.reply(self._ask(prompt))
            if isinstance(reply, Reply):
                yield prompt, reply

    def _next_round(self) -> int:
        if self.num_asked == 0:
            return min(FIRST_ROUND, self._collection.num_wanted)
        left = self._collection.num_wanted - len(self._collection.dialogues)
        return max(1, min(LONGEST_ROUND, math.ceil(left / self._rate)))

    @property
    def _rate(self) -> float:
        """Examples that a request has brought, at least a little: a bad beginning must not ask for thousands."""
        return max(0.25, len(self._collection.dialogues) / max(1, self.num_asked))

    def _ask(self, prompt: Composed) -> Ask:
        task = self._task
        asked: Mapping[str, Any] = (
            {"messages": (Message("user", prompt.text),)} if task.chat else {"prompt": prompt.text}
        )
        return Ask(id=prompt.id, max_tokens=task.max_tokens, temperature=task.temperature, seed=prompt.seed, **asked)

    def _take(self, prompts: list[Composed]) -> None:
        for prompt in prompts:
            reply = self._client.reply(self._ask(prompt))
            before = len(self._collection.dialogues)
            if isinstance(reply, Reply):
                self.tally.add(reply)
                choice, target = reply.choices[0], reply.model or self._client.target.model
                is_cut = choice.finish_reason == "length"
                self._collection.add_reply(prompt.id, choice.text, is_cut=is_cut, target=target, made=reply.created)
            elif isinstance(reply, Failure):
                self._collection.add_failure(prompt.id, reply.message)
            self._fruitless = 0 if len(self._collection.dialogues) > before else self._fruitless + 1

    def _teller(self) -> progress.Told:
        """Tells after each reply how many examples there will about be: they are counted at the end of the round."""
        listener, client, collection = progress.current(), self._client, self._collection
        have, before, rate = len(collection.dialogues), client.num_kept, self._rate if self.num_asked else 1.0

        def told() -> None:
            about = have + int((client.num_kept - before) * rate)
            done = min(about, collection.num_wanted)
            listener(
                progress.Progress(done, collection.num_wanted, client.accounts.usd, client.accounts.ledger.spent.total)
            )

        return told
