"""Connections straight to one server, kept for further requests, and what an answer on one of them is read by.

Most answers are plain: status 200 and a body whose length is told, neither compressed nor in chunks. Those are read
here, since a library that can do all of HTTP takes longer over an answer than everything else that is done about it.
All others are left to it, from their first byte.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError, ReadTimeoutError, SSLError

PIECE_BYTES = 1 << 16
LONGEST_HEAD_BYTES = 1 << 16
LONGEST_LENGTH_DIGITS = 12
_PLAIN_STATUS = re.compile(r"HTTP/1\.1 200(?: [^\r\n]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, section 5.6.2)."""
_FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection"})
"""Headers that say where a body ends and what becomes of its connection."""


class Received(Protocol):
    """The head of an answer, and its body piece by piece."""

    @property
    def status(self) -> int:
        """As in 200."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By their names in lower case."""

    @property
    def led_to(self) -> str:
        """Where a redirection led; empty = the answer comes from whom was asked."""

    def read1(self, most: int) -> bytes:
        """Up to about `most` bytes of the body as they come; none = this is its end.

        Raises:
            urllib3.exceptions.HTTPError: the body breaks off, or nothing comes in time.
        """

    def close(self) -> None:
        """Have no more of it. Read to its end, its connection is free for a further request; any other is closed."""


class Unhurried:
    """An answer that the library reads."""

    def __init__(self, response: urllib3.BaseHTTPResponse, close: Callable[[], None]) -> None:
        """Read `response`; `close` is called at the end."""
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        steps = response.retries.history if response.retries else ()
        self.led_to = (steps[-1].redirect_location or "") if steps else ""
        self.redirects = bool(response.get_redirect_location())
        """Whether it only says where to ask instead."""
        self.read1 = response.read1
        self.close = close


class _Plain:
    """An answer of a length that was told."""

    led_to = ""
    status = 200

    def __init__(self, kept: KeptConnections, connection: HTTPConnection, body: bytes, headers: dict[str, str]) -> None:
        self._kept = kept
        self._connection = connection
        self._left = int(headers["content-length"])
        self._here = body[: self._left]
        self._is_in_step = len(body) <= self._left  # what follows an answer would be taken for the next
        self.headers: Mapping[str, str] = headers

    def read1(self, most: int) -> bytes:
        data, self._here = self._here, b""
        if not data and self._left:
            try:
                data = _socket_of(self._connection).recv(min(most, self._left))
            except OSError as error:
                raise self._kept.in_its_terms(error) from error
            if not data:
                raise ProtocolError(f"Connection broken: {self._left} more bytes were announced", EOFError())
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._kept.take_back(self._connection, fit=self._is_in_step and not self._left and not self._here)


