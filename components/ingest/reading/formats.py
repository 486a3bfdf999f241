"""The shapes in which people keep conversations with a model, told apart by their keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from components.contracts import files
from components.contracts.rows import Speaker

Record = Mapping[str, object]

# Role names seen in dumps. Search-engine bots ("bing", "bard") are other targets and stay unknown on purpose.
SPEAKERS: Mapping[str, Speaker] = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
}


def speaker_of(role: str) -> Speaker | None:
    """Who speaks, in our words; None for a role nobody knows."""
    return SPEAKERS.get(role) or SPEAKERS.get(role.strip().lower())


class MalformedRecord(Exception):
    """A record that has a format's keys but not its content. Becomes a removal, never an abort."""

    reason = "malformed"


class ToolCall(MalformedRecord):
    """The assistant calls a tool: what it says rests on what no reader of the dialogue sees."""

    reason = "tool_call"


class NoQuery(MalformedRecord):
    """A reply to something that is not in the dump."""

    reason = "no_query"


class RawTurn(NamedTuple):
    """A turn as the dump has it."""

    role: str
    """Who speaks, in the dump's word."""
    text: str
    """What was said."""


class RawDialogue(NamedTuple):
    """A conversation as the dump has it, roles not yet understood."""

    turns: list[RawTurn]
    """In the dump's order."""
    suffix: str = ""
    """Tells several conversations of one record apart."""
    page: bool = False
    """The replies may be HTML, as copied from a web page."""


class Format(NamedTuple):
    """One shape of record."""

    name: str
    example: str
    matches: Callable[[Record], bool]
    read: Callable[[Record], list[RawDialogue]]
    names_target: bool = True
    """False: a field called `model` is a text by it and not its name."""


def _text(value: object, where: str) -> str:
    if isinstance(value, list):
        # NQ keeps a list of accepted answers; OpenAI's newer messages hold a list of typed parts.
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in value]
        strings = [part for part in parts if isinstance(part, str)]
        if strings and len(strings) == len(parts):
            value = "\n".join(strings) if isinstance(value[0], Mapping) else strings[0]
    if not isinstance(value, str):
        raise MalformedRecord(f"{where} is {files.show(value)}, not text")
    return files.without_lone_surrogates(value)


def _is_list(record: Record, key: str) -> bool:
    return isinstance(record.get(key), list)


ROLE_KEYS = ("from", "role", "speaker", "user")
# Markdown first: dumps that have it beside the page's HTML made it from there.
TEXT_KEYS = ("markdown", "value", "text", "content")
TOOL_KEYS = ("tool_calls", "function_call")


def _turn_list(key: str, role_key: str, text_key: str, *, page: bool = False) -> Callable[[Record], list[RawDialogue]]:
    roles = (role_key, *(name for name in ROLE_KEYS if name != role_key))
    texts = (*(name for name in TEXT_KEYS if name != text_key), text_key)

    def read_turn(number: int, turn: object) -> RawTurn:
        role = _first(turn, roles) if isinstance(turn, Mapping) else None
        if not isinstance(turn, Mapping) or not isinstance(role, str):
            raise MalformedRecord(f"turn {number} has no {role_key}")
        if any(turn.get(name) for name in TOOL_KEYS):
            raise ToolCall(f"turn {number} calls a tool")
        return RawTurn(role, _text(_first(turn, texts), f"{text_key} of turn {number}"))

    def read(record: Record) -> list[RawDialogue]:
        turns = record[key]
        assert isinstance(turns, list)
        found = []
        for number, turn in enumerate(turns, 1):
            # Nearly every turn of a large dump is of this shape; the general way takes five times as long.
            if type(turn) is dict and len(turn) == 2:
                role, text = turn.get(role_key), turn.get(text_key)
                if type(role) is str and type(text) is str:
                    found.append(RawTurn(role, files.without_lone_surrogates(text)))
                    continue
            found.append(read_turn(number, turn))
        return [RawDialogue(found, page=page)]

    return read


def _first(turn: Record, keys: tuple[str, ...]) -> object:
    return next((turn[key] for key in keys if turn.get(key) is not None), None)


