"""One attempt at one request: what is sent, what is read of the answer, and what its failure is called."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from components.contracts import environment
from components.contracts.chat_api.ask import Cost, Wording
from components.contracts.chat_api.clock import Clock
from components.contracts.chat_api.connections import CONNECT_SECONDS, Connections, Received
from components.contracts.chat_api.problems import NotAReply, Refused, TryAgain, of_status
from components.contracts.chat_api.reply import assembled, described, lines_of, parsed, read_reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.errors import TouchstoneError
from components.contracts.files import show, without_lone_surrogates

LONGEST_REPLY_BYTES = 64 << 20
LONGEST_PROBLEM_BYTES = 1 << 16
LONGEST_TOLD_CHARS = 1000
PIECE_BYTES = 1 << 16
NEVER_SENT = (ConnectTimeoutError, NewConnectionError, ProxyError)
"""What fails before the request has left, a name that is not known among them."""


class Answer(NamedTuple):
    """What came back."""

    kept: Mapping[str, Any]
    """What the caller keeps of it, in the form of a reply."""
    usage: Cost | None
    """Tokens as billed; None when the server gave no numbers that can be."""


class Wire:
    """A server, as a function from a request to the JSON it answers with."""

    def __init__(self, target: ApiTarget, clock: Clock) -> None:
        """Prepare connections; none is opened yet.

        Raises:
            UsageError: the key, a proxy or an authority in the environment cannot be one.
        """
        self._target = target
        self._clock = clock
        self._key = environment.api_key(target.base_url)
        self._headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "touchstone",
        }
        # Without a key none is invented: the header is left out.
        if self._key:
            self._headers["Authorization"] = f"Bearer {self._key}"
        silence = min(target.idle_seconds, target.timeout_seconds) if target.stream else target.timeout_seconds
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, target.timeout_seconds), read=silence)
        self._connections = Connections(target.base_url, target.concurrency, timeout)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def send(self, wording: Wording) -> Answer:
        """Ask once.

        Raises:
            TryAgain: no reply came, and another attempt may bring one.
            Refused: this request will not be answered.
            TouchstoneError: no request will be answered.
        """
        until = self._clock.monotonic() + self._target.timeout_seconds
        try:
            response = self._post(wording)
            try:
                if not 200 <= response.status < 300:
                    raise self._refusal(response, until)
                raw = self._body(response, until)
            finally:
                response.close()
            usage = read_reply(raw, wording.ask.n).usage
            return Answer(wording.ask.kept(raw), usage)
        except NotAReply as problem:
            raise TryAgain(self._clean(str(problem)), lost=True) from problem
        except HTTPError as error:
            raise self._of_transport(error) from error

    def _post(self, wording: Wording) -> Received:
        body = wording.body
        if self._target.stream:
            body = body[:-1] + b',"stream":true,"stream_options":{"include_usage":true}}'
        return self._connections.post(
            "/chat/completions" if wording.ask.messages else "/completions",
            body,
            # Servers and gateways that know this header answer a repeated request with the reply they have.
            headers=self._headers | {"Idempotency-Key": hashlib.sha256(wording.key.encode()).hexdigest()[:32]},
        )

    def _body(self, response: Received, until: float) -> dict[str, Any]:
        content_type = response.headers.get("content-type", "")
        chunks = self._chunks(response, until)
        # Told by what was sent, not by what was asked for: some servers do not stream, some always do.
        if "event-stream" in content_type:
            return assembled(lines_of(chunks))
        return parsed(b"".join(chunks), content_type)

    def _chunks(self, response: Received, until: float) -> Iterator[bytes]:
        total = 0
        # Whatever has come, at once: waiting for more would pass by the limit on time.
        while chunk := response.read1(PIECE_BYTES):
            total += len(chunk)
            if self._clock.monotonic() > until:
                raise TryAgain(f"no whole reply within {self._target.timeout_seconds:g} s", lost=True)
            if total > LONGEST_REPLY_BYTES:
                raise NotAReply(f"more than {LONGEST_REPLY_BYTES >> 20} MiB")
            yield chunk

    def _refusal(self, response: Received, until: float) -> TryAgain | Refused | TouchstoneError:
        """What a status other than 2xx means."""
        body = b""
        for chunk in self._chunks(response, until):
            body += chunk
            if len(body) > LONGEST_PROBLEM_BYTES:
                break
        message, code = _said(body, response.headers.get("content-type", ""))
        if response.led_to:
            message += f" (asked at {response.led_to}, to which {self._target.base_url} leads)"
        return of_status(
            response.status,
            self._clean(message),
            code=code,
            headers=response.headers,
            now=self._clock.time(),
            where=self._target.base_url,
        )

    def _of_transport(self, error: HTTPError) -> TryAgain | Refused | TouchstoneError:
        """What the transport raises, in our terms."""
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        if isinstance(cause, LocationValueError):
            return Refused(self._clean(f"no address that can be asked: {cause}"))
        if isinstance(cause, SSLError) and (told := _of_encryption(str(cause), self._target.base_url)):
            return told
        return TryAgain(self._clean(_in_words(cause)), lost=not isinstance(cause, NEVER_SENT))

    def _clean(self, text: str) -> str:
        """A server's words as they may stand in a row and on a terminal."""
        # Some servers repeat the key they were shown.
        text = text.replace(self._key, "***") if self._key else text
        text = "".join(sign if sign.isprintable() else " " for sign in without_lone_surrogates(text))
        return text if len(text) <= LONGEST_TOLD_CHARS else f"{text[:LONGEST_TOLD_CHARS]}..."