class KeptConnections:
    """Opens a connection where none is free; any thread may use them."""

    def __init__(self, pool: urllib3.HTTPConnectionPool, timeout: urllib3.Timeout) -> None:
        """Prepare connections to the server of `pool`; none is opened yet."""
        self._pool = pool
        self._timeout = timeout
        self._free: list[HTTPConnection] = []
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        is_usual = pool.port == pool.ConnectionCls.default_port
        self._host = host if is_usual else f"{host}:{pool.port}"

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a request once and read the head of the answer.

        Raises:
            urllib3.exceptions.HTTPError: no connection, no answer, or one that is no HTTP.
        """
        told = {"Host": self._host, **headers, "Content-Length": str(len(body))}
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n"
        connection = self._connected()
        try:
            # A server may refuse a request before all of it is there, and the refusal is to be read.
            with suppress(BrokenPipeError, ConnectionResetError):
                _socket_of(connection).sendall(head.encode("latin-1") + body)
            return self._received(connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self.in_its_terms(error) from error
        except BaseException:
            connection.close()
            raise

    def take_back(self, connection: HTTPConnection, *, fit: bool) -> None:
        """Keep a connection for further requests where it is fit for them; close it otherwise."""
        if fit:
            self._free.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close all that is not in use."""
        while self._free:
            self._free.pop().close()

    def in_its_terms(self, error: Exception) -> urllib3.exceptions.HTTPError:
        """What a socket or the standard library says of a request that was sent, as the library's errors."""
        if isinstance(error, TimeoutError):
            return ReadTimeoutError(self._pool, None, "Read timed out.")
        if isinstance(error, ssl.SSLError):
            return SSLError(error)
        return ProtocolError("Connection aborted.", error)

    def _connected(self) -> HTTPConnection:
        with suppress(IndexError):
            while True:
                connection = self._free.pop()
                if connection.is_connected:
                    return connection
                connection.close()
        return self._opened()

    def _opened(self) -> HTTPConnection:
        pool = self._pool
        made: Any = pool.ConnectionCls(
            host=pool.host, port=pool.port, timeout=self._timeout.connect_timeout, **pool.conn_kw
        )
        assert isinstance(made, HTTPConnection)
        try:
            made.connect()
            _socket_of(made).settimeout(self._timeout.read_timeout)
        except BaseException as error:
            made.close()
            if isinstance(error, ssl.SSLError):
                raise SSLError(error) from error
            if isinstance(error, TimeoutError):
                raise ConnectTimeoutError(made, str(error)) from error
            if isinstance(error, OSError):
                raise NewConnectionError(made, str(error)) from error
            raise
        return made

    def _received(self, connection: HTTPConnection) -> Received:
        line = _socket_of(connection)
        data = more = line.recv(PIECE_BYTES)
        # Few end their lines otherwise, and are not waited for.
        while more and b"\r\n\r\n" not in data and b"\n\n" not in data and len(data) < LONGEST_HEAD_BYTES:
            more = line.recv(PIECE_BYTES)
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        headers = _plain_headers(head)
        return self._unhurried(connection, data) if headers is None else _Plain(self, connection, body, headers)

    def _unhurried(self, connection: HTTPConnection, data: bytes) -> Received:
        original = http.client.HTTPResponse(_Again(data, _socket_of(connection)), method="POST")  # type: ignore[arg-type]
        original.begin()
        response = urllib3.HTTPResponse(
            body=original,
            headers=urllib3.HTTPHeaderDict(original.msg.items()),
            status=original.status,
            version=original.version,
            reason=original.reason,
            preload_content=False,
            original_response=original,
            request_method="POST",
        )

        def close() -> None:
            fit = original.isclosed() and not original.will_close
            response.close()
            self.take_back(connection, fit=fit)

        return Unhurried(response, close)


def _socket_of(connection: HTTPConnection) -> socket.socket:
    found = connection.sock
    assert isinstance(found, socket.socket)
    return found


def _plain_headers(head: bytes) -> dict[str, str] | None:
    """Names in lower case -> values, of a plain answer; None for any other."""
    status, *lines = head.decode("latin-1").split("\r\n")
    if not _PLAIN_STATUS.fullmatch(status):
        return None
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key, value = name.lower(), value.strip(" \t")
        # Half a line break within a value ends a line for some readers.
        if not (colon and _NAME.fullmatch(name) and value.isprintable()) or (key in found and key in _FRAMING):
            return None
        found[key] = value
    length = found.get("content-length", "")
    is_counted = length.isascii() and length.isdigit() and len(length) <= LONGEST_LENGTH_DIGITS
    is_kept = found.get("connection", "keep-alive").lower() == "keep-alive"
    is_bare = "transfer-encoding" not in found and "content-encoding" not in found
    return found if is_counted and is_kept and is_bare else None


class _Again:
    """A socket that begins with what was read of it already, for the standard library's reader."""

    def __init__(self, begun: bytes, line: socket.socket) -> None:
        self._pieces = _Pieces(begun, line)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(self._pieces)


class _Pieces(io.RawIOBase):
    def __init__(self, begun: bytes, line: socket.socket) -> None:
        super().__init__()
        self._begun = begun
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._begun:
            return self._line.recv_into(buffer)
        number = min(len(buffer), len(self._begun))
        buffer[:number], self._begun = self._begun[:number], self._begun[number:]
        return number
