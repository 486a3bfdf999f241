"""A conversation as a dump has it -> turns one can train on, or the reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.contracts.rows import Speaker, Turn
from components.ingest.reading.formats import RawTurn, speaker_of


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


class Alternating(NamedTuple):
    """A conversation that can be trained on."""

    turns: tuple[Turn, ...]
    """The user's first, the assistant's last, at most one system turn before them."""
    num_dropped: int
    """Turns that had to be left out."""


def read_turns(raw: Sequence[RawTurn], *, most: int) -> Alternating:
    """Turns that alternate.

    Args:
        raw: The conversation as it stands in the dump.
        most: A longer one is refused.

    What the assistant says before the first user turn is dropped (a third of ShareGPT's chunks continue an earlier one:
    its query is not there), as are user turns after the last reply. Neighbours of one speaker are joined: a reply in
    two parts is one reply.

    Raises:
        Unusable: too_long, unknown_role, empty (a turn without text), malformed (a system turn in the middle), no_reply
            (nothing is left).
    """
    if len(raw) > most:
        raise Unusable("too_long", f"{len(raw):,} turns, more than {most:,}")
    spoken: list[tuple[Speaker, list[str]]] = []
    asked = False
    num_dropped = 0
    for number, (role, text) in enumerate(raw, 1):
        speaker = speaker_of(role)
        if speaker is None:
            raise Unusable("unknown_role", f"turn {number} is spoken by {role[:60]!r}")
        if not text.strip():
            raise Unusable("empty", f"turn {number} of {len(raw)}, spoken by {role!r}, has no text")
        asked = asked or speaker == "user"
        if speaker == "assistant" and not asked:
            num_dropped += 1
        elif spoken and spoken[-1][0] == speaker:
            spoken[-1][1].append(text)
        elif speaker == "system" and spoken:
            raise Unusable("malformed", f"turn {number} is a system turn inside the conversation")
        else:
            spoken.append((speaker, [text]))
    while spoken and spoken[-1][0] != "assistant":
        num_dropped += len(spoken.pop()[1])
    if not spoken:
        raise Unusable("no_reply", f"no reply follows a user turn in {len(raw)} turns")
    return Alternating(tuple(Turn(speaker=who, text="\n\n".join(texts)) for who, texts in spoken), num_dropped)
