"""What a server sent back: whether it is a reply at all, and what it says."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from components.contracts.chat_api.ask import Cost
from components.contracts.chat_api.problems import NotAReply
from components.contracts.files import show, without_lone_surrogates
from components.contracts.rows import Completion

_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """One of a reply's texts."""

    text: str
    finish_reason: str
    """stop, length, content_filter, ...: the server's word."""
    absent: str = ""
    """Why there is no text at all, in words; empty = there is one, which a model that ends at once makes empty."""


@dataclass(frozen=True)
class Reply:
    """A whole reply."""

    choices: tuple[Choice, ...]
    """As many as were asked for."""
    model: str
    """The model as the server names it; empty when it does not."""
    created: str
    """When, by the server's clock, as ISO 8601 in UTC; empty when it does not say."""
    system_fingerprint: str
    """The server's configuration, where it names it."""
    usage: Cost | None
    """Tokens as billed; None when the server gave no numbers that can be."""
    raw: Mapping[str, Any]
    """Everything that was sent, fields unknown to us included."""

    def completion(self, prompt_id: str, prompt: str, model: str) -> Completion:
        """The first text as a row; `model` is what to call who wrote it."""
        choice = self.choices[0]
        finish: Literal["stop", "length", "unknown"] = "unknown"
        if choice.finish_reason in {"stop", "length"}:
            finish = "stop" if choice.finish_reason == "stop" else "length"
        num_tokens = self.usage.completion if self.usage and len(self.choices) == 1 else None
        return Completion(
            prompt_id=prompt_id,
            model=model,
            prompt=prompt,
            text=choice.text,
            finish=finish,
            num_tokens=num_tokens,
            unanswered=choice.absent or None,
        )


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant)


def parsed(body: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        NotAReply: it is none; an HTML page is called by its title.
    """
    try:
        value = _STRICT.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotAReply(f"{described(body, content_type)} instead of JSON") from error
    if not isinstance(value, dict):
        raise NotAReply(f"the JSON {show(value)} instead of an object")
    return value


def described(body: bytes, content_type: str) -> str:
    """A body that is no JSON, in a few words."""
    text = body.decode("utf-8", "replace").strip()
    if "html" in content_type.lower() or text[:100].lower().startswith(("<!doctype html", "<html")):
        title = _TITLE.search(text)
        return f"an HTML page ({' '.join(title[1].split())})" if title else "an HTML page"
    return f"{show(text)} ({content_type or 'no content type'})" if text else "an empty body"


def read_reply(raw: Mapping[str, Any], num_choices: int) -> Reply:
    """Read a reply of /chat/completions or /completions.

    Raises:
        NotAReply: it holds no choices, too few, or one that was cut off.
    """
    found = raw.get("choices")
    if not isinstance(found, list) or not found:
        problem = show(raw["error"]) if raw.get("error") else "no choices"
        raise NotAReply(f"a reply with {problem}")
    if len(found) != num_choices:
        raise NotAReply(f"{len(found)} choices where {num_choices} were asked for")
    choices = tuple(_choice(choice) for choice in (_in_order(found) if len(found) > 1 else found))
    return Reply(
        choices=choices,
        model=_text(raw.get("model")),
        created=_moment(raw.get("created")),
        system_fingerprint=_text(raw.get("system_fingerprint")),
        usage=_usage(raw.get("usage"), choices),
        raw=raw,
    )


def _in_order(choices: list[Any]) -> list[Any]:
    numbered = [(c.get("index", i) if isinstance(c, dict) else i, c) for i, c in enumerate(choices)]
    if all(isinstance(number, int) for number, _ in numbered):
        numbered.sort(key=lambda pair: pair[0])
    return [choice for _, choice in numbered]


def _choice(found: object) -> Choice:
    if not isinstance(found, dict):
        raise NotAReply(f"the choice {show(found)}")
    reason = found.get("finish_reason")
    if not isinstance(reason, str) or not reason:
        raise NotAReply("a choice without finish_reason: it was cut off")
    message = found.get("message")
    text = message.get("content") if isinstance(message, dict) else found.get("text")
    absent = ""
    if not text and reason == "content_filter":
        text, absent = "", "the server withheld the text: content_filter"
    elif text is None and isinstance(message, dict):
        text, absent = "", _absence(message, reason)
    if not isinstance(text, str):
        raise NotAReply(f"a choice without text: {show(found)}")
    return Choice(without_lone_surrogates(text), without_lone_surrogates(reason), without_lone_surrogates(absent))


def _absence(message: Mapping[str, Any], reason: str) -> str:
    """Why a message has no content; empty when the model just did not get to it."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return f"refused: {show(refusal)}"
    if message.get("tool_calls") or message.get("function_call"):
        return "the model called a tool instead of answering"
    # A reasoning model that was cut while it thought: it answered, and all that it said was cut.
    return "" if reason == "length" else f"the reply has no content ({reason})"


def _text(value: object) -> str:
    return without_lone_surrogates(value) if isinstance(value, str) else ""


def _moment(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return ""
    try:
        return _utc(int(value))
    except (OverflowError, ValueError, OSError):
        return ""


@lru_cache  # replies come many to the second
def _utc(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _usage(value: object, choices: tuple[Choice, ...]) -> Cost | None:
    if not isinstance(value, dict):
        return None
    prompt, completion = (value.get(f"{kind}_tokens") for kind in ("prompt", "completion"))
    for number in (prompt, completion):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            return None
    assert isinstance(prompt, int)
    assert isinstance(completion, int)
    # A prompt is never free of tokens, nor is a text: such numbers were not counted but filled in.
    if prompt == 0 or (completion == 0 and any(choice.text for choice in choices)):
        return None
    return Cost(prompt, completion)


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of a stream, split at newlines only: JSON may hold U+2028 as it is."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def assembled(lines: Iterable[bytes]) -> dict[str, Any]:
    """The reply that a stream of server-sent events amounts to, in the form of a reply sent at once.

    Raises:
        NotAReply: an event is no JSON or tells an error.
    """
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    num_chunks = 0
    for event in _events(lines):
        if event.strip() == b"[DONE]":
            break
        chunk = parsed(event, "an event of a stream")
        if chunk.get("error"):
            raise NotAReply(f"a stream with {show(chunk['error'])}")
        num_chunks += 1
        whole |= {key: value for key, value in chunk.items() if key != "choices" and value is not None}
        for part in chunk.get("choices") or []:
            if not isinstance(part, dict) or not isinstance(part.get("index", 0), int):
                raise NotAReply(f"the piece {show(part)} in a stream")
            _join(choices.setdefault(part.get("index", 0), {}), part)
    if not num_chunks:
        raise NotAReply("a stream without events")
    whole["choices"] = [choices[number] for number in sorted(choices)]
    return {**whole, "streamed_chunks": num_chunks}


def _events(lines: Iterable[bytes]) -> Iterator[bytes]:
    data: list[bytes] = []
    for line in lines:
        line = line.rstrip(b"\r")
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


def _join(choice: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add a piece: texts and lists grow, anything else is replaced."""
    for key, value in part.items():
        name = "message" if key == "delta" else key
        have = choice.get(name)
        if isinstance(value, dict):
            if not isinstance(have, dict):
                have = choice[name] = {}
            _join(have, value)
        elif name in {"content", "text", "refusal", "reasoning_content"} and isinstance(value, str):
            choice[name] = (have or "") + value
        elif isinstance(value, list) and isinstance(have, list):
            have.extend(value)
        elif value is not None or name not in choice:
            choice[name] = value