def _said(body: bytes, content_type: str) -> tuple[str, str | None]:
    """The server's own message, and its code of the error where it has one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return described(body, content_type), None
    error = (found.get("error") or found) if isinstance(found, dict) else found
    if not isinstance(error, dict):
        return error if isinstance(error, str) else show(error), None
    message, code = error.get("message") or error.get("detail") or error, error.get("code")
    return message if isinstance(message, str) else show(message), code if isinstance(code, str) else None


def _of_encryption(problem: str, where: str) -> TouchstoneError | None:
    """What of a failed encryption no repetition mends."""
    if "CERTIFICATE_VERIFY_FAILED" in problem:
        return TouchstoneError(
            f"the certificate of {where} is not trusted: {problem}",
            expected="a certificate signed by a known authority",
            remedy="export SSL_CERT_FILE=/path/to/the/authority.pem",
        )
    # OpenSSL's names for an answer that is not encrypted at all, older and newer.
    if "WRONG_VERSION_NUMBER" in problem or "RECORD_LAYER_FAILURE" in problem:
        return TouchstoneError(
            f"{where} does not speak TLS: {problem}",
            expected="a server behind https",
            remedy=f"give its address as http{where.removeprefix('https')} if it is to be asked without encryption",
        )
    return None


def _in_words(error: Exception) -> str:
    if isinstance(error, ProxyError):
        return f"no way through the proxy: {error.original_error.__cause__ or error.original_error}"
    if isinstance(error, NameResolutionError):
        return f"its name is not known: {error.__cause__}"
    # A kind of ConnectTimeoutError, so it comes first.
    if isinstance(error, NewConnectionError):
        return f"no connection: {error.__cause__ or error}"
    if isinstance(error, ConnectTimeoutError):
        return "no connection in time"
    if isinstance(error, ReadTimeoutError):
        return "no answer in time"
    if isinstance(error, DecodeError):
        return "a body that is not compressed as it says"
    if isinstance(error, SSLError | ssl.SSLError):
        return f"the encrypted connection broke off: {error}"
    if isinstance(error, ProtocolError):
        return f"the connection broke off: {error.args[-1]}"
    return str(error) or type(error).__name__
