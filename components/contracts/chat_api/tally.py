"""What a server said of itself over many replies, for the manifest of what is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.contracts.chat_api.reply import Reply


@dataclass
class Tally:
    """What the server said of itself and of its replies; follows from the replies alone."""

    models: Counter[str] = field(default_factory=Counter)
    fingerprints: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    num_replies: int = 0
    first: str = ""
    last: str = ""

    def add(self, reply: Reply) -> None:
        """Count a reply."""
        self.num_replies += 1
        self.models[reply.model] += 1
        self.fingerprints[reply.system_fingerprint] += 1
        self.finish_reasons.update(choice.finish_reason for choice in reply.choices)
        if reply.created:
            self.first = min(self.first or reply.created, reply.created)
            self.last = max(self.last, reply.created)

    def notes(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "replies": self.num_replies,
            "models_reported": _plain(self.models),
            "system_fingerprints": _plain(self.fingerprints),
            "finish_reasons": _plain(self.finish_reasons),
            "first_reply": self.first,
            "last_reply": self.last,
        }


def _plain(counted: Mapping[str, int]) -> dict[str, int]:
    return {name: counted[name] for name in sorted(counted) if name}
