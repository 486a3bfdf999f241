"""One attempt at one request, by the official client: its retries off, its reading of the body replaced by ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai

from components.contracts import environment
from components.contracts.chat_api.ask import Wording
from components.contracts.chat_api.clock import Clock
from components.contracts.chat_api.problems import NotAReply, TryAgain, of_status
from components.contracts.chat_api.reply import assembled, described, lines_of, parsed, read_reply
from components.contracts.chat_api.settings import ApiTarget
from components.contracts.files import show

CONNECT_SECONDS = 10.0
LONGEST_REPLY_BYTES = 64 << 20
NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Wire:
    """A server, as a function from a request to the JSON it answers with."""

    def __init__(self, target: ApiTarget, clock: Clock) -> None:
        """Prepare connections; none is opened yet.

        Raises:
            UsageError: the key in the environment cannot be one.
        """
        self._target = target
        self._clock = clock
        self._key = environment.api_key(target.base_url)
        # Without a key none is invented: the header is left out.
        self._headers: dict[str, Any] = {} if self._key else {"Authorization": openai.Omit()}
        self._client = openai.OpenAI(api_key=self._key or "none", base_url=target.base_url, max_retries=0)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, wording: Wording) -> dict[str, Any]:
        """Ask once.

        Raises:
            TryAgain: no reply came, and another attempt may bring one.
            Refused: this request will not be answered.
            TouchstoneError: no request will be answered.
        """
        until = self._clock.monotonic() + self._target.timeout_seconds
        try:
            with self._problems(), self._response(wording) as response:
                raw = self._body(response, until)
                read_reply(raw, wording.ask.n)
                return wording.ask.kept(raw)
        except NotAReply as problem:
            raise TryAgain(self._clean(str(problem)), lost=True) from problem

    def _response(self, wording: Wording) -> Any:
        target, fields = self._target, {**wording.fields, **wording.extra}
        api: Any = self._client.chat.completions if wording.ask.messages else self._client.completions
        named: dict[str, Any] = {name: fields.pop(name) for name in ("model", "messages", "prompt") if name in fields}
        if target.stream:
            named["stream"] = True
            fields["stream_options"] = {"include_usage": True}
        silence = min(target.idle_seconds, target.timeout_seconds) if target.stream else target.timeout_seconds
        return api.with_streaming_response.create(
            **named,
            extra_body=fields,
            # Servers and gateways that know this header answer a repeated request with the reply they have.
            extra_headers=self._headers | {"Idempotency-Key": hashlib.sha256(wording.key.encode()).hexdigest()[:32]},
            timeout=httpx2.Timeout(silence, connect=min(CONNECT_SECONDS, target.timeout_seconds)),
        )

    def _body(self, response: Any, until: float) -> dict[str, Any]:
        content_type = response.headers.get("content-type", "")
        chunks = self._chunks(response, until)
        # Told by what was sent, not by what was asked for: some servers do not stream, some always do.
        if "event-stream" in content_type:
            return assembled(lines_of(chunks))
        return parsed(b"".join(chunks), content_type)

    def _chunks(self, response: Any, until: float) -> Iterator[bytes]:
        total = 0
        for chunk in response.iter_bytes():
            total += len(chunk)
            if self._clock.monotonic() > until:
                raise TryAgain(f"no whole reply within {self._target.timeout_seconds:g} s", lost=True)
            if total > LONGEST_REPLY_BYTES:
                raise NotAReply(f"more than {LONGEST_REPLY_BYTES >> 20} MiB")
            yield chunk

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """What the client and the transport below it raise, in our terms."""
        try:
            yield
        except openai.APIStatusError as error:
            raise of_status(
                error.status_code,
                self._clean(_words(error)),
                code=error.code,
                headers=error.response.headers,
                now=self._clock.time(),
                where=self._target.base_url,
            ) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
            told = str(cause) or type(cause).__name__
            if isinstance(cause, httpx2.TimeoutException):
                told = f"no answer in time ({type(cause).__name__})"
            raise TryAgain(self._clean(told), lost=not isinstance(cause, NEVER_SENT)) from error

    def _clean(self, text: str) -> str:
        # Some servers repeat the key they were shown.
        return text.replace(self._key, "***") if self._key else text


def _words(error: openai.APIStatusError) -> str:
    """The server's own message."""
    body = error.body
    if isinstance(body, dict):
        message = body.get("message") or body.get("detail") or body
        return message if isinstance(message, str) else show(message)
    response = error.response
    return described(response.content, response.headers.get("content-type", ""))
