"""The ledger of payments in the service's database: a payment is planned under a token, then sent, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from components.crowd.tables import Payment, Rater


class PayBook:
    """Payments of one study. Every call is a transaction of its own, so a kill between two loses neither."""

    def __init__(self, engine: Engine, study_id: int, *, clock: Callable[[], float] = time.time) -> None:
        """Keep the payments of the study in its database."""
        self._engine = engine
        self._study_id = study_id
        self._clock = clock

    def plan(self, token: str, rater: str, kind: Literal["reward", "bonus"], cents: int) -> int:
        """Write down that `rater` will get `cents`; gives the amount that was planned first under this token."""
        for _ in range(2):
            known = self.planned_cents(token)
            if known is not None:
                return known
            with Session(self._engine) as session:
                rater_id = session.scalar(select(Rater.id).where(Rater.study_id == self._study_id, Rater.key == rater))
                session.add(
                    Payment(
                        study_id=self._study_id,
                        rater_id=rater_id,
                        kind=kind,
                        cents=cents,
                        token=token,
                        state="planned",
                        created_at=self._clock(),
                    )
                )
                try:
                    session.commit()
                except IntegrityError:
                    continue  # another process planned it in between
                return cents
        raise AssertionError(f"payment {token} is neither there nor can it be added")

    def planned_cents(self, token: str) -> int | None:
        """The amount under a token; None when nothing was planned."""
        with Session(self._engine) as session:
            return session.scalar(select(Payment.cents).where(Payment.token == token))

    def is_sent(self, token: str) -> bool:
        """Whether the payment is done."""
        with Session(self._engine) as session:
            return session.scalar(select(Payment.state).where(Payment.token == token)) == "sent"

    def mark_sent(self, token: str) -> None:
        """The payment is done."""
        with Session(self._engine) as session:
            payment = session.scalars(select(Payment).where(Payment.token == token)).one()
            if payment.state != "sent":
                payment.state, payment.sent_at = "sent", self._clock()
                session.commit()

    def sent_cents(self) -> int:
        """Everything sent so far, without fees."""
        with Session(self._engine) as session:
            rows = session.scalars(
                select(Payment.cents).where(Payment.study_id == self._study_id, Payment.state == "sent")
            )
            return sum(rows)
