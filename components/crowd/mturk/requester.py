"""Mechanical Turk's operations as typed calls, repeated with patience where the service says to come back later.

Every operation used here may be repeated: creating and paying carry a token, the others set a state.
Credentials are boto3's own: AWS_* variables, or a named profile where those belong to an object store.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, ProfileNotFound

from components.contracts.errors import TouchstoneError, UsageError
from components.crowd.mturk.terms import Place, Terms

ENDPOINTS: dict[Place, str] = {
    "sandbox": "https://mturk-requester-sandbox.us-east-1.amazonaws.com",
    "production": "https://mturk-requester.us-east-1.amazonaws.com",
}
PAGE_SIZE = 100
MIN_LIFETIME_SECONDS = 30
LONGEST_ALLOWED_SECONDS = 365 * 24 * 3600
"""What Mechanical Turk takes for the time to work on an assignment."""
MAX_ATTEMPTS = 7
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 20.0
HIT_EXISTS = "hitalreadyexists"
"""Ends the code of that refusal, whose capitals differ between the service's versions."""
REFUSED_CREDENTIALS = {"UnrecognizedClientException", "InvalidSignatureException", "AccessDeniedException"}
ELSEWHERE = (
    "check the network and whether the service is still offered (its documentation announced its end for 30 September"
    " 2026); raters can also be invited by link, or rate in Label Studio or a spreadsheet"
)
HIT_ID = re.compile(r"\b[A-Z0-9]{20,64}\b")


class TurkHit(NamedTuple):
    """A HIT as the service tells of it."""

    hit_id: str
    token: str
    """RequesterAnnotation: our name for it."""
    num_assignments: int
    reward_cents: int
    expires: datetime
    num_pending: int
    """People who have accepted it and not handed in."""
    allowed: int
    """Seconds from accepting it to handing in, at most."""


class Assignment(NamedTuple):
    """What one person did with one HIT."""

    assignment_id: str
    worker_id: str
    status: Literal["Submitted", "Approved", "Rejected"]


class Bonus(NamedTuple):
    """A bonus that was paid."""

    worker_id: str
    cents: int
    reason: str


