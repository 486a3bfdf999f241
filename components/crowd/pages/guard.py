"""What stands before every page: sizes, headers, rates, and the count of requests."""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = "touchstone_crowd_requests_total"
SECONDS = "touchstone_crowd_request_seconds"
OTHER = "other"
"""Label of every path that is no route: an address that a scanner makes up must not become a time series."""
BODY_BYTES = 64 << 10
"""Largest request: forms of a few fields."""


class Measured:
    """Counts and times every request by its route."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        """Around `app`, counting in `registry`."""
        self.app = app
        self.requests = Counter(REQUESTS, "Requests answered.", ("path", "status"), registry=registry)
        self.seconds = Histogram(SECONDS, "From a request's arrival to its answer.", ("path",), registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note how it went."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            # The router leaves the route that it chose in the scope, those of included routers too.
            path = str(getattr(scope.get("route"), "path", OTHER))
            self.requests.labels(path, str(status)).inc()
            self.seconds.labels(path).observe(time.perf_counter() - began)


class Guarded:
    """Refuses large requests, and gives every answer the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp, *, frames: tuple[str, ...] = (), hand_in: tuple[str, ...] = ()) -> None:
        """Around `app`.

        Args:
            app: What answers.
            frames: Sites that may show the rater's page in a frame.
            hand_in: Sites to which the rater's page may send a form.
        """
        self.app = app
        self.rater = _headers(frames, hand_in)
        self.admin = _headers((), ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within the limits."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = self.admin if scope["path"].startswith("/admin") else self.rater

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in headers.items():
                    found.setdefault(name, value)
            await send(message)

        return await self.app(scope, _limited(receive), closing)


class Rates:
    """How often somebody may do something: a bucket of `burst` that refills at `per_second`.

    Kept in this process: with two servers the limits are doubled. Time is monotonic, so no change of the clock opens
    or shuts it.
    """

    def __init__(self, per_second: float, burst: int, *, keys: int = 20_000) -> None:
        """Buckets for at most `keys` somebodies; the least recent are forgotten."""
        self.per_second, self.burst, self.keys = per_second, burst, keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def allow(self, key: str) -> bool:
        """Whether `key` may do it now; counted if so."""
        now = time.monotonic()
        with self._lock:
            left, since = self._buckets.pop(key, (float(self.burst), now))
            left = min(self.burst, left + (now - since) * self.per_second)
            allowed = left >= 1
            self._buckets[key] = (left - allowed, now)
            if len(self._buckets) > self.keys:
                self._buckets.popitem(last=False)
        return allowed


def address_of(request: Request) -> str:
    """Whose request it is, as far as the network tells; behind a proxy, what uvicorn took from its header."""
    return request.client.host if request.client else "unknown"


def metrics_page(registry: CollectorRegistry) -> Response:
    """Prometheus's text format."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _headers(frames: tuple[str, ...], hand_in: tuple[str, ...]) -> dict[str, str]:
    policy = {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "img-src": "'self'",
        "form-action": " ".join(("'self'", *hand_in)),
        "base-uri": "'none'",
        "frame-ancestors": " ".join(frames) or "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        # The address of a rater's page is its key.
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "X-Robots-Tag": "noindex",
    }
    return headers if frames else {**headers, "X-Frame-Options": "DENY"}


def _limited(receive: Receive) -> Receive:
    """The request's body, cut off where it passes the limit, whatever its length was said to be."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_BYTES:
            raise HTTPException(413)
        return message

    return counted
