"""Values that cross between the boxes: plain data as JSON, everything bounded, nothing that could run.

A value is null, true, false, a small whole number, a finite float or a string as JSON has them; anything else is a list
that begins with a tag: i = whole number in hex, f = nan or infinity, c = complex, b = bytes, B = bytearray, l = list,
t = tuple, s = set, z = frozenset, d = dict as key, value, key, value, D = Decimal, F = Fraction, r = range,
o = whatever else. Subclasses cross as their base: what a program says about its values counts nowhere.
"""

from __future__ import annotations

import importlib
import itertools
import json
import math
import socket
import sys
from typing import Any

MAX_DEPTH = 60
MAX_VALUES = 400_000
"""Values inside one message."""
MAX_ITEMS_OF_OTHERS = 10_000
"""How far an iterator or an object of a class of its own is followed."""
MAX_MESSAGE_BYTES = 8 << 20
SMALL = 1 << 60


class DoesNotCross(Exception):
    """A value that is no plain data, too deep or too large."""


class Malformed(Exception):
    """A message that this module cannot have written."""


class Other:
    """What a program returned when it is no plain data: equal to nothing, true or false as it was, perhaps iterable."""

    def __init__(self, type_name: str, truth: bool, items: list[Any] | None) -> None:
        """Stand for a value of a type called `type_name`."""
        self.type_name = type_name
        self._truth = truth
        self._items = items

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return self._truth

    def __iter__(self) -> Any:
        if self._items is None:
            raise TypeError(f"{self.type_name!r} object is not iterable")
        return iter(self._items)

    def __repr__(self) -> str:
        return f"<{self.type_name}>"


