"""The rating service from the command line: its database, opened, and everything that is done to a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.yaml_documents import read_mapping
from components.crowd.database import Store, database_url, open_database
from components.crowd.invitations import DAY_SECONDS, invite, mturk_identity, rater_key
from components.crowd.settings import Settings, read_settings
from components.crowd.study.audit import note
from components.crowd.study.closing import apply_rules, find_study, forget, set_closed, takes_votes
from components.crowd.study.creation import create_study, read_pairs
from components.crowd.study.design import StudyDesign, checked, silent_rules, with_repeats
from components.crowd.study.results import Progress, RaterLine, divided_pairs, judgments, progress, rater_lines
from components.crowd.tables import Study

T = TypeVar("T")


class State(NamedTuple):
    """How far one study is."""

    name: str
    open: bool
    closes: str | None
    """Deadline, as ISO 8601; null = none."""
    design_digest: str
    rules_digest: str
    progress: list[Progress]
    divided: int
    """Complete headline pairs without a majority."""
    raters: list[RaterLine]


class Desk:
    """One database and its secrets."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Over an opened database."""
        self.store, self.settings = store, settings

    def create(
        self,
        pairs: Path,
        name: str,
        design: Path | None = None,
        closes_at: float | None = None,
    ) -> str:
        """Make a study of a file of pairs; its name.

        Raises:
            TouchstoneError: the pairs or the design cannot be read, or another study has the name.
        """
        made = read_design(name, design)
        rows = read_pairs(pairs)
        return self._run(lambda session: create_study(session, made, rows, closes_at=closes_at).name)

    def silent_rules(self, pairs: Path, name: str, design: Path | None = None) -> list[str]:
        """Rules of exclusion that can exclude nobody in a study of these pairs."""
        made = read_design(name, design)
        return silent_rules(made, with_repeats(checked(read_pairs(pairs)), made))

    def invite(self, study: str | None, identities: Sequence[str], days: float, lane: str = "crowd") -> list[str]:
        """Tokens of links, one for each identity."""
        return self._run(
            lambda session: invite(
                session, self.settings.secret, find_study(session, study), identities, days=days, lane=lane
            )
        )

    def states(self, name: str | None) -> list[State]:
        """How far one study is, or all are."""

        def work(session: Session) -> list[State]:
            studies = [find_study(session, name)] if name else list(session.scalars(select(Study).order_by(Study.id)))
            return [_state(session, study) for study in studies]

        return self._run(work)

    def set_closed(self, name: str | None, closed: bool) -> str:
        """Close or open a study; its name."""

        def work(session: Session) -> str:
            study = find_study(session, name)
            set_closed(session, study, closed)
            return study.name

        return self._run(work)

    def judgments(self, name: str | None, kinds: Sequence[str]) -> tuple[State, list[Judgment]]:
        """The study's votes as rows, after every rater was held against the rules."""

        def work(session: Session) -> tuple[State, list[Judgment]]:
            study = find_study(session, name)
            apply_rules(session, study)
            rows = judgments(session, study, kinds)
            note(session, "command", "export", study.name, f"{len(rows)} judgments")
            return _state(session, study), rows

        return self._run(work)

    def forget(self, name: str | None, rater: str) -> int:
        """Delete a rater, given by pseudonym or by the identity the link was made for; how many votes there were."""

        def work(session: Session) -> int:
            study = find_study(session, name)
            keys = [line.key for line in rater_lines(session, study)]
            hashed = [rater_key(self.settings.secret, study.name, who) for who in (rater, mturk_identity(rater))]
            key = next((key for key in (rater, *hashed) if key in keys), rater)
            return forget(session, study, key)

        return self._run(work)

    def _run(self, work: Callable[[Session], T]) -> T:
        try:
            return self.store.run(work)
        except DBAPIError as error:
            # Not the driver's words: they may quote the address, password included.
            raise TouchstoneError(
                f"the database does not answer as it should ({type(error.orig).__name__})",
                expected="a database that can be reached and written",
                remedy="check DATABASE_URL, the server, and the room on its disk; nothing was half done",
            ) from error


def open_desk() -> Desk:
    """The database that DATABASE_URL names, with this environment's secrets."""
    url = database_url()
    return Desk(Store(open_database(url)), read_settings(url))


def read_design(name: str, file: Path | None) -> StudyDesign:
    """A design from a YAML file of `StudyDesign`'s fields; its defaults without.

    Raises:
        UsageError: the file names an unknown field, or a value cannot be.
    """
    given = read_mapping(file) if file else {}
    try:
        return StudyDesign.model_validate({"name": name, **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{file or 'the design'}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            expected="fields of " + ", ".join(StudyDesign.model_fields),
        ) from error


def _state(session: Session, study: Study) -> State:
    closes = study.closes_at
    return State(
        study.name,
        takes_votes(study, datetime.now(UTC).timestamp()),
        datetime.fromtimestamp(closes, UTC).isoformat(timespec="minutes") if closes is not None else None,
        study.design_digest,
        study.rules_digest,
        progress(session, study),
        divided_pairs(session, study),
        rater_lines(session, study),
    )


def deadline(days: float | None) -> float | None:
    """Seconds since 1970 UTC, so many days from now."""
    return datetime.now(UTC).timestamp() + days * DAY_SECONDS if days is not None else None
