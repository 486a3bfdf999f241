"""The backend `vllm`: log-probabilities and completions of a server that repeats prompts with log-probabilities.

vLLM and others answer /completions with `echo` by the prompt's tokens, their log-probabilities and their places. A
choice's log-probability is the sum over the tokens of its text, a whole text's the sum over all of its tokens. White
space where prompt and choice meet belongs to the choice, as in lm-evaluation-harness and in backend hf.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from components.contracts.chat_api.ask import Ask
from components.contracts.chat_api.client import Failure
from components.contracts.chat_api.problems import NotAReply
from components.contracts.chat_api.reply import Reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import UsageError
from components.contracts.files import show
from components.contracts.journal import Journal
from components.contracts.rows import ChoiceScore, Completion, Request, TextScore
from components.generate.backend import Answers
from components.generate.server import ask_all, check_unanswered, completion_ask, completion_row

ECHO = {"echo": True, "logprobs": 1}
"""Repeat the prompt with its log-probabilities."""
AS_IT_IS = {"add_special_tokens": False}
"""Begin a text as it is written, and not, as else, with the tokenizer's own first token; vLLM knows it."""
NO_CHANCE = -9999.0
"""What vLLM writes for minus infinity, which is no JSON."""
SCORED = "scored"
"""Field of a kept reply: what was read from its log-probabilities."""


class Scored(NamedTuple):
    """What a server says of a text's last part."""

    logprob: float | None
    """Natural-log probability, summed over its tokens; None = `problem` says why there is none."""
    num_tokens: int
    problem: str = ""


class VllmBackend:
    """Answers from a server that gives log-probabilities of prompts; continues what an earlier call journalled."""

    def __init__(
        self,
        target: ApiTarget,
        journal: Journal,
        *,
        max_unanswered: float = 0.0,
        start_text: str = "",
        plain_chat: str = "",
    ) -> None:
        """Answer with `target`.

        Args:
            target: The server, its pace and its budget.
            journal: Where replies are kept, each as it comes; of log-probabilities only those that were asked for.
            max_unanswered: Share of requests that may stay without answer; they become rows with the reason.
            start_text: What the first token of a text without context is predicted from, such as <s>.
            plain_chat: How a message is put where its log-probabilities are wanted; {prompt} is filled in.

        Raises:
            UsageError: no server or no model is named.
        """
        target.check()
        self._target = target
        self._journal = journal
        self._max_unanswered = max_unanswered
        self._start_text = start_text
        self._plain_chat = plain_chat

    def answer(self, requests: Sequence[Request], model: str) -> Answers:
        """Ask the server everything: one request for a completion or a text, one for each choice.

        Raises:
            UsageError: a chat request for log-probabilities without `plain_chat`, or a completion without bound.
            TouchstoneError: the budget ended, or too many requests have no answer; replies so far stay in the journal.
        """
        asks = [self._asks(request) for request in requests]
        replies = ask_all(self._target, self._journal, [*itertools.chain(*asks)], max_unanswered=self._max_unanswered)
        found = iter(replies.found)
        rows = [
            _row(request, [*itertools.islice(found, len(own))], model)
            for request, own in zip(requests, asks, strict=True)
        ]
        check_unanswered(rows, max_unanswered=self._max_unanswered)
        return Answers(
            [row for row in rows if isinstance(row, Completion)],
            [row for row in rows if isinstance(row, ChoiceScore)],
            [row for row in rows if isinstance(row, TextScore)],
            notes=replies.notes,
            metrics=replies.costs,
        )

    def _asks(self, request: Request) -> list[Ask]:
        if request.kind == "completion":
            return [completion_ask(request)]
        prompt = self._worded(request)
        if request.kind == "text":
            return [self._echo(request.id, "", prompt)]
        context = prompt.rstrip()
        seam = prompt[len(context) :]
        return [
            self._echo(f"{request.id} choice {number}", context, seam + choice)
            for number, choice in enumerate(request.choices)
        ]

    def _echo(self, name: str, context: str, scored: str) -> Ask:
        starts = not context and bool(self._start_text)
        context = self._start_text if starts else context
        # One token is generated, and left out: servers differ in whether they take none at all.
        return Ask(
            id=name,
            max_tokens=1,
            prompt=context + scored,
            temperature=0.0,
            extra=ECHO | AS_IT_IS if starts else ECHO,
            kept=partial(_kept, context=context, scored=scored),
        )

    def _worded(self, request: Request) -> str:
        if not request.chat:
            return request.prompt
        if not self._plain_chat:
            raise UsageError(
                f"request {request.id} asks for log-probabilities within a chat, whose template only the server knows",
                expected="raw prompts where log-probabilities are wanted",
                remedy="use backend hf, or give plain_chat",
            )
        return self._plain_chat.format(prompt=request.prompt)


