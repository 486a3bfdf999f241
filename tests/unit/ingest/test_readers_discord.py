"""Discord exports: each reply of the target with the message it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.ingest.reading import discord
from components.ingest.reading.readers import read_dump
from components.ingest.reading.sources import DumpSource


def _message(number: int, author: str, content: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "type": "Default",
        "timestamp": "2023-03-01T12:00:00+00:00",
        "content": content,
        "author": {"id": "9", "name": author, "isBot": author.endswith("bot")},
        "attachments": [],
        **more,
    }


def _to(number: int) -> dict[str, Any]:
    return {"type": "Reply", "reference": {"messageId": str(number), "channelId": "1"}}


def _export(folder: Path, messages: list[dict[str, Any]], *, indent: int | None = 1) -> Path:
    path = folder / "channel.json"
    about = {"guild": {"id": "1", "name": "G"}, "channel": {"id": "2", "name": "chat"}, "dateRange": {"after": None}}
    path.write_text(json.dumps({**about, "messages": messages, "messageCount": len(messages)}, indent=indent))
    return path


def _read(path: Path, self_author: str = "") -> list[tuple[str, ...]]:
    rows = read_dump(path, DumpSource(target="t", self_author=self_author))
    return [
        (row.id, *(turn.text for turn in row.turns)) if isinstance(row, Dialogue) else (row.id, row.reason)
        for row in rows
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_reply_is_paired_with_the_message_it_refers_to_or_else_the_nearest_before(
    tmp_path: Path, indent: int | None
) -> None:
    messages = [
        _message(1, "ann", "first?"),
        _message(2, "ben", "second?"),
        _message(3, "gptbot", "to the first", **_to(1)),
        _message(4, "gptbot", "to the nearest"),
        _message(5, "cat", "nobody answers"),
        _message(6, "ann", "third?"),
        _message(7, "gptbot", "to the third"),
    ]
    assert _read(_export(tmp_path, messages, indent=indent)) == [
        ("3", "first?", "to the first\nto the nearest"),
        ("7", "third?", "to the third"),
    ]


def test_parts_of_a_long_reply_are_one_reply_and_replies_to_others_are_not(tmp_path: Path) -> None:
    messages = [
        _message(1, "ann", "one?"),
        _message(2, "ben", "two?"),
        _message(3, "gptbot", "A1", **_to(1)),
        _message(4, "gptbot", "A2", **_to(1)),
        _message(5, "gptbot", "B", **_to(2)),
        _message(6, "musicbot", "now playing"),
    ]
    rows = [("3", "one?", "A1\nA2"), ("5", "two?", "B"), ("6", "two?", "now playing")]
    assert _read(_export(tmp_path, messages)) == rows
    assert _read(_export(tmp_path, messages), self_author="gptbot")[:2] == rows[:2]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([_message(1, "gptbot", "hello all")], ("1", "no_query")),
        ([_message(1, "ann", "q"), _message(2, "gptbot", "r", **_to(77))], ("2", "no_query")),
        ([_message(1, "ann", "q"), _message(2, "gptbot", "r", type="ChatInputCommand")], ("2", "no_query")),
        ([_message(1, "ann", ""), _message(2, "gptbot", "nice picture", **_to(1))], ("2", "empty")),
        ([_message(1, "ann", "draw a cat"), _message(2, "gptbot", "", embeds=[{}])], ("2", "empty")),
        ([_message(1, "ann", "Joined the server.", type="GuildMemberJoin"), _message(2, "gptbot", "r")],
         ("2", "no_query")),
        ([_message(1, "ann", "q"), {"id": "2", "author": {"isBot": True}, "content": None}], ("2", "empty")),
    ],
)  # fmt: skip
def test_replies_without_query_or_text_are_set_aside(
    tmp_path: Path, messages: list[dict[str, Any]], expected: tuple[str, str]
) -> None:
    rows = list(read_dump(_export(tmp_path, messages), DumpSource()))
    assert [(row.id, row.reason) for row in rows if isinstance(row, Removal)] == [expected]
    assert len(rows) == 1
    assert f"channel.json, item {len(messages)} (line " in rows[0].detail


def test_the_authors_name_says_whose_messages_are_replies(tmp_path: Path) -> None:
    messages = [_message(1, "ann", "q?"), _message(2, "me", "my own model's reply"), _message(3, "modbot", "be nice")]
    assert _read(_export(tmp_path, messages), self_author="me") == [("2", "q?", "my own model's reply")]


def test_an_export_without_replies_names_the_authors(tmp_path: Path) -> None:
    path = _export(tmp_path, [_message(1, "ann", "q?"), _message(2, "ben", "a")])
    with pytest.raises(TouchstoneError, match=r"no message is by a bot; authors are ann, ben"):
        _read(path)
    with pytest.raises(TouchstoneError, match=r"no message is by ana"):
        _read(path, self_author="ana")


def test_references_reach_as_far_back_as_the_stated_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord, "WINDOW_MESSAGES", 3)
    people = [_message(n, "ann", f"question {n}") for n in range(1, 6)]
    replies = [_message(6, "gptbot", "to 3", **_to(3)), _message(7, "gptbot", "to 2", **_to(2))]
    assert _read(_export(tmp_path, people + replies)) == [("6", "question 3", "to 3"), ("7", "no_query")]


def test_an_export_that_was_cut_off_keeps_what_was_whole(tmp_path: Path) -> None:
    messages = [
        _message(1, "ann", "q?"),
        _message(2, "gptbot", "r"),
        _message(3, "ann", "cut"),
        _message(4, "gptbot", "x"),
    ]
    path = _export(tmp_path, messages)
    path.write_text(path.read_text().partition('"content": "x"')[0])
    assert _read(path)[0] == ("2", "q?", "r")
    assert [row[1] for row in _read(path)[1:]] == ["damaged"]
