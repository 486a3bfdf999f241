"""The audit log: who did what to a study."""

from __future__ import annotations

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from components.crowd.tables import AuditEntry


def note(session: Session, actor: str, action: str, study: str | None = None, detail: str = "") -> None:
    """Add an entry; it is kept or lost with the transaction that it speaks of."""
    session.add(AuditEntry(at=time.time(), study=study, actor=actor, action=action, detail=detail))


def entries(session: Session, study: str, limit: int = 200) -> list[AuditEntry]:
    """The study's last entries, newest first."""
    asked = select(AuditEntry).where(AuditEntry.study == study).order_by(AuditEntry.id.desc()).limit(limit)
    return list(session.scalars(asked))
