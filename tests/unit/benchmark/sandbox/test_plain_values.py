"""Values cross between the boxes as they are in one process, and nothing else crosses."""

from __future__ import annotations

import collections
import decimal
import enum
import fractions
import json
import math
import socket
from typing import Any, NamedTuple

import pytest

from components.benchmark.sandbox.boxes.plain_values import (
    MAX_MESSAGE_BYTES,
    DoesNotCross,
    Line,
    Malformed,
    Other,
    Packer,
    copy_back,
    unpack,
)


def crossed(value: Any, *, others: bool = True) -> Any:
    return unpack(json.loads(json.dumps(Packer(others=others).pack(value))))


PLAIN = [
    None,
    True,
    False,
    0,
    -1,
    2**60,
    -(2**60),
    2**5000,
    0.1,
    -0.0,
    1e308,
    5e-324,
    math.inf,
    -math.inf,
    1 + 2j,
    complex(0.1, -0.0),
    "",
    "é\0\ud800\U0001f600",
    b"",
    b"\xff\0",
    bytearray(b"ab"),
    [],
    [[1], [2, [3.5]]],
    (),
    (1, (2,)),
    set(),
    {1, "a", (2, 3)},
    frozenset({1}),
    {},
    {"a": [1], 2: {3: 4}, (1, 2): None, 1.5: "x"},
    decimal.Decimal("1.10"),
    decimal.Decimal("-Infinity"),
    fractions.Fraction(-2, 3),
    range(3),
    range(10, 0, -3),
]


@pytest.mark.parametrize("value", PLAIN, ids=range(len(PLAIN)))
def test_plain_data_arrives_as_it_was(value: Any) -> None:
    arrived = crossed(value, others=False)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value)


def test_nan_arrives() -> None:
    assert math.isnan(crossed(math.nan))


def test_a_dict_keeps_its_order() -> None:
    assert list(crossed({"b": 1, "a": 2})) == ["b", "a"]


class Point(NamedTuple):
    x: int


class Colour(enum.IntEnum):
    RED = 1


class Lie(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (Point(1), (1,)),
        (Colour.RED, 1),
    ],
)
def test_a_subclass_arrives_as_its_base(value: Any, base: Any) -> None:
    assert crossed(value) == base
    assert type(crossed(value)) is type(base)


def test_a_string_that_lies_about_itself_arrives_as_what_it_holds() -> None:
    assert crossed(Lie("a")) != "b"


def test_whatever_else_equals_nothing_and_stays_true_or_false() -> None:
    arrived = crossed(iter([1, 2]))
    assert isinstance(arrived, Other)
    assert arrived != arrived  # itself included
    assert arrived != [1, 2]
    assert list(arrived) == [1, 2]
    assert bool(arrived)
    assert not crossed(collections.deque())
    with pytest.raises(TypeError, match="not iterable"):
        list(crossed(object()))


def test_whatever_else_is_refused_where_tests_send() -> None:
    with pytest.raises(DoesNotCross, match="a deque"):
        crossed(collections.deque(), others=False)


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.slow
@pytest.mark.parametrize("value", [deep(500), [0] * 500_000, ["x", *[[]] * 400_000]], ids=["deep", "long", "many"])
def test_too_much_is_refused(value: Any) -> None:
    with pytest.raises(DoesNotCross, match="too"):
        crossed(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "[]",
        "[1]",
        "[null]",
        '["?"]',
        '["i"]',
        '["i", 5]',
        '["i", "5", "6"]',
        '["f", "one"]',
        '["b", "xyz"]',
        '["d", 1]',
        '["d", ["l"], 1]',
        '["s", ["l"]]',
        '["F", "0x1", "0x0"]',
        '["r", "0x0", "0x1", "0x0"]',
        '["o"]',
        '["o", "name", true, 5]',
        '["D", "1.1.1"]',
        '["l", ["x"]]',
        '[["l"]]',
    ],
)
def test_a_message_that_cannot_have_been_written_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        unpack(json.loads(text))


@pytest.mark.parametrize(
    "data",
    [
        (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"),
        b"\0\0\0\x03NaN",
        b"\0\0\0\x02\xc3\xa9",
        b"\0\0\0\x01[",
        (100_000).to_bytes(4, "big") + b"[" * 100_000,
    ],
    ids=["too long", "a constant", "no ASCII", "cut", "deep"],
)
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        with pytest.raises(Malformed):
            Line(ours).receive()


def test_a_message_that_breaks_off_is_an_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Line(theirs).send([1, "a"])
        theirs.sendall(b"\0\0\0\x05[1")
        theirs.close()
        line = Line(ours)
        assert line.receive() == [1, "a"]
        with pytest.raises(EOFError):
            line.receive()


def test_changes_are_made_in_the_very_objects() -> None:
    row, table = [1, 2], {"k": {1}}
    held = bytearray(b"a")
    outer = [row, table, (held, 5)]
    copy_back(outer, [[9], {"k": {2}, "n": 0}, (bytearray(b"bc"), 5), 7])
    assert (row, table, held) == ([9], {"k": {2}, "n": 0}, bytearray(b"bc"))
    assert outer == [row, table, (held, 5), 7]
    assert outer[0] is row


def test_a_subclass_is_changed_in_place_too() -> None:
    counts = collections.defaultdict(int, a=1)
    copy_back([counts], [{"a": 2}])
    assert counts == {"a": 2}
    assert counts["b"] == 0
