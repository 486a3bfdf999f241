"""One request, as the caller means it and as the protocol words it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from components.contracts import canonical
from components.contracts.chat_api.settings import OWN_FIELDS, ApiTarget

MESSAGE_OVERHEAD_TOKENS = 16
"""Role tokens and separators around a message, generously."""
TEMPLATE_OVERHEAD_TOKENS = 64
"""What a chat template adds once: begin tokens, a default system message, the date, the opening of the reply."""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Message(NamedTuple):
    """An utterance of a chat."""

    role: str
    text: str


class Cost(NamedTuple):
    """Tokens, as servers bill them."""

    prompt: int
    completion: int

    def __add__(self, other: object) -> Cost:
        assert isinstance(other, Cost)
        return Cost(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.prompt - other.prompt, self.completion - other.completion)

    @property
    def total(self) -> int:
        """Tokens of both kinds."""
        return self.prompt + self.completion


@dataclass(frozen=True)
class Ask:
    """What a model is asked: messages (chat), or a prompt to be continued as it is."""

    id: str
    """Unique among the requests of a journal."""
    max_tokens: int
    """Longest reply."""
    messages: tuple[Message, ...] = ()
    """The chat; empty = `prompt` is sent raw."""
    prompt: str = ""
    """Text to be continued."""
    temperature: float = 1.0
    """0 = the likeliest token each time."""
    top_p: float | None = None
    """Nucleus; None = the server's setting, as `ApiTarget.top_p`."""
    seed: int | None = None
    """For servers that sample reproducibly."""
    stop: tuple[str, ...] = ()
    """Generation ends before any of these."""
    n: int = 1
    """Replies wanted."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request (`logprobs`, `top_logprobs`, `echo`, ...); the raw reply keeps what they bring."""
    kept: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
    """What of a raw reply is kept, in the form of a reply: for those that mostly repeat the request. Raises NotAReply
    for one that lacks what it needs."""


class Wording:
    """A request for one server and model: what is sent, and under which name its reply is kept."""

    def __init__(self, ask: Ask, target: ApiTarget) -> None:
        """Put `ask` as `target` has to be asked."""
        assert not OWN_FIELDS & ask.extra.keys(), "these have a place of their own"
        self.ask = ask
        self.extra = {**target.extra, **ask.extra}
        """Fields that only some servers know."""
        self.body = _CANONICAL.encode(_fields(ask, target) | self.extra).encode()
        """JSON by the protocol's own names."""
        self.key = f"{ask.id}-{hashlib.sha256(self.body).hexdigest()[:16]}"
        """The request's id and a digest of its content: a changed request never gets the reply of the former one."""

    @property
    def worst_case(self) -> Cost:
        """The most that the request can cost.

        A tokenizer that works on bytes never makes more tokens than there are bytes of UTF-8; what a chat template
        adds is bounded by two constants above, and what further fields add (a schema, say) by their JSON. A reply has
        at most `max_tokens`, and there are `n` of them.
        """
        ask = self.ask
        texts = [m.text for m in ask.messages] or [ask.prompt]
        texts += [canonical.dumps(self.extra)] if self.extra else []
        num_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        overhead = TEMPLATE_OVERHEAD_TOKENS + MESSAGE_OVERHEAD_TOKENS * len(ask.messages)
        return Cost(num_bytes + overhead, ask.max_tokens * ask.n)


def _fields(ask: Ask, target: ApiTarget) -> dict[str, Any]:
    said: dict[str, Any] = {"model": target.model, target.max_tokens_field: ask.max_tokens}
    if ask.messages:
        said["messages"] = [{"role": m.role, "content": m.text} for m in ask.messages]
    else:
        said["prompt"] = ask.prompt
    said["temperature"] = ask.temperature
    top_p = target.top_p if ask.top_p is None else ask.top_p
    if top_p is not None:
        said["top_p"] = top_p
    if ask.seed is not None:
        said["seed"] = ask.seed
    if ask.stop:
        said["stop"] = list(ask.stop)
    if ask.n != 1:
        said["n"] = ask.n
    return said
