"""Creates a study's HITs, each exactly once whatever is interrupted.

A HIT's token follows from the study and its number, is its RequesterAnnotation too, and goes into the journal before it
is sent. A token protects for 24 hours only (Mechanical Turk forgets it then), so every start first looks among the
account's HITs for tokens that are taken.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from components.contracts import canonical
from components.contracts.crowd_rows import Hit
from components.contracts.errors import TouchstoneError, UsageError
from components.contracts.journal import Journal
from components.crowd.mturk.requester import Requester, TurkHit
from components.crowd.mturk.terms import Estimate, Terms, estimate

SCHEMA = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd"
MAX_LISTINGS = 5


class Plan(NamedTuple):
    """What to create."""

    study: str
    """Identity of the study: of its name and content, so that another study gets other tokens."""
    page: str
    """Address of the rating page, with the study's token."""
    num_assignments: int
    """People wanted."""
    terms: Terms
    days_open: float = 7.0
    """After so many days nobody may accept any more; at most a year."""
    round: int = 1
    """A further round of the same study creates further HITs."""


def external_question(page: str) -> str:
    """The XML that has Mechanical Turk show `page` in a frame as high as the window.

    Raises:
        UsageError: the address is not https, which the frame would not show.
    """
    parts = urlsplit(page)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(
            f"{page} cannot be shown to people on Mechanical Turk",
            expected="an https:// address that their browsers can reach",
            remedy="give the public address of the rating service",
        )
    content = f"<ExternalURL>{escape(page)}</ExternalURL><FrameHeight>0</FrameHeight>"
    return f'<ExternalQuestion xmlns="{SCHEMA}">{content}</ExternalQuestion>'


def create_hits(requester: Requester, plan: Plan, journal: Journal) -> list[Hit]:
    """Create what is not there yet; gives all HITs of the plan.

    Raises:
        TouchstoneError: too dear, no money on the account, HITs of this plan exist with another offer, or Mechanical
            Turk does not do its part.
    """
    question, terms = external_question(plan.page), plan.terms
    priced = affordable(plan)
    tokens = {token_of(plan, number): size for number, size in enumerate(priced.hit_sizes)}
    made = {token: str(found["hit_id"]) for token in tokens if (found := journal.read(f"hit {token}")) is not None}
    if len(made) < len(tokens):
        for token, hit in _taken(requester, tokens).items():
            _same_offer(hit, tokens[token], terms)
            made[token] = _kept(journal, token, hit.hit_id)
        missing = {token: size for token, size in tokens.items() if token not in made}
        _enough_money(requester, missing, priced)
        for token, size in missing.items():
            journal.append(f"sent {token}", {"num_assignments": size})
            made[token] = _kept(journal, token, _create(requester, token, question, plan, size))
    return [
        Hit(
            token=token,
            hit_id=made[token],
            place=requester.place,
            num_assignments=size,
            reward_usd=terms.reward_cents / 100,
        )
        for token, size in tokens.items()
    ]


def affordable(plan: Plan) -> Estimate:
    """The price of a plan.

    Raises:
        TouchstoneError: it is above the terms' `max_usd`.
    """
    priced = estimate(plan.num_assignments, plan.terms)
    limit = plan.terms.max_usd
    if limit is not None and priced.usd > limit:
        raise TouchstoneError(
            f"{priced}",
            expected=f"at most max_usd = {limit:.2f} USD",
            remedy="raise max_usd, lower reward_usd, or rate fewer pairs; nothing was created",
        )
    return priced


def token_of(plan: Plan, number: int) -> str:
    """Name of the plan's HIT `number`; at most 64 characters."""
    identity = [plan.study, plan.terms.place, plan.round, number]
    return f"touchstone-{canonical.digest({'hit': identity})[:40]}"


def _create(requester: Requester, token: str, question: str, plan: Plan, size: int) -> str:
    hit_id = requester.create(token, question, plan.terms, size, plan.days_open)
    if hit_id is None:
        # The service says that the token is taken and not by which HIT.
        found = _taken(requester, {token: size})
        if token not in found:
            raise TouchstoneError(
                f"Mechanical Turk says that a HIT exists for {token}, and does not list it",
                remedy="run the same command again in some minutes; nothing is created twice",
            )
        hit_id = found[token].hit_id
    return hit_id


def _taken(requester: Requester, tokens: dict[str, int]) -> dict[str, TurkHit]:
    """HITs of ours among the account's. A list that moves while it is read may skip one: read until it repeats."""
    found: dict[str, TurkHit] = {}
    for _ in range(MAX_LISTINGS):
        before = len(found)
        found |= {hit.token: hit for hit in requester.hits() if hit.token in tokens}
        if len(found) in {before, len(tokens)}:
            break
    return found


def _same_offer(hit: TurkHit, size: int, terms: Terms) -> None:
    if (hit.num_assignments, hit.reward_cents) != (size, terms.reward_cents):
        raise TouchstoneError(
            f"HIT {hit.hit_id} of this study exists for {hit.num_assignments} people at {hit.reward_cents / 100:.2f}"
            f" USD, now {size} at {terms.reward_cents / 100:.2f} USD are wanted",
            expected="the offer with which the study was published",
            remedy="keep that offer, or close these HITs and give the next number as round",
        )


def _enough_money(requester: Requester, missing: dict[str, int], priced: Estimate) -> None:
    if not missing:
        return
    share = sum(missing.values()) / priced.num_assignments
    needed, there = round(priced.usd * 100 * share), requester.balance_cents()
    if there < needed:
        raise TouchstoneError(
            f"the Mechanical Turk account ({requester.place}) holds {there / 100:.2f} USD",
            expected=f"{needed / 100:.2f} USD for {sum(missing.values())} assignments with fees",
            remedy="add money to the account; what was created stays",
        )


def _kept(journal: Journal, token: str, hit_id: str) -> str:
    journal.append(f"hit {token}", {"hit_id": hit_id})
    return hit_id
