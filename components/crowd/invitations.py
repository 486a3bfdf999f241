"""Raters and the links that let them in. A link carries a random code, signed, until when; never who it is for."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from components.contracts.errors import UsageError
from components.crowd.study.audit import note
from components.crowd.tables import Rater, Study

DAY_SECONDS = 86_400.0


class Invited(NamedTuple):
    """What a valid link says."""

    code: str
    """The rater's."""
    until: float
    """When it expires, in seconds since 1970 UTC."""
    site: str
    """Where to hand the work in: empty, or the Mechanical Turk site the rater came from."""


class Door(NamedTuple):
    """What the address of a Mechanical Turk task says."""

    study_id: int
    until: float


def signer(secret: bytes, purpose: str) -> URLSafeSerializer:
    """Signs and reads back small values; what was signed for one purpose is void for another."""
    return URLSafeSerializer(
        secret,
        salt=f"touchstone-crowd/{purpose}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def rater_key(secret: bytes, study: str, identity: str) -> str:
    """The rater's pseudonym: a keyed hash (HMAC-SHA256), of which nobody without the key can make or test a guess.

    The same person has another pseudonym in another study. Addresses of mail are the same in capitals or not.
    """
    identity = identity.strip()
    identity = identity.casefold() if "@" in identity else identity
    # Half a character, as a damaged file may hold it, is as good a part of a name as any.
    words = f"rater|{study}|{identity}".encode("utf-8", "surrogatepass")
    return hmac.new(secret, words, hashlib.sha256).hexdigest()[:24]


def mturk_identity(worker: str) -> str:
    """A Mechanical Turk worker's identity: the same whether the work was done on our page or in a batch."""
    return f"mturk:{worker}"


def rater_token(secret: bytes, code: str, until: float, site: str = "") -> str:
    """The last part of a rater's link."""
    return str(signer(secret, "rater").dumps([code, round(until), site]))


def read_rater_token(secret: bytes, token: str) -> Invited | None:
    """What a link says; null when it was not signed here. Whether it has expired is the caller's to ask."""
    try:
        code, until, site = signer(secret, "rater").loads(token)
    except (BadSignature, ValueError, TypeError):
        return None
    return Invited(str(code), float(until), str(site))


def door_token(secret: bytes, study_id: int, until: float) -> str:
    """The last part of the address under which Mechanical Turk opens a study."""
    return str(signer(secret, "door").dumps([study_id, round(until)]))


def read_door_token(secret: bytes, token: str) -> Door | None:
    """What such an address says; null when it was not signed here."""
    try:
        study_id, until = signer(secret, "door").loads(token)
    except (BadSignature, ValueError, TypeError):
        return None
    return Door(int(study_id), float(until))


def rater_for(session: Session, study: Study, key: str, *, lane: str = "crowd", channel: str = "link") -> Rater:
    """The rater of that pseudonym, made if there is none.

    Raises:
        UsageError: the person is there in another lane: votes of one person must not count in both.
    """
    there = session.scalar(select(Rater).where(Rater.study_id == study.id, Rater.key == key))
    if there is None:
        there = Rater(
            study_id=study.id,
            code=secrets.token_hex(16),
            key=key,
            lane=lane,
            channel=channel,
            created_at=time.time(),
        )
        session.add(there)
        session.flush()
    if there.lane != lane:
        raise UsageError(f"rater {key} takes part as {there.lane}", expected=f"someone new in the lane {lane}")
    return there


def invite(
    session: Session,
    secret: bytes,
    study: Study,
    identities: Sequence[str],
    *,
    days: float,
    lane: str = "crowd",
    actor: str = "command",
) -> list[str]:
    """A link's token for each identity (an e-mail address, a name, a number), which is hashed and kept nowhere.

    Invited again, a person gets a new link to the same work.
    """
    until = time.time() + days * DAY_SECONDS
    raters = [rater_for(session, study, rater_key(secret, study.name, identity), lane=lane) for identity in identities]
    note(session, actor, "invite", study.name, f"{len(raters)} to the lane {lane}, for {days:g} days")
    return [rater_token(secret, rater.code, until) for rater in raters]
