"""The shapes in which people keep conversations with a model, told apart by their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from components.contracts import files

Record = Mapping[str, object]

# Role names seen in dumps. Search-engine bots ("bing", "bard") are other targets and stay unknown on purpose.
SPEAKERS = {
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


class MalformedRecord(Exception):
    """A record that has a format's keys but not its content. Becomes a removal, never an abort."""


class RawTurn(NamedTuple):
    """A turn as the dump has it."""

    role: str
    text: str


class RawDialogue(NamedTuple):
    """A conversation as the dump has it, roles not yet understood."""

    turns: list[RawTurn]
    suffix: str = ""


class Format(NamedTuple):
    """One shape of record."""

    name: str
    example: str
    matches: Callable[[Record], bool]
    read: Callable[[Record], list[RawDialogue]]


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


def _turn_list(key: str, role_key: str, text_key: str) -> Callable[[Record], list[RawDialogue]]:
    def read(record: Record) -> list[RawDialogue]:
        turns = record[key]
        assert isinstance(turns, list)
        found = []
        for number, turn in enumerate(turns, 1):
            if not isinstance(turn, Mapping) or not isinstance(turn.get(role_key), str):
                raise MalformedRecord(f"turn {number} has no {role_key}")
            found.append(RawTurn(str(turn[role_key]), _text(turn.get(text_key), f"{text_key} of turn {number}")))
        return [RawDialogue(found)]

    return read


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


# In order: the first that matches reads the record. HC3 stands before the pairs, whose keys it may carry as well.
FORMATS: tuple[Format, ...] = (
    Format(
        "ShareGPT",
        "conversations: [{from, value}]",
        lambda record: _is_list(record, "conversations"),
        _turn_list("conversations", "from", "value"),
    ),
    Format(
        "OpenAI chat",
        "messages: [{role, content}]",
        lambda record: _is_list(record, "messages"),
        _turn_list("messages", "role", "content"),
    ),
    Format(
        "Touchstone dialogues",
        "turns: [{speaker, text}]",
        lambda record: _is_list(record, "turns"),
        _turn_list("turns", "speaker", "text"),
    ),
    Format("HC3", "question chatgpt_answers", lambda record: _is_list(record, "chatgpt_answers"), _read_hc3),
    _pair("instruction", "output", "input"),
    _pair("instruction", "response", "context"),
    _pair("user_query", "chatgpt_response"),
    _pair("query", "response"),
    _pair("prompt", "completion"),
    _pair("prompt", "response"),
    _pair("question", "answer"),
)


def find_format(record: Record) -> Format | None:
    """The first format whose keys the record has."""
    return next((shape for shape in FORMATS if shape.matches(record)), None)


def accepted_formats() -> str:
    """One line for error messages."""
    return "; ".join(f"{shape.name} ({shape.example})" for shape in FORMATS) + "; a folder of Dialogue rows"
