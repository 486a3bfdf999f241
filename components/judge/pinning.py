"""Which judge it was, so that another person can ask the same one: a dated model, a named revision, or weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.manifest import Manifest

SHOWN_CHARS = 12
Where = Literal["server", "checkpoint"]
_LONG_DATE = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?!\d)")
_SHORT_DATE = re.compile(r"(?<!\d)(\d\d)(\d\d)(?!\d)")
_NUMBERED = re.compile(r"-00[1-9]$")
_REVISION = re.compile(r"(sha256:)?[0-9a-f]{7,64}")


class Pin(NamedTuple):
    """A judge, and what ties its name to one model."""

    name: str
    """In every row."""
    by: Literal["dated name", "revision", "checkpoint", "nothing"]
    """nothing = replies of unknown origin: replayed, or of no model at all."""
    what: str
    """The date-bearing name, the revision or the checkpoint's digest; empty = nothing."""


def is_dated(model: str) -> bool:
    """Whether a model's name says which version it is.

    Vendors write 2024-08-06, 20241022, month and day (0613), year and month (2411), or a number of three digits (-002).
    A name with `latest` in it is an alias whatever else it holds.
    """
    if "latest" in model.lower():
        return False
    if _NUMBERED.search(model):
        return True
    if any(_is_day(int(month), int(day)) for _, month, day in _LONG_DATE.findall(model)):
        return True
    pairs = [(int(a), int(b)) for a, b in _SHORT_DATE.findall(model)]
    return any(_is_day(a, b) or (22 <= a <= 39 and 1 <= b <= 12) for a, b in pairs)


def check_pinned(judge: str, revision: str, where: Where) -> None:
    """Refuse a judge that may be another model tomorrow, before anything is paid.

    Raises:
        UsageError: a server's model without date or revision, or a revision that is none.
    """
    if revision and not _REVISION.fullmatch(revision):
        raise UsageError(
            f"the revision {revision} is no commit and no sha256",
            expected="7 to 64 hexadecimal digits: the commit of the weights, or their sha256",
            remedy="--revision COMMIT",
        )
    if where == "checkpoint" or revision:
        return
    if not judge:
        raise UsageError(
            "no judge is named", expected="the model's name on the server, with its date", remedy="--model NAME"
        )
    if not is_dated(judge):
        raise UsageError(
            f"the judge {judge} names no version: whoever serves it may put another model behind that name at any time",
            expected="a dated model, such as gpt-4o-2024-08-06",
            remedy="--model with the dated name; where you serve the weights yourself, --revision with their commit",
        )


def pin_of(judge: str, revision: str, where: Where, replies: Manifest) -> Pin:
    """The judge that wrote `replies`, by what their manifest says of their making.

    Raises:
        TouchstoneError: they were written by another judge than was declared.
    """
    backend = replies.params.get("backend")
    if where == "checkpoint":
        if backend in {"api", "vllm"}:
            raise _another("a server answered", "replies of a checkpoint, by backend hf")
        digest = replies.parents.get("checkpoint", "") if backend == "hf" else ""
        name = judge or "checkpoint"
        return Pin(f"{name}@{digest[:SHOWN_CHARS]}", "checkpoint", digest) if digest else _declared(name, revision)
    if backend == "hf":
        raise _another("a checkpoint answered", f"replies of {judge} behind a server")
    api = replies.params.get("api")
    asked = str(api.get("model", "")) if backend in {"api", "vllm"} and isinstance(api, Mapping) else ""
    if asked and asked != judge:
        raise _another(f"the server was asked for {asked}", f"replies of {judge}")
    if asked and not revision:
        return Pin(judge, "dated name", judge)
    return _declared(judge, revision) if not asked else Pin(_revised(judge, revision), "revision", revision)


def warnings_of(pin: Pin, replies: Manifest) -> list[str]:
    """What the server said of itself that does not fit one pinned judge."""
    found = []
    reported = replies.notes.get("models_reported")
    names = sorted(map(str, reported)) if isinstance(reported, Mapping) else []
    if len(names) > 1:
        found.append(f"the server answered as {len(names)} models: {', '.join(names)}")
    elif names and pin.by == "dated name" and names[0] != pin.what:
        found.append(f"{pin.what} was asked for, and the server says that {names[0]} answered")
    if pin.by == "nothing":
        found.append(f"nothing ties {pin.name} to one model: its replies are replayed, or no model's")
    return found


def _declared(name: str, revision: str) -> Pin:
    return Pin(_revised(name, revision), "revision", revision) if revision else Pin(name, "nothing", "")


def _revised(name: str, revision: str) -> str:
    return f"{name}@{revision.removeprefix('sha256:')[:SHOWN_CHARS]}"


def _another(found: str, expected: str) -> TouchstoneError:
    return TouchstoneError(
        f"these replies are not the declared judge's: {found}",
        expected=expected,
        remedy="give the judge's own replies, or declare the judge that wrote them",
    )


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31
