"""What can come back instead of a reply, and what that means for the next try and for the budget."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping

from components.contracts.errors import TouchstoneError

NOT_STARTED = frozenset({409, 429, 503, 529})
"""Statuses by which a server says that it did not begin; after any other failure the work may be done, and billed."""


class NotAReply(Exception):
    """Something came back that is no reply; the message says what."""


class TryAgain(Exception):
    """An attempt failed in a way that another may mend."""

    def __init__(self, message: str, *, lost: bool, throttled: bool = False, wait_seconds: float | None = None) -> None:
        """Say what happened.

        Args:
            message: For the user.
            lost: Whether the server may have done, and billed, the work.
            throttled: Whether the server said that there are too many requests.
            wait_seconds: How long it wants to be left alone, when it says so.
        """
        super().__init__(message)
        self.lost = lost
        self.throttled = throttled
        self.wait_seconds = wait_seconds


class Refused(Exception):
    """The server will not answer this request, however often it is sent."""


def of_status(
    status: int, message: str, *, code: str | None, headers: Mapping[str, str], now: float, where: str
) -> TryAgain | Refused | TouchstoneError:
    """What a 4xx or 5xx means, to be raised by the caller.

    Args:
        status: HTTP status.
        message: The server's words.
        code: The server's own code of the error, where it has one.
        headers: Of the answer.
        now: Seconds since 1970.
        where: How the user knows the server.
    """
    told = f"{where}: {status}, {message}"
    if status in {401, 403}:
        return TouchstoneError(
            told,
            expected="a key that this server accepts",
            remedy="set TOUCHSTONE_API_KEY (for api.openai.com OPENAI_API_KEY will do) and run the same command again",
        )
    if status == 402 or (status == 429 and code == "insufficient_quota"):
        return TouchstoneError(
            told, expected="credit at the provider", remedy="add credit and run the same command again: it continues"
        )
    if status == 404:
        return TouchstoneError(
            told,
            expected="an address that ends in its version (.../v1), and a model that the server has",
            remedy=f"compare with the list that {where}/models gives",
        )
    if 400 <= status < 500 and status not in {408, 409, 429}:
        return Refused(f"{status}, {message}")
    if status < 400:
        return Refused(f"{status}, a redirection that leads nowhere")
    return TryAgain(
        f"{status}, {message}",
        lost=status not in NOT_STARTED,
        throttled=status == 429,
        wait_seconds=wait_wanted(headers, now),
    )


def wait_wanted(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds a server asks to wait: retry-after-ms, or Retry-After in seconds or as a date; None without either."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - now)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
