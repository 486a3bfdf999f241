"""The rater's page. All that it needs is in its address and its form: no cookies, no scripts."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature
from markupsafe import Markup
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from components.crowd.assignment.choice import next_item
from components.crowd.assignment.votes import Kept, check_rules, record_problem, record_vote
from components.crowd.database import Store
from components.crowd.invitations import (
    Invited,
    mturk_identity,
    rater_for,
    rater_key,
    rater_token,
    read_door_token,
    read_rater_token,
    signer,
)
from components.crowd.pages.guard import Rates, address_of
from components.crowd.pages.paper import instruction_html, markdown, message, page
from components.crowd.pages.safe_markdown import plain
from components.crowd.settings import Settings
from components.crowd.study.closing import takes_votes
from components.crowd.study.design import shown
from components.crowd.tables import Pair, Rater, Study

MTURK_SITES = {"production": "https://www.mturk.com", "sandbox": "https://workersandbox.mturk.com"}
"""Where Mechanical Turk takes finished work, by the name that our links carry."""
NOT_ACCEPTED = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""What Mechanical Turk calls the assignment while a worker only looks."""
CACHED_CHARACTERS = 32 << 20
PROBLEM_CHARACTERS = 2000
SEE_OTHER = 303

Clock = Callable[[], float]


BY_CODE = select(Study, Rater).join(Rater, Rater.study_id == Study.id).where(Rater.code == bindparam("code"))
BY_CODE_LOCKED = BY_CODE.with_for_update(of=Rater)


class Shown(NamedTuple):
    """A pair as HTML."""

    prompt: Markup
    output: Markup
    opponent_output: Markup


class Rating:
    """Answers raters."""

    def __init__(self, store: Store, settings: Settings, clock: Clock = time.time) -> None:
        """Over one database."""
        self.store, self.settings, self.clock = store, settings, clock
        self.forms = signer(settings.secret, "form")
        self.per_rater = Rates(per_second=2.0, burst=30)
        self.strangers = Rates(per_second=0.5, burst=30)
        self._pages: OrderedDict[int, Shown] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    def open(self, request: Request, token: str) -> Response:
        """The page behind a rater's link: welcome, an item, or thanks."""
        invited = self._invited(request, token)
        if isinstance(invited, Response):
            return invited
        return self.store.run(lambda session: self._page(session, token, invited))

    def start(self, request: Request, token: str) -> Response:
        """The rater has read the instruction and begins."""
        invited = self._invited(request, token)
        if isinstance(invited, Response):
            return invited

        def work(session: Session) -> Response:
            found = self._found(session, invited)
            if found is not None and found[1].started_at is None:
                found[1].started_at = self.clock()
            return RedirectResponse(f"/r/{token}", SEE_OTHER)

        return self.store.run(work)

    def vote(self, request: Request, token: str, form: str, choice: str) -> Response:
        """A button was pressed. Whatever becomes of it, the rater goes on with the next item."""
        if choice not in {"left", "equal", "right"}:
            return message("That was no answer", "Please go back and press one of the three buttons.", 400)
        checked: Literal["left", "equal", "right"] = choice  # type: ignore[assignment]
        return self._answer(
            request,
            token,
            form,
            lambda session, study, rater, item: record_vote(session, rater, item, checked, self.clock()),
        )

    def problem(self, request: Request, token: str, form: str, words: str) -> Response:
        """The item cannot be answered, says the rater."""
        told = shown(words)[:PROBLEM_CHARACTERS]
        return self._answer(
            request,
            token,
            form,
            lambda session, study, rater, item: record_problem(session, study, rater, item, told, self.clock()),
        )

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

    def _invited(self, request: Request, token: str) -> Invited | Response:
        invited = read_rater_token(self.settings.secret, token)
        if invited is None:
            if not self.strangers.allow(address_of(request)):
                return message("Too many tries", "Please wait a minute.", 429, {"Retry-After": "60"})
            return message("This link does not work", "Please open the link exactly as it was sent to you.", 404)
        if self.clock() >= invited.until:
            return message("This link has expired", "Please ask for a new one: your answers so far are kept.", 410)
        # Looking and answering apart: whoever reloads a page too often can still answer it.
        if not self.per_rater.allow(f"{request.method} {invited.code}"):
            return message(
                "One moment",
                "That was faster than anybody can read. Please go back in a minute.",
                429,
                {"Retry-After": "15"},
            )
        return invited

    def _found(self, session: Session, invited: Invited, *, lock: bool = False) -> tuple[Study, Rater] | None:
        """The rater and the study; `lock` makes other requests of the same rater wait."""
        row = session.execute(BY_CODE_LOCKED if lock else BY_CODE, {"code": invited.code}).one_or_none()
        return (row[0], row[1]) if row is not None else None

    def _answer(
        self, request: Request, token: str, form: str, keep: Callable[[Session, Study, Rater, int], Kept]
    ) -> Response:
        invited = self._invited(request, token)
        if isinstance(invited, Response):
            return invited
        item = self._item_of(form, invited)
        if item is None:
            return message("This form is not yours", "Please open your link again and answer there.", 403)

        def work(session: Session) -> Response | Kept:
            found = self._found(session, invited, lock=True)
            if found is None:
                return _gone()
            study, rater = found
            if not takes_votes(study, self.clock()):
                return _closed()
            return keep(session, study, rater, item) if rater.excluded is None else "already"

        kept = self.store.run(work)
        if isinstance(kept, Response):
            return kept
        if kept == "check":
            self.store.run(lambda session: self._hold_against_rules(session, invited))
        return RedirectResponse(f"/r/{token}", SEE_OTHER)

    def _hold_against_rules(self, session: Session, invited: Invited) -> None:
        found = self._found(session, invited, lock=True)
        if found is not None:
            check_rules(session, *found)

    def _item_of(self, form: str, invited: Invited) -> int | None:
        """The assignment that a form was made for, if it was made for this rater."""
        try:
            code, item = self.forms.loads(form)
        except (BadSignature, ValueError, TypeError):
            return None
        return int(item) if code == invited.code else None

    def _page(self, session: Session, token: str, invited: Invited) -> Response:
        found = self._found(session, invited)
        if found is None:
            return _gone()
        study, rater = found
        hand_in = _hand_in(rater, invited)
        if not takes_votes(study, self.clock()):
            # Whoever has worked on Mechanical Turk must be able to hand that in.
            return page("thanks.html.j2", rater=rater, hand_in=hand_in) if hand_in and rater.started_at else _closed()
        if rater.started_at is None:
            return page("welcome.html.j2", study=study, instruction=instruction_html(study.instruction), token=token)
        item = next_item(session, study, rater, self.clock()) if rater.excluded is None else None
        if item is None:
            rater.finished_at = rater.finished_at or self.clock()
            return page("thanks.html.j2", rater=rater, hand_in=hand_in)
        rater.finished_at = None
        form = self.forms.dumps([invited.code, item.assignment_id])
        pair = self._shown(session, item.pair_id)
        sides = (pair.output, pair.opponent_output) if item.model_left else (pair.opponent_output, pair.output)
        return page(
            "item.html.j2",
            item=item,
            token=token,
            form=form,
            prompt=pair.prompt,
            sides=sides,
            instruction=instruction_html(study.instruction),
        )

    def _shown(self, session: Session, pair_id: int) -> Shown:
        with self._lock:
            if pair_id in self._pages:
                self._pages.move_to_end(pair_id)
                return self._pages[pair_id]
        texts = session.execute(select(Pair.prompt, Pair.output, Pair.opponent_output).where(Pair.id == pair_id)).one()
        made = Shown(Markup(plain(texts[0])), markdown(texts[1]), markdown(texts[2]))
        with self._lock:
            if pair_id not in self._pages:
                self._pages[pair_id] = made
                self._characters += sum(map(len, made))
            while self._characters > CACHED_CHARACTERS and len(self._pages) > 1:
                self._characters -= sum(map(len, self._pages.popitem(last=False)[1]))
        return made


