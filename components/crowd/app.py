"""The web application: health, metrics, and a start page that says ratings are not open yet."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import Match

REQUESTS = "touchstone_crowd_requests_total"
SECONDS = "touchstone_crowd_request_seconds"
OTHER = "other"
"""Label of every path that is no route: an address that a scanner makes up must not become a time series."""

START_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Touchstone: ratings</title>
<h1>Ratings are not open yet</h1>
<p>This is where people will compare pairs of answers without knowing which model wrote them.
There is nothing to rate at the moment.</p>
</html>
"""


def create_app(engine: Engine) -> FastAPI:
    """The service over one database.

    Args:
        engine: Of the database that will hold the ratings; it is asked by /readyz and owned by the caller.
    """
    app = FastAPI(title="Touchstone crowd", docs_url=None, redoc_url=None, openapi_url=None)
    _measure(app)

    @app.get("/", response_class=HTMLResponse)
    def start() -> str:
        """What a visitor sees."""
        return START_PAGE

    @app.get("/healthz", response_class=PlainTextResponse)
    def alive() -> str:
        """The process answers; a database that is away is no reason to restart it."""
        return "ok\n"

    @app.get("/readyz", response_class=PlainTextResponse)
    def ready() -> Response:
        """Whether requests can be served: 200, or 503 while the database cannot be reached."""
        try:
            with engine.connect() as connection:
                connection.execute(text("select 1"))
        except SQLAlchemyError as error:
            # The driver's message may quote the address, password included; its type says enough here.
            return PlainTextResponse(f"database not reachable: {type(error).__name__}\n", status_code=503)
        return PlainTextResponse("ready\n")

    return app


def _measure(app: FastAPI) -> None:
    """Count and time every request of `app`, and answer /metrics."""
    registry = CollectorRegistry()
    requests = Counter(REQUESTS, "Requests answered.", ("path", "status"), registry=registry)
    seconds = Histogram(SECONDS, "From a request's arrival to its answer.", ("path",), registry=registry)

    @app.middleware("http")
    async def measure(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        began, status = time.perf_counter(), 500
        try:
            response = await answer(request)
            status = response.status_code
            return response
        finally:
            path = next(_matching(app, request), OTHER)
            requests.labels(path, str(status)).inc()
            seconds.labels(path).observe(time.perf_counter() - began)

    @app.get("/metrics")
    def metrics() -> Response:
        """Prometheus's text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _matching(app: FastAPI, request: Request) -> Iterator[str]:
    for route in app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            yield str(getattr(route, "path", OTHER))
