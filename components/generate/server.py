"""Asking a server everything that a step needs of it, and what is done about requests without reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.contracts.chat_api import progress
from components.contracts.chat_api.ask import Ask, Message
from components.contracts.chat_api.client import ChatClient, Failure
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.chat_api.tally import Tally
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore


class Replies(NamedTuple):
    """What a server answered."""

    found: Sequence[Reply | Failure]
    """In the order of what was asked."""
    notes: Mapping[str, object]
    """What the server said of itself, and the money it took."""
    costs: Mapping[str, float]


def ask_all(target: ApiTarget, journal: Journal, asks: Sequence[Ask], *, max_unanswered: float) -> Replies:
    """Ask everything that the journal holds no reply to.

    Args:
        target: The server, its pace and its budget.
        journal: Where replies are kept, each as it comes.
        asks: Requests.
        max_unanswered: Share of requests that may stay without reply.

    Raises:
        TouchstoneError: the budget ended, or the server answers nothing any more; replies so far stay in the journal.
    """
    tolerated = int(max_unanswered * len(asks))
    with ChatClient(target, journal, tolerated=tolerated) as client:
        listener, accounts = progress.current(), client.accounts

        def told() -> None:
            listener(progress.Progress(client.num_kept, len(asks), accounts.usd, accounts.ledger.spent.total))

        ending = client.answer(asks, told=told)
        replies = [client.reply(ask) for ask in asks]
        if ending == "budget":
            why, remedy = accounts.budget_end()
            num_replies = sum(isinstance(reply, Reply) for reply in replies)
            raise TouchstoneError(
                f"{why}, with {num_replies} of {len(asks)} requests answered",
                expected="a budget for every request",
                remedy=f"{remedy} and run the same again: it continues, and no reply is paid for twice",
            )
        found = [reply or Failure("it was not asked") for reply in replies]
        tally = Tally()
        for reply in found:
            if isinstance(reply, Reply):
                tally.add(reply)
        return Replies(found, {**tally.notes(), **accounts.notes()}, client.costs())


def check_unanswered(rows: Sequence[Completion | ChoiceScore | TextScore], *, max_unanswered: float) -> None:
    """Refuse answers of which too many are none.

    Raises:
        TouchstoneError: more than the share `max_unanswered` of the rows has a reason instead of a value.
    """
    without = [row for row in rows if row.unanswered is not None]
    if len(without) <= max_unanswered * len(rows):
        return
    first = without[0]
    name = first.prompt_id if isinstance(first, Completion) else first.request_id
    raise TouchstoneError(
        f"{len(without)} of {len(rows)} requests have no reply; first {name}: {first.unanswered}",
        expected=f"a reply to at least {1 - max_unanswered:.1%} of the requests",
        remedy="mend what the server names and run the same again, replies so far are kept; or raise max_unanswered",
    )


def completion_ask(request: Request) -> Ask:
    """A completion request as the protocol has it.

    Raises:
        UsageError: it has no bound on its length.
    """
    if request.max_tokens == 0:
        raise UsageError(f"request {request.id} has max_tokens 0", expected="a bound, which the budget needs too")
    return Ask(
        id=request.id,
        max_tokens=request.max_tokens,
        messages=(Message("user", request.prompt),) if request.chat else (),
        prompt=request.prompt,
        temperature=request.temperature,
        top_p=request.top_p if request.top_p < 1 else None,
        seed=request.seed % 2**31,
        stop=request.stop,
    )


def completion_row(request: Request, reply: Reply | Failure, model: str) -> Completion:
    """What came of a completion request; a request without reply is a row with the reason."""
    if isinstance(reply, Reply):
        return reply.completion(request.id, request.prompt, model)
    return Completion(
        prompt_id=request.id, model=model, prompt=request.prompt, text="", unanswered=reply.message or "no reply"
    )
