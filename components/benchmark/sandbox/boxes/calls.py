"""A program as its tests see it: a function whose work is done in another box; and the tests themselves."""

from __future__ import annotations

import builtins
import contextlib
import functools
import itertools
import os
import socket
import types
from typing import Any

from components.benchmark.sandbox.boxes.plain_values import DoesNotCross, Line, Malformed, Packer, copy_back, unpack

Result = dict[str, Any]


class ProgramFailed(BaseException):
    """The program does not keep to the rules: no test may go on, and none can make it undone."""


class ProgramEnded(ProgramFailed):
    """The program's process is gone."""


class ProgramRaised(Exception):
    """An exception of the program that Python does not know."""


class ItemBroken(BaseException):
    """The item's own code fails before the program is called: it says nothing about the program."""


def tested(connection: socket.socket, job: dict[str, Any]) -> Result:
    """The verdict on one program."""
    calls = Calls(connection, job["entry_point"])
    try:
        calls.load(job["source"])
        check(calls, job)
    except ItemBroken as error:
        return {"passed": None, "detail": str(error)}
    except BaseException as error:
        calls.failure = calls.failure or error
    if calls.unsupported:
        return {"passed": None, "detail": f"the tests hand the program {calls.unsupported}, which cannot cross"}
    if calls.failure is None:
        return {"passed": True, "detail": "passed"}
    ended_early = isinstance(calls.failure, ProgramEnded)
    return {"passed": False, "detail": calls.described(), "ended_early": ended_early}


class Calls:
    """The program as its tests see it: a function whose work is done elsewhere.

    Args:
        connection: To the program's process.
        entry_point: Its name.
    """

    def __init__(self, connection: socket.socket, entry_point: str) -> None:
        self._line = Line(connection)
        self._numbers = itertools.count()
        self.failure: BaseException | None = None
        """Why the program has failed, whatever the tests make of it."""
        self.unsupported = ""
        """What cannot be handed to the program."""
        self.begun = False

        def candidate(*arguments: Any, **named: Any) -> Any:
            return self._call(arguments, named)

        candidate.__name__ = candidate.__qualname__ = entry_point
        self.candidate = candidate

    def load(self, source: str) -> None:
        """Send the source.

        Raises:
            ProgramFailed: it cannot be loaded.
        """
        answer = self._exchange([source, self.candidate.__name__])
        if answer != ["loaded"]:
            names, message = answer[1:] if len(answer) == 3 else ([], "")
            raise self._failed(f"does not load: {_named(names)}{': ' + str(message) if message else ''}"[:300])

    def described(self) -> str:
        """The failure in words."""
        if isinstance(self.failure, ProgramFailed):
            return str(self.failure)
        message = " ".join(str(self.failure).split())
        return f"{type(self.failure).__name__}{': ' + message if message else ''}"[:300]

    def _call(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self.failure is not None:
            raise self.failure
        self.begun = True
        given = (list(arguments), named)
        try:
            packed = Packer(others=False).pack(given)
        except DoesNotCross as error:
            self.unsupported = str(error)
            raise self._failed("was not called") from None
        # Not guessable: an answer cannot be sent before its question.
        number = f"{next(self._numbers)}.{os.urandom(8).hex()}"
        answer = self._exchange([number, packed])
        if len(answer) < 4 or answer[0] != number or answer[1] not in ("value", "raised"):
            raise self._failed("answered a call that was not made")
        try:
            if answer[-1] is not None:
                copy_back(given, unpack(answer[-1]))
            if answer[1] == "value":
                return unpack(answer[2])
        except Malformed:
            raise self._failed("answered what cannot be read") from None
        raise _raised(answer[2], answer[3])

    def _exchange(self, message: Any) -> list[Any]:
        try:
            self._line.send(message)
            answer = self._line.receive()
        except (OSError, EOFError):
            self.failure = ProgramEnded("ended before its tests did")
            raise self.failure from None
        except (Malformed, DoesNotCross) as error:
            raise self._failed(f"answered what cannot be read ({error})") from None
        if not isinstance(answer, list):
            raise self._failed("answered what cannot be read")
        return answer

    def _failed(self, why: str) -> ProgramFailed:
        self.failure = ProgramFailed(why)
        return self.failure


def _named(names: Any) -> str:
    return str(names[0])[:100] if isinstance(names, list) and names else "Exception"


def _raised(names: Any, message: Any) -> BaseException:
    """The exception that the program raised, as the nearest class that Python has too."""
    for name in names if isinstance(names, list) else ():
        kind = getattr(builtins, str(name), None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            if _named(names) != name and kind in (Exception, BaseException):
                break
            with contextlib.suppress(Exception):
                return kind(str(message)[:500])
    return ProgramRaised(f"{_named(names)}: {str(message)[:500]}")


def check(calls: Calls, job: dict[str, Any]) -> None:
    """Run an item's tests: a function `check(candidate)`, or statements that call the entry point.

    Raises:
        ItemBroken: the item's own code fails before the program is called.
        BaseException: whatever a test raises.
    """
    space: dict[str, Any] = {"__name__": "tests"}
    name = job["entry_point"]
    try:
        exec(compiled_head(job["head"], name), space)
        space[name] = calls.candidate
        if name != "check":
            space.pop("check", None)
        exec(compiled_tests(job["tests"]), space)
        if name != "check" and callable(space.get("check")):
            space["check"](calls.candidate)
    except BaseException as error:
        if not calls.begun:
            raise ItemBroken(f"the item's own code fails: {type(error).__name__}: {error}"[:300]) from None
        raise
    if not calls.begun:
        raise ItemBroken("the item's tests never call the program")


@functools.lru_cache(1000)
def compiled_tests(tests: str) -> types.CodeType:
    """The code of an item's tests, the same for every program."""
    return compile(tests, "<tests>", "exec")


@functools.lru_cache(1000)
def compiled_head(head: str, entry_point: str) -> types.CodeType:
    """The code of a head where it stands alone; else of what comes before the function it leaves open."""
    try:
        return compile(head, "<head>", "exec")
    except SyntaxError:
        lines = head.split("\n")
        opened = [at for at, line in enumerate(lines) if line.startswith((f"def {entry_point}", "class ", "@"))]
        return compile("\n".join(lines[: opened[-1]]) if opened else "", "<head>", "exec")
