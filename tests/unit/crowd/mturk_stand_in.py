"""Mechanical Turk on loopback: the requester protocol (JSON 1.1 with X-Amz-Target), honest or in a bad mood.

Every request that comes and every reply that leaves is held against botocore's model of the protocol; what strays from
it fails the test in which it happened.
"""

import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.unit.crowd.mturk_protocol import reply_problems, request_problems

Mood = Literal["throttle", "turk_throttle", "fail", "fail_after", "drop", "drop_after", "refuse"]
"""fail_after and drop_after do the work first; the client cannot tell."""


class Refusal(Exception):
    def __init__(self, message: str, code: str = "AWS.MechanicalTurk.Refused") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Account:
    """What the service knows."""

    balance: str = "10000.00"
    hits: dict[str, dict[str, Any]] = field(default_factory=dict)
    assignments: dict[str, dict[str, Any]] = field(default_factory=dict)
    bonuses: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    moods: dict[str, deque[Mood]] = field(default_factory=lambda: defaultdict(deque))
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    """What was said or answered that the protocol does not have."""
    before_answer: Callable[[str, int], None] = lambda operation, number: None
    """Called after the work is done and before the answer leaves, with the operation and how often it was called."""
    page_size: int = 3
    lists_move: bool = False
    """A HIT of somebody else disappears while the list is read, so that the next page skips one."""
    tells_hit_id: bool = True

    def CreateHIT(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        token = asked["UniqueRequestToken"]
        if token in self.tokens:
            told = f" HITId {self.tokens[token]}" if self.tells_hit_id else ""
            raise Refusal(
                f"The HIT with this request token already exists.{told} (1700000000000)",
                "AWS.MechanicalTurk.HitAlreadyExists",
            )
        hit_id = f"3HIT{len(self.hits):026d}"
        now = time.time()
        self.hits[hit_id] = {
            "HITId": hit_id,
            "HITTypeId": "3TYPE00000000000000000000000",
            "CreationTime": now,
            "Expiration": now + asked["LifetimeInSeconds"],
            "HITStatus": "Assignable",
            **{k: v for k, v in asked.items() if k not in {"UniqueRequestToken", "LifetimeInSeconds"}},
        }
        self.tokens[token] = hit_id
        return {"HIT": self.hits[hit_id]}

    def GetHIT(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if asked["HITId"] not in self.hits:
            raise Refusal(f"Hit {asked['HITId']} does not exist.", "AWS.MechanicalTurk.HITDoesNotExist")
        return {"HIT": self.hits[asked["HITId"]]}

    def ListHITs(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        page = self._page(list(self.hits.values()), asked, "HITs")
        foreign = [
            h for h, hit in self.hits.items() if not hit.get("RequesterAnnotation", "").startswith("touchstone-")
        ]
        if self.lists_move and foreign and "NextToken" not in asked:
            del self.hits[foreign[0]]
        return page

    def ListAssignmentsForHIT(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        rows = [a for a in self.assignments.values() if a["HITId"] == asked["HITId"]]
        # New submissions arrive at the front: the last of a page stands on the next one again.
        return self._page(rows, asked, "Assignments", overlap=1)

    def GetAssignment(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Assignment": self.assignments[asked["AssignmentId"]]}

    def ApproveAssignment(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._decide(asked, "Approved")

    def RejectAssignment(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._decide(asked, "Rejected")

    def SendBonus(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        token = asked["UniqueRequestToken"]
        if token in self.tokens:
            raise Refusal(f'The idempotency token "{token}" has already been processed. (1700000000000)')
        assert self.assignments[asked["AssignmentId"]]["WorkerId"] == asked["WorkerId"]
        self.tokens[token] = asked["AssignmentId"]
        row = {k: v for k, v in asked.items() if k != "UniqueRequestToken"}
        self.bonuses.append({**row, "GrantTime": time.time()})
        return {}

    def ListBonusPayments(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        rows = [b for b in self.bonuses if self.assignments[b["AssignmentId"]]["HITId"] == asked["HITId"]]
        return self._page(rows, asked, "BonusPayments")

    def UpdateExpirationForHIT(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.hits[asked["HITId"]]["Expiration"] = asked["ExpireAt"]
        return {}

    def GetAccountBalance(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"AvailableBalance": self.balance}

    def submit(self, hit_id: str, worker_id: str) -> str:
        """A worker finishes."""
        assignment_id = f"3ASG{len(self.assignments):026d}"
        self.assignments[assignment_id] = {
            "AssignmentId": assignment_id,
            "WorkerId": worker_id,
            "HITId": hit_id,
            "AssignmentStatus": "Submitted",
            "SubmitTime": time.time(),
        }
        return assignment_id

    def a_day_passes(self) -> None:
        """Tokens are forgotten after 24 hours."""
        self.tokens.clear()

    def in_mood(self, operation: str, *moods: Mood) -> None:
        """Behave so at the next calls."""
        self.moods[operation].extend(moods)

    def _decide(self, asked: dict[str, Any], status: str) -> dict[str, Any]:
        assignment = self.assignments[asked["AssignmentId"]]
        if assignment["AssignmentStatus"] != "Submitted":
            raise Refusal("This operation can be called with a status of: Submitted", "InvalidAssignmentState")
        assignment["AssignmentStatus"] = status
        return {}

    def _page(self, rows: list[Any], asked: dict[str, Any], key: str, overlap: int = 0) -> dict[str, Any]:
        begin = int(asked.get("NextToken", 0))
        end = begin + min(asked["MaxResults"], self.page_size)
        page: dict[str, Any] = {key: rows[begin:end], "NumResults": len(rows[begin:end])}
        if end < len(rows):
            page["NextToken"] = str(end - overlap)
        return page


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: apart, each answer would wait 40 ms for an acknowledgement
    account: Account
    lock: threading.Lock

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        asked = json.loads(body)
        with self.lock:
            account = self.account
            account.strays += request_problems(self.headers["X-Amz-Target"], asked)
            account.calls[operation] += 1
            account.requests.append((operation, asked))
            mood = account.moods[operation].popleft() if account.moods[operation] else None
            if mood == "drop":
                return self._drop()
            if mood in {"throttle", "turk_throttle", "fail", "refuse"}:
                return self._answer(operation, *self._refusal(mood))
            try:
                status, answer = 200, getattr(account, operation)(asked)
            except Refusal as refusal:
                status, answer = 400, _fault("RequestError", str(refusal), refusal.code)
            account.before_answer(operation, account.calls[operation])
        if mood == "drop_after":
            return self._drop()
        return self._answer(operation, *(self._refusal("fail") if mood == "fail_after" else (status, answer)))

    def _refusal(self, mood: str | None) -> tuple[int, dict[str, Any]]:
        if mood == "throttle":
            return 400, _fault("ThrottlingException", "Rate exceeded", "")
        if mood == "turk_throttle":
            return 400, _fault("RequestError", "Too many requests", "AWS.MechanicalTurk.RequestThrottled")
        if mood == "refuse":
            return 400, _fault("RequestError", "This worker can no longer be paid.", "AWS.MechanicalTurk.Refused")
        return 500, _fault("ServiceFault", "Internal error", "")

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _answer(self, operation: str, status: int, answer: dict[str, Any]) -> None:
        self.account.strays += reply_problems(operation, status, answer)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        pass


def _fault(kind: str, message: str, code: str) -> dict[str, Any]:
    return {"__type": kind, "Message": message, "TurkErrorCode": code}


@contextmanager
def stand_in() -> Iterator[tuple[str, Account]]:
    """Run the service; gives its address and what it knows."""
    account = Account()
    handler = type("Handler", (_Handler,), {"account": account, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", account
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