def _kept(raw: Mapping[str, Any], *, context: str, scored: str) -> dict[str, Any]:
    """A reply without its echo of the prompt, which is most of it."""
    choice = raw["choices"][0]
    value = score_echo(choice.get("logprobs"), _num_generated(raw), context, scored)
    short = {"index": 0, "text": "", "finish_reason": choice["finish_reason"], SCORED: list(value)}
    named = ("id", "created", "model", "system_fingerprint", "usage")
    return {**{name: raw[name] for name in named if name in raw}, "choices": [short]}


def _num_generated(raw: Mapping[str, Any]) -> int:
    usage = raw.get("usage")
    counted = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return counted if isinstance(counted, int) else 1


def score_echo(logprobs: object, num_generated: int, context: str, scored: str) -> Scored:
    """Sum the log-probabilities of the tokens of `scored`, which the server read after `context`.

    Args:
        logprobs: `tokens`, `token_logprobs` and `text_offset` of the echoed prompt and of what was generated.
        num_generated: Tokens at the end that the prompt does not have.
        context: The text's first part.
        scored: Its last part.

    Raises:
        NotAReply: the server does not repeat prompts with log-probabilities.
    """
    tokens, values, places = (_list(logprobs, key) for key in ("tokens", "token_logprobs", "text_offset"))
    count = len(tokens) - num_generated
    if count <= 0 or not len(tokens) == len(values) == len(places):
        raise NotAReply("a reply without the prompt's log-probabilities (echo and logprobs are not followed)")
    first = _first_scored(tokens[:count], places[:count], context, scored)
    if first is None:
        at = max(0, next((k for k in range(count) if places[k] >= len(context)), count) - 1)
        return Scored(None, 0, f"a token of the server, {show(tokens[at])}, lies across the seam before {show(scored)}")
    # A first token of the server's own, without text.
    first += first == 0 and tokens[0] == "" and count > 1
    wanted = values[first:count]
    if wanted[0] is None and not context:
        return Scored(None, count, "the server gives the first token of a text no probability; give start_text")
    if not all(isinstance(value, int | float) and math.isfinite(value) and value > NO_CHANCE for value in wanted):
        return Scored(None, count - first, "a log-probability that is not a number")
    return Scored(float(sum(wanted)), count - first)


def _first_scored(tokens: Sequence[str], places: Sequence[int], context: str, scored: str) -> int | None:
    """The first token of `scored`; None when there is no seam where a token begins, or it cannot be told.

    Servers that send each half of a broken character as a character of its own (U+FFFD) miscount all later places. So
    the seam is looked for from both ends of the text, and believed where the tokens on one side of it are its text.
    """
    end = places[-1] + len(tokens[-1])
    for begins in ([place - end + len(scored) for place in places], [place - len(context) for place in places]):
        first = next((k for k, begin in enumerate(begins) if begin >= 0), None)
        if first is None or begins[first] > 0:
            continue
        if "".join(tokens[:first]) == context or "".join(tokens[first:]) == scored:
            return first
    return None


def _list(logprobs: object, key: str) -> list[Any]:
    found = logprobs.get(key) if isinstance(logprobs, dict) else None
    if not isinstance(found, list):
        raise NotAReply(f"a reply without {key} of the prompt (echo and logprobs are not followed)")
    return found


def _row(request: Request, replies: Sequence[Reply | Failure], model: str) -> Completion | ChoiceScore | TextScore:
    if request.kind == "completion":
        return completion_row(request, replies[0], model)
    scored = [_scored(reply) for reply in replies]
    problem = next((s.problem or "no log-probability" for s in scored if s.logprob is None), None)
    if request.kind == "text":
        return TextScore(
            request_id=request.id,
            model=model,
            logprob=scored[0].logprob,
            num_tokens=scored[0].num_tokens,
            num_bytes=len(request.prompt.encode()),
            unanswered=problem,
        )
    return ChoiceScore(
        request_id=request.id,
        model=model,
        logprobs=() if problem else tuple(s.logprob for s in scored if s.logprob is not None),
        num_tokens=tuple(s.num_tokens for s in scored),
        unanswered=problem,
    )


def _scored(reply: Reply | Failure) -> Scored:
    if isinstance(reply, Failure):
        return Scored(None, 0, reply.message)
    logprob, num_tokens, problem = reply.raw["choices"][0][SCORED]
    return Scored(logprob, num_tokens, problem)
