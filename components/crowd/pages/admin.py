"""The admin's pages: progress, raters, invitations, results, log. Behind a password; a cookie keeps the login."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from itsdangerous import BadSignature
from sqlalchemy import select
from sqlalchemy.orm import Session

from components.crowd.database import Store
from components.crowd.invitations import invite, signer
from components.crowd.pages.guard import Rates, address_of
from components.crowd.pages.paper import message, page
from components.crowd.settings import PASSWORD, Settings, opens
from components.crowd.study.audit import entries, note
from components.crowd.study.closing import apply_rules, set_closed, takes_votes
from components.crowd.study.results import Progress, divided_pairs, judgments, progress, rater_lines
from components.crowd.tables import Pair, Study, Vote

COOKIE = "touchstone_admin"
LOGIN_SECONDS = 8 * 3600
MOST_INVITED = 200
SEE_OTHER = 303

Field = Annotated[str, Form()]
StudyId = Annotated[int, Path(ge=1, le=2**31 - 1)]
"""What the database takes for an id."""


class Admin:
    """Answers whoever knows the password."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """Over one database."""
        self.store, self.settings, self.clock = store, settings, clock
        # Another password ends every login.
        password = hashlib.sha256((settings.password or "").encode()).hexdigest()
        self.cookies = signer(settings.secret, f"admin/{password}")
        self.forms = signer(settings.secret, "admin-form")
        # Guessing is slow from one address, and not fast from many.
        self.tries = Rates(per_second=1 / 12, burst=5)
        self.all_tries = Rates(per_second=0.5, burst=30)

    def login(self, request: Request, password: str) -> Response:
        """Check the password."""
        if self.settings.password is None:
            return self._shut()
        if not (self.tries.allow(address_of(request)) and self.all_tries.allow("all")):
            return page("login.html.j2", 429, wrong="Too many tries. Wait a minute.")
        if not opens(password, self.settings.password):
            self.store.run(lambda session: note(session, "admin", "login-failed"))
            return page("login.html.j2", 403, wrong="That is not the password.")
        self.store.run(lambda session: note(session, "admin", "login"))
        answer = RedirectResponse("/admin", SEE_OTHER)
        login = self.cookies.dumps([secrets.token_hex(8), round(self.clock() + LOGIN_SECONDS)])
        answer.set_cookie(
            COOKIE,
            str(login),
            max_age=LOGIN_SECONDS,
            path="/admin",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    def logout(self, request: Request, form: str) -> Response:
        """Forget the login in this browser."""
        if not self._signed(request, form):
            return _refused()
        answer = RedirectResponse("/admin", SEE_OTHER)
        answer.delete_cookie(COOKIE, path="/admin")
        return answer

    def studies(self, request: Request) -> Response:
        """All studies, or the login."""
        if self.settings.password is None:
            return self._shut()
        login = self._login(request)
        if login is None:
            return page("login.html.j2", wrong=None)

        def work(session: Session) -> Response:
            found = list(session.scalars(select(Study).order_by(Study.id.desc())))
            lines = [(study, takes_votes(study, self.clock()), _rated(progress(session, study))) for study in found]
            return page("studies.html.j2", studies=lines, form=self.forms.dumps(login))

        return self.store.run(work)

    def study(self, request: Request, study_id: int, links: list[str] | None = None) -> Response:
        """One study."""
        login = self._login(request)
        if login is None:
            return RedirectResponse("/admin", SEE_OTHER)

        def work(session: Session) -> Response:
            study = session.get(Study, study_id)
            if study is None:
                return message("There is no such study", "It may have been deleted.", 404)
            return page(
                "study.html.j2",
                study=study,
                open=takes_votes(study, self.clock()),
                closes=_utc(study.closes_at) if study.closes_at is not None else None,
                progress=progress(session, study),
                divided=divided_pairs(session, study),
                raters=rater_lines(session, study),
                problems=_problems(session, study),
                log=[(_utc(entry.at), entry) for entry in entries(session, study.name)],
                links=links or [],
                form=self.forms.dumps(login),
            )

        return self.store.run(work)

    def invite(self, request: Request, study_id: int, form: str, number: int, days: int, lane: str) -> Response:
        """Links for people whose names nobody tells the service."""
        if not self._signed(request, form):
            return _refused()
        if not (1 <= number <= MOST_INVITED and 1 <= days <= 365 and lane in {"crowd", "expert"}):
            return message("That cannot be", f"1 to {MOST_INVITED} people, 1 to 365 days.", 400)

        def work(session: Session) -> list[str]:
            study = session.get_one(Study, study_id)
            people = [secrets.token_hex(16) for _ in range(number)]
            return invite(session, self.settings.secret, study, people, days=days, lane=lane, actor="admin")

        made = self.store.run(work)
        return self.study(request, study_id, [f"{str(request.base_url).rstrip('/')}/r/{token}" for token in made])

    def set_closed(self, request: Request, study_id: int, form: str, closed: bool) -> Response:
        """Close a study, or open it again."""
        if not self._signed(request, form):
            return _refused()
        self.store.run(lambda session: set_closed(session, session.get_one(Study, study_id), closed, actor="admin"))
        return RedirectResponse(f"/admin/studies/{study_id}", SEE_OTHER)

    def export(self, request: Request, study_id: int) -> Response:
        """Judgments, one a line."""
        if self._login(request) is None:
            return RedirectResponse("/admin", SEE_OTHER)

        def work(session: Session) -> str:
            study = session.get_one(Study, study_id)
            apply_rules(session, study)
            rows = judgments(session, study)
            note(session, "admin", "export", study.name, f"{len(rows)} judgments")
            return "".join(row.model_dump_json() + "\n" for row in rows)

        headers = {"Content-Disposition": 'attachment; filename="judgments.jsonl"'}
        return Response(self.store.run(work), media_type="application/jsonl", headers=headers)

    def _login(self, request: Request) -> str | None:
        """What tells this login from others; null = nobody is logged in."""
        try:
            login, until = self.cookies.loads(request.cookies.get(COOKIE, ""))
        except (BadSignature, ValueError, TypeError):
            return None
        return str(login) if self.settings.password is not None and self.clock() < until else None

    def _signed(self, request: Request, form: str) -> bool:
        """Whether a form was made for this very login: no other site can make one."""
        login = self._login(request)
        try:
            return login is not None and bool(self.forms.loads(form) == login)
        except BadSignature:
            return False

    def _shut(self) -> Response:
        return PlainTextResponse(f"There are no admin's pages: {PASSWORD} is not set.\n", 404)


def admin_routes(admin: Admin) -> APIRouter:
    """Addresses of the admin's pages."""
    routes = APIRouter(prefix="/admin")

    @routes.get("")
    def studies(request: Request) -> Response:
        """All studies."""
        return admin.studies(request)

    @routes.post("/login")
    def login(request: Request, password: Field = "") -> Response:
        """Log in."""
        return admin.login(request, password)

    @routes.post("/logout")
    def logout(request: Request, form: Field = "") -> Response:
        """Log out."""
        return admin.logout(request, form)

    @routes.get("/studies/{study_id}")
    def study(request: Request, study_id: StudyId) -> Response:
        """One study."""
        return admin.study(request, study_id)

    @routes.post("/studies/{study_id}/invite")
    def invite_people(
        request: Request,
        study_id: StudyId,
        number: Annotated[int, Form()],
        days: Annotated[int, Form()],
        lane: Field = "crowd",
        form: Field = "",
    ) -> Response:
        """Make links."""
        return admin.invite(request, study_id, form, number, days, lane)

    @routes.post("/studies/{study_id}/close")
    def close(request: Request, study_id: StudyId, form: Field = "") -> Response:
        """Take no more votes."""
        return admin.set_closed(request, study_id, form, True)

    @routes.post("/studies/{study_id}/open")
    def open_again(request: Request, study_id: StudyId, form: Field = "") -> Response:
        """Take votes again."""
        return admin.set_closed(request, study_id, form, False)

    @routes.get("/studies/{study_id}/judgments.jsonl")
    def export(request: Request, study_id: StudyId) -> Response:
        """Judgments."""
        return admin.export(request, study_id)

    return routes


def _rated(lines: list[Progress]) -> Progress:
    """Headline and placebo pairs together."""
    found = [line for line in lines if line.kind in {"headline", "placebo"}]
    return Progress("all", *(sum(getattr(line, name) for line in found) for name in Progress._fields[1:]))


def _problems(session: Session, study: Study) -> list[tuple[str, str]]:
    asked = (
        select(Pair.key, Vote.problem)
        .join(Pair, Pair.id == Vote.pair_id)
        .where(Pair.study_id == study.id, Vote.problem.is_not(None))
        .order_by(Vote.id.desc())
        .limit(100)
    )
    return [(key, str(words)) for key, words in session.execute(asked)]


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _refused() -> Response:
    return message("That did not come from your page", "Please log in again, and press the button there.", 403)
