"""The ledger of payments in the service's database: a payment is planned under a token, then sent, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from components.crowd.database import Store
from components.crowd.tables import Payment, Rater


class PayBook:
    """Payments of one study. Every call is a transaction of its own, so a kill between two loses neither."""

    def __init__(self, store: Store, study_id: int, *, clock: Callable[[], float] = time.time) -> None:
        """Keep the payments of the study in its database."""
        self._store = store
        self._study_id = study_id
        self._clock = clock

    def plan(self, token: str, rater: str, kind: Literal["reward", "bonus"], cents: int) -> int:
        """Write down that `rater` will get `cents`; gives the amount that was planned first under this token."""

        def work(session: Session) -> int:
            known = session.scalar(select(Payment.cents).where(Payment.token == token))
            if known is not None:
                return known
            asked = select(Rater.id).where(Rater.study_id == self._study_id, Rater.key == rater)
            row = {"study_id": self._study_id, "rater_id": session.scalar(asked), "kind": kind, "cents": cents}
            session.add(Payment(**row, token=token, state="planned", created_at=self._clock()))
            return cents

        return self._store.run(work)

    def planned_cents(self, token: str) -> int | None:
        """The amount under a token; None when nothing was planned."""
        return self._store.run(lambda session: session.scalar(select(Payment.cents).where(Payment.token == token)))

    def is_sent(self, token: str) -> bool:
        """Whether the payment is done."""
        asked = select(Payment.state).where(Payment.token == token)
        return self._store.run(lambda session: session.scalar(asked)) == "sent"

    def mark_sent(self, token: str) -> None:
        """The payment is done."""

        def work(session: Session) -> None:
            payment = session.scalars(select(Payment).where(Payment.token == token)).one()
            if payment.state != "sent":
                payment.state, payment.sent_at = "sent", self._clock()

        self._store.run(work)

    def sent_cents(self) -> int:
        """Everything sent so far, without fees."""
        asked = select(Payment.cents).where(Payment.study_id == self._study_id, Payment.state == "sent")
        return sum(self._store.run(lambda session: list(session.scalars(asked))))