def _pair(query_key: str, reply_key: str, context_key: str = "") -> Format:
    def read(record: Record) -> list[RawDialogue]:
        query = _text(record[query_key], query_key)
        context = record.get(context_key)
        if isinstance(context, str) and context.strip():
            query = f"{query}\n\n{files.without_lone_surrogates(context)}"
        return [_exchange(query, _text(record[reply_key], reply_key))]

    names = " ".join(filter(None, (query_key, context_key and f"[{context_key}]", reply_key)))
    return Format("pairs", names, lambda record: query_key in record and reply_key in record, read)


def _exchange(query: str, reply: str, suffix: str = "") -> RawDialogue:
    return RawDialogue([RawTurn("user", query), RawTurn("assistant", reply)], suffix)


def _read_hc3(record: Record) -> list[RawDialogue]:
    answers = record["chatgpt_answers"]
    assert isinstance(answers, list)
    query = _text(record.get("question"), "question")
    if not answers:
        return [_exchange(query, "")]
    texts = [_text(answer, "chatgpt_answers") for answer in answers]
    # One dialogue an answer: the study counts 27,000 answers to 24,000 questions.
    return [_exchange(query, text, f"#{n}" if len(texts) > 1 else "") for n, text in enumerate(texts, 1)]


def _read_continuation(record: Record) -> list[RawDialogue]:
    """Two texts for one request, a person's and a model's (Fast-DetectGPT): what they share at the start was given."""
    human, model = _text(record["human"], "human"), _text(record["model"], "model")
    asked = _QUESTION.match(model)
    if asked:
        return [_exchange(asked[1], model[asked.end() :])]
    shared = next(
        (n for n, (a, b) in enumerate(zip(human, model, strict=False)) if a != b), min(len(human), len(model))
    )
    end = max(model.rfind(" ", 0, shared), 0)
    if len(model[:end].split()) < SHARED_WORDS:
        raise NoQuery("the two texts have no opening in common that could be the request")
    return [_exchange(model[:end], model[end:].lstrip())]


_QUESTION = re.compile(r"Question:\s*(.+?)\s+Answer:\s*", re.DOTALL)
SHARED_WORDS = 5


def _listed(name: str, key: str, role_key: str, text_key: str, *, page: bool = False) -> Format:
    example = f"{key}: [{{{role_key}, {text_key}}}]"
    return Format(name, example, lambda record: _is_list(record, key), _turn_list(key, role_key, text_key, page=page))


# In order: the first that matches reads the record. HC3 stands before the pairs, whose keys it may carry as well.
FORMATS: tuple[Format, ...] = (
    _listed("ShareGPT", "conversations", "from", "value", page=True),
    _listed("ShareGPT", "items", "from", "value", page=True),
    _listed("OpenAI chat", "messages", "role", "content"),
    _listed("chat logs", "conversation", "role", "content"),
    _listed("Touchstone dialogues", "turns", "speaker", "text"),
    Format("HC3", "question chatgpt_answers", lambda record: _is_list(record, "chatgpt_answers"), _read_hc3),
    Format(
        "two texts of one opening",
        "human model",
        lambda record: isinstance(record.get("human"), str) and isinstance(record.get("model"), str),
        _read_continuation,
        names_target=False,
    ),
    _pair("instruction", "output", "input"),
    _pair("instruction", "response", "context"),
    _pair("user_query", "chatgpt_response"),
    _pair("query", "response"),
    _pair("prompt", "completion"),
    _pair("prompt", "response"),
    _pair("question", "answer"),
    _pair("user", "bot"),
    _pair("user", "assistant"),
    _pair("user", "chatgpt"),
    _pair("human", "assistant"),
    _pair("human", "bot"),
    _pair("human", "chatgpt"),
    _pair("query", "reply"),
    _pair("message", "reply"),
    _pair("user_message", "bot_message"),
    _pair("user_message", "bot_reply"),
)


def find_format(record: Record) -> Format | None:
    """The first format whose keys the record has."""
    return next((shape for shape in FORMATS if shape.matches(record)), None)


def accepted_formats() -> str:
    """One line for error messages."""
    return "; ".join(f"{shape.name} ({shape.example})" for shape in FORMATS) + "; a DiscordChatExporter JSON"
