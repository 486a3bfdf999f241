"""The rater's page. All that it needs is in its address and its form: no cookies, no scripts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from itsdangerous import BadSignature
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from components.crowd.assignment.choice import may_come_back, next_item
from components.crowd.assignment.votes import Kept, check_rules, record_problem, record_vote
from components.crowd.counts import Answers
from components.crowd.database import Store
from components.crowd.invitations import Invited, signer
from components.crowd.pages.entrance import SEE_OTHER, Entrance, Reason, Turned, closed, gone, hand_in
from components.crowd.pages.paper import instruction_html, message, page
from components.crowd.pages.shown_pairs import ShownPairs
from components.crowd.settings import Settings
from components.crowd.study.closing import takes_votes
from components.crowd.study.design import shown
from components.crowd.tables import Rater, Study, Vote

PROBLEM_CHARACTERS = 2000

Clock = Callable[[], float]
Keep = Callable[[Session, Study, Rater, int], Kept]
"""Stores what a rater said of an item."""

BY_CODE = select(Study, Rater).join(Rater, Rater.study_id == Study.id).where(Rater.code == bindparam("code"))
BY_CODE_LOCKED = BY_CODE.with_for_update(of=Rater)
NOT_KEPT: dict[Kept, Reason] = {"already": "repeated", "unknown": "unknown"}


class Rating:
    """Answers raters."""

    def __init__(self, store: Store, settings: Settings, answers: Answers, clock: Clock = time.time) -> None:
        """Over one database, counting in `answers`."""
        self.store, self.answers, self.clock = store, answers, clock
        self.entrance = Entrance(store, settings, clock)
        self.forms = signer(settings.secret, "form")
        self.pairs = ShownPairs()

    def open(self, request: Request, token: str) -> Response:
        """The page behind a rater's link: welcome, an item, or thanks."""
        invited = self.entrance.invited(request, token)
        if isinstance(invited, Turned):
            return invited.response
        return self.store.run(lambda session: self._page(session, token, invited))

    def start(self, request: Request, token: str) -> Response:
        """The rater has read the instruction and begins."""
        invited = self.entrance.invited(request, token)
        if isinstance(invited, Turned):
            return invited.response

        def work(session: Session) -> Response:
            found = self._found(session, invited)
            if found is not None and found[1].started_at is None:
                found[1].started_at = self.clock()
            return RedirectResponse(f"/r/{token}", SEE_OTHER)

        return self.store.run(work)

    def vote(self, request: Request, token: str, form: str, choice: str) -> Response:
        """A button was pressed. Whatever becomes of it, the rater goes on with the next item."""
        if choice not in {"left", "equal", "right"}:
            self.answers.refused("no_choice")
            return message("That was no answer", "Please go back and press one of the three buttons.", 400)
        checked: Literal["left", "equal", "right"] = choice  # type: ignore[assignment]

        def keep(session: Session, study: Study, rater: Rater, item: int) -> Kept:
            return record_vote(session, rater, item, checked, self.clock())

        return self._answer(request, token, form, "answer", keep)

    def problem(self, request: Request, token: str, form: str, words: str) -> Response:
        """The item cannot be answered, says the rater."""
        told = shown(words)[:PROBLEM_CHARACTERS]

        def keep(session: Session, study: Study, rater: Rater, item: int) -> Kept:
            return record_problem(session, study, rater, item, told, self.clock())

        return self._answer(request, token, form, "problem", keep)

    def _found(self, session: Session, invited: Invited, *, lock: bool = False) -> tuple[Study, Rater] | None:
        """The rater and the study; `lock` makes other requests of the same rater wait."""
        row = session.execute(BY_CODE_LOCKED if lock else BY_CODE, {"code": invited.code}).one_or_none()
        return (row[0], row[1]) if row is not None else None

    def _answer(self, request: Request, token: str, form: str, kind: str, keep: Keep) -> Response:
        invited = self.entrance.invited(request, token)
        if isinstance(invited, Turned):
            return self._turned(invited)
        item = self._item_of(form, invited)
        if item is None:
            words = message("This form is not yours", "Please open your link again and answer there.", 403)
            return self._turned(Turned("form", words))

        def work(session: Session) -> Turned | tuple[int, Kept | Literal["excluded"]]:
            found = self._found(session, invited, lock=True)
            if found is None:
                return gone()
            study, rater = found
            if not takes_votes(study, self.clock()):
                return closed()
            return study.id, keep(session, study, rater, item) if rater.excluded is None else "excluded"

        done = self.store.run(work)
        if isinstance(done, Turned):
            return self._turned(done)
        study_id, kept = done
        if kept == "excluded":
            self.answers.refused("excluded")
        elif kept in NOT_KEPT:
            self.answers.refused(NOT_KEPT[kept])
        else:
            self.answers.stored(study_id, kind)
        if kept == "check":
            self.store.run(lambda session: self._hold_against_rules(session, invited))
        return RedirectResponse(f"/r/{token}", SEE_OTHER)

    def _turned(self, turned: Turned) -> Response:
        self.answers.refused(turned.reason)
        return turned.response

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
            return gone().response
        study, rater = found
        work_goes_to = hand_in(rater, invited)
        if not takes_votes(study, self.clock()):
            # Whoever has worked on Mechanical Turk must be able to hand that in.
            if work_goes_to and rater.started_at:
                return page("thanks.html.j2", rater=rater, hand_in=work_goes_to, held=False)
            return closed().response
        if rater.started_at is None:
            return page("welcome.html.j2", study=study, instruction=instruction_html(study.instruction), token=token)
        item = next_item(session, study, rater, self.clock()) if rater.excluded is None else None
        if item is None:
            return self._nothing_left(session, study, rater, work_goes_to)
        rater.finished_at = None
        form = self.forms.dumps([invited.code, item.assignment_id])
        pair = self.pairs.of(session, item.pair_id)
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

    def _nothing_left(self, session: Session, study: Study, rater: Rater, work_goes_to: str | None) -> Response:
        """Thanks; to whoever has answered nothing, whether to come back: there is nothing to thank or to pay for."""
        answered = session.scalar(select(Vote.id).where(Vote.rater_id == rater.id).limit(1)) is not None
        held = rater.excluded is None and may_come_back(session, study, rater)
        if not answered and rater.excluded is None:
            minutes = math.ceil(study.reserve_seconds / 60)
            return page("nothing_free.html.j2", minutes=minutes if held else None, task=bool(rater.mturk_assignment))
        # A task that can be handed in is finished: nobody is to wait for more with it, or to be paid for it again.
        held = held and work_goes_to is None
        if not held:
            rater.finished_at = rater.finished_at or self.clock()
        return page("thanks.html.j2", rater=rater, hand_in=work_goes_to, held=held)


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
        return rating.entrance.door(request, token, workerId, assignmentId, hitId, turkSubmitTo)

    return routes