class Requester:
    """One account at one endpoint."""

    def __init__(
        self,
        place: Place,
        *,
        endpoint: str = "",
        profile: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Speak to Mechanical Turk; nothing is asked yet.

        Args:
            place: Sandbox or production.
            endpoint: Another address than the place's own, such as a stand-in's.
            profile: Of boto3's configuration files; empty = AWS_* variables.
            pause: Waits between attempts.

        Raises:
            UsageError: there is no such profile.
        """
        # One place that repeats: boto3 would not come back after a RequestError that means throttling.
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
        try:
            session = boto3.Session(profile_name=profile or None, region_name="us-east-1")
            self._client = session.client("mturk", endpoint_url=endpoint or ENDPOINTS[place], config=config)
        except ProfileNotFound as error:
            raise UsageError(
                f"there is no AWS profile called {profile}", remedy="name one of ~/.aws/credentials, or none"
            ) from error
        self.place = place
        self._pause = pause

    def balance_cents(self) -> int:
        """Money that tasks can be paid from."""
        return _cents(self._call("get_account_balance")["AvailableBalance"])

    def hits(self) -> list[TurkHit]:
        """Every HIT of the account, each once, whatever moves between pages while they are read."""
        found = {hit["HITId"]: _hit(hit) for hit in self._pages("list_hits", "HITs")}
        return list(found.values())

    def hit(self, hit_id: str) -> TurkHit:
        """One HIT."""
        return _hit(self._call("get_hit", HITId=hit_id)["HIT"])

    def create(self, token: str, question: str, terms: Terms, num_assignments: int, days_open: float) -> str | None:
        """Create a HIT; gives its id, or None when `token` was used before and the answer does not tell for which."""
        day = 24 * 3600
        try:
            made = self._call(
                "create_hit",
                UniqueRequestToken=token,
                RequesterAnnotation=token,
                Title=terms.title,
                Description=terms.description,
                Keywords=terms.keywords,
                Reward=_text(terms.reward_cents),
                MaxAssignments=num_assignments,
                AssignmentDurationInSeconds=terms.minutes_allowed * 60,
                LifetimeInSeconds=max(MIN_LIFETIME_SECONDS, round(days_open * day)),
                AutoApprovalDelayInSeconds=terms.days_to_approval * day,
                QualificationRequirements=terms.qualifications(),
                Question=question,
            )
        except TurkRefusal as refusal:
            if not refusal.code.lower().endswith(HIT_EXISTS):
                raise
            for hit_id in HIT_ID.findall(refusal.message):
                if self.hit(hit_id).token == token:
                    return str(hit_id)
            return None
        return str(made["HIT"]["HITId"])

    def assignments(self, hit_id: str) -> list[Assignment]:
        """What was submitted for a HIT, each assignment once."""
        pages = self._pages("list_assignments_for_hit", "Assignments", HITId=hit_id)
        found = {row["AssignmentId"]: row for row in pages}
        return [Assignment(row["AssignmentId"], row["WorkerId"], row["AssignmentStatus"]) for row in found.values()]

    def approve(self, assignment_id: str) -> None:
        """Pay an assignment's reward; one that is approved already stays so."""
        self._decide("approve_assignment", "Approved", assignment_id, RequesterFeedback="Thank you.")

    def reject(self, assignment_id: str, reason: str) -> None:
        """Pay nothing, and tell the person why."""
        self._decide("reject_assignment", "Rejected", assignment_id, RequesterFeedback=reason)

    def bonuses(self, hit_id: str) -> list[Bonus]:
        """Bonuses paid for a HIT's assignments; equal ones that stand on two pages count once."""
        rows = self._pages("list_bonus_payments", "BonusPayments", HITId=hit_id)
        found = {(row["AssignmentId"], row["Reason"], str(row["GrantTime"])): row for row in rows}
        return [Bonus(row["WorkerId"], _cents(row["BonusAmount"]), row["Reason"]) for row in found.values()]

    def send_bonus(self, token: str, worker_id: str, assignment_id: str, cents: int, reason: str) -> bool:
        """Pay a bonus; False when `token` says that it was paid before.

        Raises:
            TurkRefusal: the service will not pay it.
        """
        try:
            self._call(
                "send_bonus",
                UniqueRequestToken=token,
                WorkerId=worker_id,
                AssignmentId=assignment_id,
                BonusAmount=_text(cents),
                Reason=reason,
            )
        except TurkRefusal as refusal:
            if not refusal.is_repetition:
                raise
            return False
        return True

    def expire(self, hit_id: str, now: datetime) -> None:
        """Let nobody accept a HIT any more; who has accepted it may finish."""
        try:
            self._call("update_expiration_for_hit", HITId=hit_id, ExpireAt=datetime.fromtimestamp(0, UTC))
        except TurkRefusal:
            # Expiring twice within a second is refused as a repetition; what counts is that it has expired.
            if self.hit(hit_id).expires > now:
                raise

    def _decide(self, operation: str, status: str, assignment_id: str, **arguments: object) -> None:
        try:
            self._call(operation, AssignmentId=assignment_id, **arguments)
        except TurkRefusal:
            # The answer to an earlier attempt may have been lost after it was done.
            found = self._call("get_assignment", AssignmentId=assignment_id)["Assignment"]["AssignmentStatus"]
            if found != status:
                raise

    def _pages(self, operation: str, key: str, **arguments: object) -> Iterator[dict[str, Any]]:
        token: dict[str, object] = {}
        while True:
            page = self._call(operation, MaxResults=PAGE_SIZE, **arguments, **token)
            yield from page.get(key, [])
            if not page.get("NextToken") or not page.get(key):
                return
            token = {"NextToken": page["NextToken"]}

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        for attempt in range(MAX_ATTEMPTS):
            try:
                answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
                return answer
            except ClientError as error:
                if not _passes(error) or attempt == MAX_ATTEMPTS - 1:
                    raise _problem(operation, error) from error
            except (ConnectionError, HTTPClientError) as error:
                if attempt == MAX_ATTEMPTS - 1:
                    raise TouchstoneError(
                        f"Mechanical Turk ({self.place}) cannot be reached: {type(error).__name__}", remedy=ELSEWHERE
                    ) from error
            except BotoCoreError as error:
                raise TouchstoneError(
                    f"Mechanical Turk ({self.place}): {error}",
                    expected="credentials of an AWS account that is linked to a requester",
                    remedy="export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
                ) from error
            longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
            self._pause(random.uniform(longest / 2, longest))
        raise AssertionError("the last attempt returns or raises")


class TurkRefusal(TouchstoneError):
    """Mechanical Turk understood and said no."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"Mechanical Turk refuses {operation}: {message or code}", remedy="see the message")
        self.code = code
        self.message = message

    @property
    def is_repetition(self) -> bool:
        """Whether it refuses because the same token did its work before."""
        words = self.message.lower()
        return "already" in words and ("token" in words or "request" in words)


def _passes(error: ClientError) -> bool:
    """Whether the same request may succeed later."""
    code = f"{error.response.get('Error', {}).get('Code', '')} {error.response.get('TurkErrorCode', '')}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or "hrottl" in code or "ServiceFault" in code


def _problem(operation: str, error: ClientError) -> TouchstoneError:
    told = error.response.get("Error", {})
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    if code in REFUSED_CREDENTIALS:
        return TouchstoneError(
            f"Mechanical Turk does not accept the credentials: {message or code}",
            expected="keys of an AWS account that is linked to a Mechanical Turk requester",
            remedy="link the account, or name another profile",
        )
    if _passes(error):
        return TouchstoneError(
            f"Mechanical Turk fails to answer {operation}: {code} {message}",
            remedy="run the same command again later; nothing is created or paid twice. " + ELSEWHERE,
        )
    return TurkRefusal(operation, str(error.response.get("TurkErrorCode") or code), message)


def _hit(row: dict[str, Any]) -> TurkHit:
    return TurkHit(
        row["HITId"],
        row.get("RequesterAnnotation", ""),
        row["MaxAssignments"],
        _cents(row["Reward"]),
        row["Expiration"],
        row.get("NumberOfAssignmentsPending", 0),
        row.get("AssignmentDurationInSeconds", LONGEST_ALLOWED_SECONDS),
    )


def _cents(text: str) -> int:
    return round(float(text) * 100)


def _text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
