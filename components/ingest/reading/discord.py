"""DiscordChatExporter JSON: each reply of the target with the message it answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.ingest.reading.raw_records import Item, RawRecord, Unreadable, shown

WINDOW_MESSAGES = 10_000
"""So many of the last messages of people can be referred to."""
WINDOW_CHARS = 32 << 20
"""Or fewer, when their texts together are longer than this."""

SHOWN_AUTHORS = 8

# What the exporter calls messages that somebody wrote; the others say who joined, pinned or called.
_WRITTEN = frozenset({"", "Default", "Reply", "0", "19"})
_COMMANDS = frozenset({"ChatInputCommand", "ContextMenuCommand", "ApplicationCommand", "20", "23"})


@dataclass
class _Reply:
    """A reply of the target; one of more than 2,000 characters comes as several messages."""

    item: RawRecord
    author: str
    refers_to: str
    is_command: bool
    parts: list[str] = field(default_factory=list)


def exchanges(path: Path, messages: Iterator[Item], self_author: str) -> Iterator[Item]:
    """One record (id, turns) for each reply of the target, in the order of the replies.

    Args:
        path: The export, for messages.
        messages: The export's messages, in its order (oldest first).
        self_author: Name of the author whose messages are replies; empty = every author marked as a bot.

    A reply answers the message it refers to, or, without a reference, the nearest message of a person before it.
    Messages of one author that follow each other without another reference are one reply. A reply whose query is not
    there becomes a removal of reason no_query. Messages that nobody answers are no conversation.

    Raises:
        TouchstoneError: no message is by the target; the error names some of the authors.
    """
    authors: dict[str, None] = {}
    queries = _Queries()
    reply: _Reply | None = None
    for item in messages:
        if isinstance(item, Unreadable):
            if reply is not None:
                yield queries.answered_by(reply)
                reply = None
            yield item
            continue
        message = item.value
        kind = _text(message.get("type"))
        if len(authors) < SHOWN_AUTHORS:
            authors[_author(message)] = None
        if not _is_target(message, self_author):
            if kind in _WRITTEN:
                if reply is not None:
                    yield queries.answered_by(reply)
                    reply = None
                queries.add(message)
            continue
        part = _Reply(item, _author(message), _reference(message), kind in _COMMANDS, [_text(message.get("content"))])
        if reply is not None and _continues(reply, part):
            reply.parts += part.parts
            continue
        if reply is not None:
            yield queries.answered_by(reply)
        reply = part
    if reply is not None:
        yield queries.answered_by(reply)
    elif authors and not queries.num_answered:
        raise TouchstoneError(
            f"{path}: no message is by {self_author or 'a bot'}; authors are {', '.join(authors)}",
            expected="the author whose messages are the target's replies",
            remedy="--self-author NAME, with one of these names",
        )


class _Queries:
    """The last messages of people, by id, in a bounded window."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._chars = 0
        self.num_answered = 0

    def add(self, message: Mapping[str, object]) -> None:
        identity, text = _text(message.get("id")), _text(message.get("content"))
        self._chars += len(text) - len(self._texts.pop(identity, ""))
        self._texts[identity] = text
        while len(self._texts) > WINDOW_MESSAGES or (self._chars > WINDOW_CHARS and len(self._texts) > 1):
            self._chars -= len(self._texts.popitem(last=False)[1])

    def answered_by(self, reply: _Reply) -> Item:
        self.num_answered += 1
        place, raw = reply.item.place, reply.item.raw or ""
        if reply.refers_to:
            query = self._texts.get(reply.refers_to)
            missing = f"it refers to message {reply.refers_to}, which no person wrote in the {WINDOW_MESSAGES:,} before"
        elif reply.is_command:
            query, missing = None, "it answers a command, whose text is not in the export"
        else:
            query = self._texts[next(reversed(self._texts))] if self._texts else None
            missing = "no message of a person stands before it"
        identity = _text(reply.item.value.get("id"))
        if query is None:
            return Unreadable(place, "no_query", missing, shown(raw), identity)
        turns = [{"speaker": "user", "text": query}, {"speaker": "assistant", "text": "\n".join(reply.parts)}]
        return RawRecord(place, {"id": identity, "turns": turns}, raw)


def _continues(reply: _Reply, part: _Reply) -> bool:
    return reply.author == part.author and part.refers_to in {"", reply.refers_to} and not part.is_command


def _is_target(message: Mapping[str, object], self_author: str) -> bool:
    author = message.get("author")
    if self_author:
        return _author(message) == self_author
    return isinstance(author, Mapping) and author.get("isBot") is True


def _author(message: Mapping[str, object]) -> str:
    author = message.get("author")
    return _text(author.get("name")) if isinstance(author, Mapping) else ""


def _reference(message: Mapping[str, object]) -> str:
    reference = message.get("reference")
    return _text(reference.get("messageId")) if isinstance(reference, Mapping) else ""


def _text(value: object) -> str:
    return files.without_lone_surrogates(str(value)) if isinstance(value, str | int) else ""
