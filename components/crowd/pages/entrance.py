"""Who may come in: links of raters, and the door from Mechanical Turk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from components.crowd.database import Store
from components.crowd.invitations import (
    Invited,
    mturk_identity,
    rater_for,
    rater_key,
    rater_token,
    read_door_token,
    read_rater_token,
)
from components.crowd.pages.guard import Rates, address_of
from components.crowd.pages.paper import instruction_html, message, page
from components.crowd.settings import Settings
from components.crowd.study.closing import takes_votes
from components.crowd.tables import Rater, Study

MTURK_SITES = {"production": "https://www.mturk.com", "sandbox": "https://workersandbox.mturk.com"}
"""Where Mechanical Turk takes finished work, by the name that our links carry."""
NOT_ACCEPTED = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""What Mechanical Turk calls the assignment while a worker only looks."""
SEE_OTHER = 303

Reason = Literal[
    "link", "expired", "too_fast", "form", "no_choice", "withdrawn", "closed", "excluded", "repeated", "unknown"
]
"""Why an answer was not stored: the link is not ours; has expired; too many requests; the form was made for somebody
else; none of the three buttons; the rater was forgotten; the study takes no votes; the rater broke a rule; the pair was
answered before; the item does not exist."""


class Turned(NamedTuple):
    """Somebody who is turned away."""

    reason: Reason
    response: Response
    """What they see."""


class Entrance:
    """Looks at links."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float]) -> None:
        """Over one database."""
        self.store, self.settings, self.clock = store, settings, clock
        self.per_rater = Rates(per_second=2.0, burst=30)
        self.strangers = Rates(per_second=0.5, burst=30)

    def invited(self, request: Request, token: str) -> Invited | Turned:
        """What a rater's link says, if it lets the rater in now."""
        invited = read_rater_token(self.settings.secret, token)
        if invited is None:
            if not self.strangers.allow(address_of(request)):
                answer = message("Too many tries", "Please wait a minute.", 429, {"Retry-After": "60"})
                return Turned("too_fast", answer)
            answer = message("This link does not work", "Please open the link exactly as it was sent to you.", 404)
            return Turned("link", answer)
        if self.clock() >= invited.until:
            answer = message("This link has expired", "Please ask for a new one: your answers so far are kept.", 410)
            return Turned("expired", answer)
        # Looking and answering apart: whoever reloads a page too often can still answer it.
        if not self.per_rater.allow(f"{request.method} {invited.code}"):
            words = "That was faster than anybody can read. Please go back in a minute."
            return Turned("too_fast", message("One moment", words, 429, {"Retry-After": "15"}))
        return invited

    def door(self, request: Request, token: str, worker: str, assignment: str, hit: str, site: str) -> Response:
        """Mechanical Turk opens a task for a worker: on to the worker's own link, or a look at the instruction."""
        door = read_door_token(self.settings.secret, token)
        if door is None or not self.strangers.allow(f"door {address_of(request)} {worker[:64]}"):
            return message("This link does not work", "Please return the task: its address is damaged.", 404)

        def work(session: Session) -> Response:
            study = session.get(Study, door.study_id)
            if study is None or self.clock() >= door.until or not takes_votes(study, self.clock()):
                return message("This study is closed", "Please return the task. Thank you for your interest.", 410)
            if not worker or not assignment or assignment == NOT_ACCEPTED:
                return page("welcome.html.j2", study=study, instruction=instruction_html(study.instruction), token=None)
            key = rater_key(self.settings.secret, study.name, mturk_identity(worker))
            rater = rater_for(session, study, key, channel="mturk")
            if rater.mturk_assignment not in {None, assignment} and rater.finished_at is not None:
                return message("You have taken part already", "Please return this task. Thank you.", 409)
            rater.mturk_assignment, rater.mturk_hit = assignment[:64], hit[:64]
            place = "production" if site.rstrip("/") == MTURK_SITES["production"] else "sandbox"
            return RedirectResponse(f"/r/{rater_token(self.settings.secret, rater.code, door.until, place)}", SEE_OTHER)

        return self.store.run(work)


def hand_in(rater: Rater, invited: Invited) -> str | None:
    """Address to which Mechanical Turk wants the finished work sent."""
    site = MTURK_SITES.get(invited.site)
    return f"{site}/mturk/externalSubmit" if site and rater.mturk_assignment else None


def gone() -> Turned:
    """The rater was forgotten."""
    words = "It was withdrawn, and what was stored under it deleted."
    return Turned("withdrawn", message("This link is no longer valid", words, 410))


def closed() -> Turned:
    """The study takes no votes."""
    words = "No more answers are needed. Thank you for taking part."
    return Turned("closed", message("This study is closed", words, 410))
