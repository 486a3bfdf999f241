"""Connections to one server: kept alive, by way of the proxy and with the authorities that the environment names.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read as the standard library reads them. SSL_CERT_FILE or
SSL_CERT_DIR names the only authorities; without them the system's and certifi's count.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3

from components.contracts.errors import UsageError

CONNECT_SECONDS = 10.0
MOST_REDIRECTS = 5
ONLY_REDIRECTS = urllib3.Retry(
    total=None,
    connect=False,
    read=False,
    other=0,
    status=0,
    redirect=MOST_REDIRECTS,
    raise_on_redirect=False,
    respect_retry_after_header=False,
)
"""Failures are repeated by the client, which counts what they cost; redirections are followed here. The key is not
shown to another server than the one it is meant for."""


class Received:
    """The head of an answer, and its body piece by piece."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        """Read `response`, of which nothing was read yet."""
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        steps = response.retries.history if response.retries else ()
        self.led_to = (steps[-1].redirect_location or "") if steps else ""
        """Where a redirection led; empty = the answer comes from whom was asked."""
        self.redirects = bool(response.get_redirect_location())
        """Whether it only says where to ask instead."""
        self.read1 = response.read1
        """Up to a number of bytes as they come; none = the end."""

    def close(self) -> None:
        """Have no more of it. Read to its end, its connection is free for a further request; any other is closed."""
        self._response.close()
        self._response.release_conn()


class Connections:
    """Up to a number of connections to one server, kept for further requests; any thread may use them."""

    def __init__(self, base_url: str, number: int, timeout: urllib3.Timeout) -> None:
        """Prepare; none is opened yet.

        Raises:
            UsageError: the environment names a proxy or an authority that cannot be used.
        """
        self._base_url = base_url
        self._timeout = timeout
        proxy = _proxy(base_url)
        # Authorities take some 20 ms to read; a redirection from http to https has urllib3 read the system's.
        trusted = (
            _trusted() if any(place and place.lower().startswith("https:") for place in (base_url, proxy)) else None
        )
        if proxy is None:
            self._manager = urllib3.PoolManager(maxsize=number, ssl_context=trusted)
        else:
            self._manager = _through(proxy, base_url, number, trusted)
        # Straight to its pool: a manager reads the address anew for each request. A proxy is sent the address whole.
        self._pool = None if proxy else self._manager.connection_from_url(base_url)
        self._path = urllib3.util.parse_url(base_url).path or ""

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send a request once and read the head of the answer; the caller reads its body and closes it.

        Raises:
            urllib3.exceptions.HTTPError: no connection, no answer, or one that is no HTTP.
        """
        given: dict[str, Any] = {"body": body, "headers": headers, "timeout": self._timeout, "preload_content": False}
        if self._pool is not None:
            answer = Received(
                self._pool.urlopen("POST", self._path + path, redirect=False, retries=ONLY_REDIRECTS, **given)
            )
            if not answer.redirects:
                return answer
            # Whoever redirects has done nothing for it: asked again, and followed.
            answer.close()
        return Received(self._manager.urlopen("POST", self._base_url + path, retries=ONLY_REDIRECTS, **given))

    def close(self) -> None:
        """Close all that is not in use."""
        self._manager.clear()


def _through(proxy: str, base_url: str, number: int, trusted: ssl.SSLContext | None) -> urllib3.ProxyManager:
    address = proxy.rpartition("@")[2]
    try:
        parts = urlsplit(proxy)
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        return urllib3.ProxyManager(
            address,
            maxsize=number,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=user),
            ssl_context=trusted,
            proxy_ssl_context=trusted,
        )
    except ValueError as error:
        raise UsageError(
            f"the environment names the proxy {address}",
            expected="http://HOST:PORT or https://HOST:PORT",
            remedy=f"set HTTPS_PROXY and HTTP_PROXY so, or NO_PROXY={urlsplit(base_url).hostname} to go without",
        ) from error


def _proxy(base_url: str) -> str | None:
    parts = urlsplit(base_url)
    named = getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _trusted() -> ssl.SSLContext:
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        named = f"SSL_CERT_FILE={file}" if file else f"SSL_CERT_DIR={folder}"
        raise UsageError(
            f"{named} cannot be read: {error}",
            expected="certificates of authorities, as PEM",
            remedy="correct the variable, or unset it to trust the system's authorities",
        ) from error
    if not file and not folder:
        context.load_verify_locations(certifi.where())
    return context
