"""A conversation as a dump has it -> turns one can train on, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from components.contracts.rows import Speaker, Turn
from components.ingest.formats import SPEAKERS, RawTurn


class Unusable(Exception):
    """Why a conversation does not enter; becomes a removal.

    Args:
        reason: The removal's short word.
        detail: What was seen.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read_turns(raw: Sequence[RawTurn]) -> tuple[Turn, ...]:
    """Turns that alternate: the user's first, the assistant's last, at most one system turn before them.

    What the assistant says before the first user turn is dropped (a third of ShareGPT's chunks continue an earlier one:
    its query is not there), as are user turns after the last reply. Neighbours of one speaker are joined: a reply in
    two parts is one reply.

    Raises:
        Unusable: unknown_role, empty (a turn without text), malformed (a system turn in the middle), no_reply (nothing
            is left).
    """
    turns: list[Turn] = []
    for number, (role, text) in enumerate(raw, 1):
        speaker = cast("Speaker | None", SPEAKERS.get(role.strip().lower()))
        if speaker is None:
            raise Unusable("unknown_role", f"turn {number} is spoken by {role!r}")
        if not text.strip():
            raise Unusable("empty", f"turn {number} of {len(raw)}, spoken by {role!r}, has no text")
        if speaker == "assistant" and not any(turn.speaker == "user" for turn in turns):
            continue
        if turns and turns[-1].speaker == speaker:
            turns[-1] = Turn(speaker=speaker, text=f"{turns[-1].text}\n\n{text}")
        elif speaker == "system" and turns:
            raise Unusable("malformed", f"turn {number} is a system turn inside the conversation")
        else:
            turns.append(Turn(speaker=speaker, text=text))
    while turns and turns[-1].speaker != "assistant":
        turns.pop()
    if not turns:
        raise Unusable("no_reply", f"no reply follows a user turn in {len(raw)} turns")
    return tuple(turns)
