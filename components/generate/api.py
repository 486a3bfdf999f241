"""The backend `api`: completions of an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence

from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import UsageError
from components.contracts.journal import Journal
from components.contracts.rows import Request
from components.generate.backend import Answers
from components.generate.server import ask_all, check_unanswered, completion_ask, completion_row


class ApiBackend:
    """Answers from an OpenAI-compatible server, within a budget; continues what an earlier call journalled."""

    def __init__(self, target: ApiTarget, journal: Journal, *, max_unanswered: float = 0.0) -> None:
        """Answer with `target`.

        Args:
            target: The server, its pace and its budget.
            journal: Where replies are kept, each as it comes.
            max_unanswered: Share of requests that may stay without reply; they become rows with the reason.

        Raises:
            UsageError: no server or no model is named.
        """
        target.check()
        self._target = target
        self._journal = journal
        self._max_unanswered = max_unanswered

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Ask the server for every completion.

        Raises:
            UsageError: a request is for log-probabilities, or has no bound on its length.
            TouchstoneError: the budget ended, or too many requests have no reply; replies so far stay in the journal.
        """
        for request in requests:
            if request.kind != "completion":
                raise UsageError(
                    f"request {request.id} asks for the likelihood of given text, which backend api does not give",
                    expected="completion requests",
                    remedy="use backend hf, or backend vllm where the server gives log-probabilities of prompts",
                )
        asks = [completion_ask(request) for request in requests]
        replies = ask_all(self._target, self._journal, asks, max_unanswered=self._max_unanswered)
        said = [completion_row(r, reply, model) for r, reply in zip(requests, replies.found, strict=True)]
        check_unanswered(said, max_unanswered=self._max_unanswered)
        return Answers(said, [], notes=replies.notes, metrics=replies.costs)