def rating_routes(rating: Rating) -> APIRouter:
    """Addresses of the rater's page. Their functions run in threads, since the database is waited for."""
    routes = APIRouter()

    @routes.get("/r/{token}")
    def open_link(request: Request, token: str) -> Response:
        """Welcome, an item, or thanks."""
        return rating.open(request, token)

    @routes.post("/r/{token}/start")
    def start(request: Request, token: str) -> Response:
        """Begin."""
        return rating.start(request, token)

    @routes.post("/r/{token}/vote")
    def vote(
        request: Request, token: str, form: Annotated[str, Form()] = "", choice: Annotated[str, Form()] = ""
    ) -> Response:
        """Answer."""
        return rating.vote(request, token, form, choice)

    @routes.post("/r/{token}/problem")
    def problem(
        request: Request, token: str, form: Annotated[str, Form()] = "", words: Annotated[str, Form()] = ""
    ) -> Response:
        """Report a problem."""
        return rating.problem(request, token, form, words)

    @routes.get("/mturk/{token}")
    def door(
        request: Request,
        token: str,
        workerId: str = "",  # noqa: N803 - Mechanical Turk's names
        assignmentId: str = "",  # noqa: N803
        hitId: str = "",  # noqa: N803
        turkSubmitTo: str = "",  # noqa: N803
    ) -> Response:
        """From Mechanical Turk."""
        return rating.door(request, token, workerId, assignmentId, hitId, turkSubmitTo)

    return routes


def _hand_in(rater: Rater, invited: Invited) -> str | None:
    """Address to which Mechanical Turk wants the finished work sent."""
    site = MTURK_SITES.get(invited.site)
    return f"{site}/mturk/externalSubmit" if site and rater.mturk_assignment else None


def _gone() -> Response:
    return message("This link is no longer valid", "It was withdrawn, and what was stored under it deleted.", 410)


def _closed() -> Response:
    return message("This study is closed", "No more answers are needed. Thank you for taking part.", 410)
