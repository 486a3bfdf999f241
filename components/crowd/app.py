"""The web application: the rater's page, the admin's pages, health and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, NoResultFound, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException

from components.contracts.errors import TouchstoneError
from components.crowd.counts import Answers, Studies
from components.crowd.database import Store
from components.crowd.pages.admin import Admin, admin_routes
from components.crowd.pages.entrance import MTURK_SITES
from components.crowd.pages.guard import REQUESTS, SECONDS, Guarded, Measured, metrics_page
from components.crowd.pages.paper import VERSION, message, static_file
from components.crowd.pages.rating import Rating, rating_routes
from components.crowd.settings import Settings, read_settings

__all__ = ["REQUESTS", "SECONDS", "create_app"]

LOG = logging.getLogger("touchstone.crowd")


def create_app(engine: Engine, settings: Settings | None = None, clock: Callable[[], float] = time.time) -> FastAPI:
    """The service over one database.

    Args:
        engine: Of the database that holds the ratings; owned by the caller.
        settings: Secrets and sites; read from the environment when not given.
        clock: Seconds since 1970 UTC.
    """
    settings = settings or read_settings(engine.url)
    store = Store(engine)
    registry = CollectorRegistry()
    app = FastAPI(title="Touchstone crowd", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guarded, frames=settings.frames, hand_in=tuple(MTURK_SITES.values()))
    app.add_middleware(Measured, registry=registry)
    _failures(app)
    _probes(app, store, registry)
    registry.register(Studies(store, clock))
    app.include_router(rating_routes(Rating(store, settings, Answers(registry), clock)))
    app.include_router(admin_routes(Admin(store, settings, clock)))
    return app


def _probes(app: FastAPI, store: Store, registry: CollectorRegistry) -> None:
    """What Kubernetes, Prometheus and a stray visitor ask for."""

    @app.get("/")
    def start() -> Response:
        """What a visitor without an invitation sees."""
        return message("Ratings by invitation", "Please open the link that was sent to you.")

    @app.get("/healthz", response_class=PlainTextResponse)
    def alive() -> str:
        """The process answers; a database that is away is no reason to restart it."""
        return "ok\n"

    @app.get("/readyz", response_class=PlainTextResponse)
    def ready() -> Response:
        """Whether requests can be served: 200, or 503 while the database cannot be reached or migrated."""
        try:
            store.run(lambda session: session.execute(text("select 1")))
        except TouchstoneError as error:
            return PlainTextResponse(f"database not usable: {error.found}\n", status_code=503)
        except SQLAlchemyError as error:
            # The driver's message may quote the address, password included; its type says enough here.
            return PlainTextResponse(f"database not reachable: {type(error).__name__}\n", status_code=503)
        return PlainTextResponse("ready\n")

    @app.get("/metrics")
    def metrics() -> Response:
        """Prometheus's text format."""
        return metrics_page(registry)

    @app.get("/static/{version}/{name}")
    def static(version: str, name: str) -> Response:
        """Style sheet, script, icon; an old address gets the new file, and is not kept."""
        answer = static_file(name)
        if version != VERSION:
            answer.headers["Cache-Control"] = "no-store"
        return answer


def _failures(app: FastAPI) -> None:
    """What people see when something is wrong."""

    @app.exception_handler(DBAPIError)
    @app.exception_handler(NoConnectionFree)
    def unsaved(request: Request, error: DBAPIError | NoConnectionFree) -> Response:
        # Without the statement's values and the address: they hold outputs, pseudonyms, and raters' keys.
        route = getattr(request.scope.get("route"), "path", "?")
        LOG.error("%s %s: %s", request.method, route, type(getattr(error, "orig", error)).__name__)
        return message(
            "That could not be saved",
            "The service is busy or its database away. Please reload this page in a moment, or go back and press the "
            "button again: no answer is counted twice.",
            503,
            {"Retry-After": "5"},
        )

    @app.exception_handler(NoResultFound)
    def missing(request: Request, error: NoResultFound) -> Response:
        return message("There is nothing here", "It may have been deleted.", 404)

    @app.exception_handler(TouchstoneError)
    def refused(request: Request, error: TouchstoneError) -> Response:
        LOG.error("%s", error.found)
        return message("That is not possible", error.found, 409)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        return message("That form is damaged", "Please go back and try again.", 400)

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> Response:
        words = {404: "There is nothing here", 405: "That is not possible here", 413: "That is too large"}
        return message(
            words.get(error.status_code, "Something is wrong"), "Please open your link again.", error.status_code
        )