class Packer:
    """Makes JSON values of Python's.

    Args:
        others: Whether values that are no plain data may stand as `Other`.
    """

    def __init__(self, *, others: bool) -> None:
        self._others = others
        self._left = MAX_VALUES

    def pack(self, value: Any, depth: int = 0) -> Any:
        """The JSON value.

        Raises:
            DoesNotCross: no plain data and `others` is false; or too deep, too many.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int and -SMALL < value < SMALL:
            return value
        if kind is float and math.isfinite(value):
            return value
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise DoesNotCross("a value that is too deep or too large")
        for base in kind.__mro__:
            tag = _TAGS.get(base) or _imported(base)
            if tag:
                return self._tagged(tag, value, depth + 1)
        return self._other(value, depth + 1)

    def _tagged(self, tag: str, value: Any, depth: int) -> Any:
        if tag in "ltsz":
            return [tag, *self._all(_BASES[tag].__iter__(value), depth)]
        if tag == "d":
            return [tag, *self._all(itertools.chain.from_iterable(dict.items(value)), depth)]
        if tag == "str":
            return str.__str__(value)
        if tag == "i":
            return [tag, hex(int.__int__(value))]
        if tag == "f":
            return [tag, float.__repr__(value)]
        if tag == "c":
            return [tag, float.__repr__(value.real), float.__repr__(value.imag)]
        if tag in "bB":
            return [tag, bytes(value).hex()]
        if tag == "D":
            return [tag, str(value)]
        if tag == "F":
            return [tag, hex(value.numerator), hex(value.denominator)]
        return [tag, hex(value.start), hex(value.stop), hex(value.step)]

    def _all(self, values: Any, depth: int) -> list[Any]:
        packed = []
        for value in values:
            self._left -= 1
            if self._left < 0:
                raise DoesNotCross("a value that is too large")
            packed.append(self.pack(value, depth))
        return packed

    def _other(self, value: Any, depth: int) -> Any:
        name = str(getattr(type(value), "__name__", "object"))[:100]
        if not self._others:
            raise DoesNotCross(f"a {name}")
        try:
            truth = bool(value)
        except Exception:
            truth = True
        try:
            items = list(itertools.islice(iter(value), MAX_ITEMS_OF_OTHERS + 1))
        except Exception:
            return ["o", name, truth]
        if len(items) > MAX_ITEMS_OF_OTHERS:
            return ["o", name, truth]
        return ["o", name, truth, self._all(items, depth)]


_BASES: dict[str, Any] = {"l": list, "t": tuple, "s": set, "z": frozenset}
_TAGS: dict[type, str] = {
    **{kind: tag for tag, kind in _BASES.items()},
    **{dict: "d", str: "str", int: "i", float: "f", complex: "c", bytes: "b", bytearray: "B"},
    range: "r",
}


def _imported(kind: type) -> str:
    """The tag of a type that is only there when its module is: a module read for its own sake slows every fork."""
    for module, name, tag in (("decimal", "Decimal", "D"), ("fractions", "Fraction", "F")):
        if kind is getattr(sys.modules.get(module), name, None):
            return tag
    return ""


def unpack(packed: Any) -> Any:
    """The Python value of a JSON value; a new one, of Python's own types.

    Raises:
        Malformed: `Packer` cannot have made it.
    """
    try:
        return _unpack(packed)
    except Malformed:
        raise
    except Exception as error:
        raise Malformed(type(error).__name__) from None


def _unpack(packed: Any) -> Any:
    if type(packed) is not list:
        if type(packed) is dict:
            raise Malformed("an object")
        return packed
    tag = packed[0]
    if type(tag) is not str:
        raise Malformed("a list without a tag")
    if tag in _BASES:
        return _BASES[tag]([_unpack(value) for value in packed[1:]])
    if tag == "d":
        return {_unpack(key): _unpack(value) for key, value in zip(packed[1::2], packed[2::2], strict=True)}
    if tag == "o":
        _, name, truth, *items = packed
        return Other(str(name)[:100], truth is True, [_unpack(value) for value in items[0]] if items else None)
    return _SCALARS[tag](*packed[1:])


def _whole(digits: str) -> int:
    # A base that is a power of two: linear in the digits, where base ten would be quadratic.
    return int(digits, 16)


_SCALARS: dict[str, Any] = {
    "i": _whole,
    "f": float,
    "c": lambda real, imaginary: complex(float(real), float(imaginary)),
    "b": bytes.fromhex,
    "B": bytearray.fromhex,
    "D": lambda text: importlib.import_module("decimal").Decimal(text),
    "F": lambda over, under: importlib.import_module("fractions").Fraction(_whole(over), _whole(under)),
    "r": lambda start, stop, step: range(_whole(start), _whole(stop), _whole(step)),
}


def copy_back(old: Any, new: Any) -> None:
    """Make a list, dict, set or bytearray read as `new`, in place, as if the program had changed this very object."""
    if isinstance(old, list) and type(new) is list:
        old[:] = [_kept(old[at] if at < len(old) else None, value) for at, value in enumerate(new)]
    elif isinstance(old, tuple) and type(new) is tuple:
        for before, after in zip(old, new, strict=False):
            copy_back(before, after)
    elif isinstance(old, dict) and type(new) is dict:
        kept = {key: _kept(old.get(key), value) for key, value in new.items()}
        old.clear()
        old.update(kept)
    elif isinstance(old, set) and type(new) is set:
        old.clear()
        old.update(new)
    elif isinstance(old, bytearray) and type(new) is bytearray:
        old[:] = new


def _kept(old: Any, new: Any) -> Any:
    """The member that stays: the old one, where bringing it up to date makes it read as the new one."""
    copy_back(old, new)
    return old if isinstance(old, (list, tuple, dict, set, bytearray)) and old == new else new


def _no_constant(name: str) -> Any:
    raise ValueError(name)


# Made once: json.dumps and json.loads make them anew for every message that is not of their usual kind.
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_DECODE = json.JSONDecoder(parse_constant=_no_constant).decode


class Line:
    """Messages over a connection, each preceded by its length.

    Args:
        connection: A stream; the caller closes it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = b""

    def send(self, message: Any) -> None:
        """Write one message.

        Raises:
            DoesNotCross: it is longer than a message may be.
            OSError: nobody is there.
        """
        data = _ENCODE(message).encode("ascii")
        if len(data) > MAX_MESSAGE_BYTES:
            raise DoesNotCross("a value that is too large")
        self._connection.sendall(len(data).to_bytes(4, "big") + data)

    def receive(self) -> Any:
        """Read one message.

        Raises:
            Malformed: it is too long, or no JSON.
            EOFError: the other side ended.
            OSError: the connection broke.
        """
        length = int.from_bytes(self._exactly(4), "big")
        if length > MAX_MESSAGE_BYTES:
            raise Malformed("a message that is too long")
        try:
            return _DECODE(self._exactly(length).decode("ascii"))
        except (ValueError, RecursionError) as error:
            raise Malformed(type(error).__name__) from None

    def _exactly(self, length: int) -> bytes:
        if len(self._unread) < length:
            parts = bytearray(self._unread)
            while len(parts) < length:
                part = self._connection.recv(1 << 16)
                if not part:
                    raise EOFError
                parts += part
            self._unread = bytes(parts)
        data, self._unread = self._unread[:length], self._unread[length:]
        return data
