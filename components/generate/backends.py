"""The seam between requests and whatever answers them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from components.contracts.chat_api import progress
from components.contracts.chat_api.ask import Ask, Message
from components.contracts.chat_api.client import ChatClient
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.chat_api.tally import Tally
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.contracts.ports import Input
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore


class Answers(NamedTuple):
    """What a backend gave, in the order of the requests of each kind."""

    completions: list[Completion]
    choice_scores: list[ChoiceScore]
    text_scores: list[TextScore] = []  # noqa: RUF012 - never changed
    notes: Mapping[str, object] = {}
    """What a reader of the completions should know about who answered."""
    metrics: Mapping[str, float] = {}
    """What answering cost."""


class Backend(Protocol):
    """Anything that answers requests."""

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer every request, or raise a TouchstoneError."""


class EchoBackend:
    """Answers from the request alone: for dry runs and tests, where plumbing matters and words do not.

    A completion repeats the prompt's last line; a choice's log-probability is drawn from a hash of prompt and choice.
    """

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Answer deterministically, without a model."""
        return Answers(
            [self._completion(r, model) for r in requests if r.kind == "completion"],
            [self._choice(r, model) for r in requests if r.kind == "choice"],
        )

    def _completion(self, request: Request, model: str) -> Completion:
        words = request.prompt.strip().splitlines()[-1].split() if request.prompt.strip() else []
        kept = words[: request.max_tokens]
        return Completion(
            prompt_id=request.id,
            model=model,
            prompt=request.prompt,
            text=" ".join(kept),
            finish="length" if len(kept) < len(words) else "stop",
            num_tokens=len(kept),
        )

    def _choice(self, request: Request, model: str) -> ChoiceScore:
        drawn = [hashlib.sha256(f"{request.prompt}\0{choice}".encode()).digest() for choice in request.choices]
        return ChoiceScore(
            request_id=request.id,
            model=model,
            logprobs=tuple(-1.0 - int.from_bytes(d[:4], "big") / 2**32 for d in drawn),
            num_tokens=tuple(max(1, len(choice.split())) for choice in request.choices),
        )


class ReplayBackend:
    """Answers from artifacts of an earlier run: scoring again without an accelerator."""

    def __init__(self, completions: Path | None, choice_scores: Path | None) -> None:
        """Read the recorded answers.

        Raises:
            TouchstoneError: a folder is not a finished artifact of the right kind.
        """
        said = Input(completions, Completion).rows() if completions else []
        weighed = Input(choice_scores, ChoiceScore).rows() if choice_scores else []
        self._said = {row.prompt_id: row for row in said}
        self._weighed = {row.request_id: row for row in weighed}

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Look every answer up by its request's id.

        Raises:
            TouchstoneError: some request was never answered.
        """
        known: dict[str, set[str]] = {"completion": set(self._said), "choice": set(self._weighed)}
        missing = [r.id for r in requests if r.id not in known[r.kind]]
        if missing:
            raise TouchstoneError(
                f"{len(missing)} of {len(requests)} requests have no recorded answer, first {missing[0]}",
                expected="an answer for every request",
                remedy="run generate with backend hf for these requests, then replay",
            )
        return Answers(
            [self._said[r.id].model_copy(update={"model": model}) for r in requests if r.kind == "completion"],
            [self._weighed[r.id].model_copy(update={"model": model}) for r in requests if r.kind == "choice"],
        )


class ApiBackend:
    """Answers from an OpenAI-compatible server, within a budget; continues what an earlier call journalled."""

    def __init__(self, target: ApiTarget, journal: Journal) -> None:
        """Answer with `target`, replies kept in `journal`.

        Raises:
            UsageError: no server or no model is named.
        """
        target.check()
        self._target = target
        self._journal = journal

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Ask the server for every completion.

        Raises:
            UsageError: a request has choices, or no bound on its length.
            TouchstoneError: the budget ended, or a request was refused; replies so far stay in the journal.
        """
        asks = [_ask(request) for request in requests]
        with ChatClient(self._target, self._journal) as client:
            listener, accounts = progress.current(), client.accounts

            def told() -> None:
                now = progress.Progress(client.num_kept, len(asks), accounts.usd, accounts.ledger.spent.total)
                listener(now)

            ending = client.answer(asks, told=told)
            said: list[Completion] = []
            tally, failed = Tally(), []
            for request, ask in zip(requests, asks, strict=True):
                reply = client.reply(ask)
                if isinstance(reply, Reply):
                    tally.add(reply)
                    said.append(reply.completion(request.id, request.prompt, model))
                elif reply is not None:
                    failed.append(f"{request.id}: {reply.message}")
            if ending == "budget":
                why, remedy = client.accounts.budget_end()
                raise TouchstoneError(
                    f"{why}, with {len(said)} of {len(asks)} requests answered",
                    expected="a budget for every request",
                    remedy=f"{remedy} and run the same again: it continues, and no reply is paid for twice",
                )
            if failed:
                raise TouchstoneError(
                    f"{len(failed)} of {len(asks)} requests have no reply; first {failed[0]}",
                    expected="a reply to every request",
                    remedy="mend what the server names and run the same again: replies so far are kept",
                )
            return Answers(said, [], notes=tally.notes(), metrics=client.costs())


def _ask(request: Request) -> Ask:
    if request.kind == "choice":
        raise UsageError(
            f"request {request.id} asks for the likelihood of choices, which backend api does not give",
            expected="completion requests",
            remedy="score choices with backend hf",
        )
    if request.max_tokens == 0:
        raise UsageError(f"request {request.id} has max_tokens 0", expected="a bound, which the budget needs too")
    messages = (Message("user", request.prompt),) if request.chat else ()
    return Ask(
        id=request.id,
        max_tokens=request.max_tokens,
        messages=messages,
        prompt=request.prompt,
        temperature=request.temperature,
        seed=request.seed % 2**31,
        stop=request.stop,
    )
