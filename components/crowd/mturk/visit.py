"""What Mechanical Turk's frame tells the rating page, and where the page sends a person back to.

The frame adds four parameters to the page's address. They are the visitor's word, not the service's: the address to
submit to is held against the known ones, so that a forged link cannot send people elsewhere. Nothing depends on
cookies, which a frame of another site does not get.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from components.contracts.errors import TouchstoneError
from components.crowd.mturk.terms import Place

PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
SUBMIT_ORIGINS: dict[Place, str] = {
    "sandbox": "https://workersandbox.mturk.com",
    "production": "https://www.mturk.com",
}
FRAME_ANCESTORS = tuple(SUBMIT_ORIGINS.values())
"""Sites that may show the page in a frame, for its Content-Security-Policy."""
SUBMIT_PATH = "/mturk/externalSubmit"
IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Visit(NamedTuple):
    """One person who works on one assignment."""

    assignment_id: str
    hit_id: str
    worker_id: str
    submit_to: str
    """Where the finishing form goes (POST, with the field assignmentId and at least one more)."""


def read_visit(query: Mapping[str, str]) -> Visit | None:
    """Who comes; None while somebody only looks at the task before accepting it.

    Raises:
        TouchstoneError: parameters are missing or not what Mechanical Turk gives.
    """
    assignment_id = query.get("assignmentId", "")
    if assignment_id in {"", PREVIEW}:
        return None
    names = ("assignmentId", "hitId", "workerId")
    given = {name: query.get(name, "") for name in names}
    wrong = [name for name, value in given.items() if not IDENTITY.fullmatch(value)]
    parts = urlsplit(query.get("turkSubmitTo", ""))
    origin = f"{parts.scheme}://{parts.netloc}"
    if origin not in SUBMIT_ORIGINS.values():
        wrong.append("turkSubmitTo")
    if wrong:
        raise TouchstoneError(
            f"the address does not come from Mechanical Turk: {', '.join(wrong)} is missing or malformed",
            remedy="open the task from Mechanical Turk's own page",
        )
    return Visit(assignment_id, given["hitId"], given["workerId"], origin + SUBMIT_PATH)
