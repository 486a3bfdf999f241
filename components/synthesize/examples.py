"""Examples -> dialogues: each once, no seeds, as many as are wanted; everything else set aside with its reason."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from components.contracts.dialogue_rows import Dialogue, Passport, Removal, Terms
from components.contracts.errors import TouchstoneError
from components.contracts.rows import Turn
from components.synthesize.parsing import Fragment, Pair, read_examples
from components.synthesize.task import Task

_EDGES = " \t\n.?!,;:'\"`*"


def normalised(text: str) -> str:
    """What two texts must share to count as equal: NFKC, without case, outer punctuation and width of blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)


@dataclass(frozen=True)
class Papers:
    """What the passports of all examples of a run say."""

    target_date: str = ""
    """ISO 8601; empty = the date on which each reply was made, where the server says it."""
    terms: Terms = "unknown"
    """Whether the target's terms allow training on its outputs."""


@dataclass
class Collection:
    """Takes replies in the order of their requests; the result depends on nothing else."""

    task: Task
    num_wanted: int
    papers: Papers
    dialogues: list[Dialogue] = field(default_factory=list)
    removed: list[Removal] = field(default_factory=list)
    num_found: int = 0
    """Examples, fragments and missing replies: what is kept and what is removed, together."""

    def __post_init__(self) -> None:
        self._seeds = {normalised(example.question) for example in self.task.seeds}
        self._seen: set[tuple[str, ...]] = set()

    @property
    def is_full(self) -> bool:
        """Whether there are as many examples as are wanted."""
        return len(self.dialogues) >= self.num_wanted

    def add_reply(self, request_id: str, text: str, *, is_cut: bool, target: str, made: str = "") -> None:
        """Take what a reply holds.

        Args:
            request_id: Of the request.
            text: The reply.
            is_cut: Whether it ended at max_tokens.
            target: The model that wrote it.
            made: When, as ISO 8601; empty = not known.
        """
        for number, found in enumerate(read_examples(self.task, text, is_cut=is_cut)):
            where = f"{request_id}/{number}"
            if isinstance(found, Fragment):
                self._remove(where, found.reason, found.detail, found.raw)
            else:
                self._take(where, found, target, made)

    def add_failure(self, request_id: str, why: str) -> None:
        """Note that a request has no reply."""
        self._remove(request_id, "no_reply", why, "")

    def counts(self) -> dict[str, float]:
        """Kept, and removed by reason."""
        reasons = Counter(removal.reason for removal in self.removed)
        assert self.num_found == len(self.dialogues) + len(self.removed)
        return {"examples": float(len(self.dialogues)), "found": float(self.num_found)} | {
            f"removed_{reason}": float(count) for reason, count in sorted(reasons.items())
        }

    def _take(self, where: str, pair: Pair, target: str, made: str) -> None:
        question, answer = normalised(pair.question), normalised(pair.answer)
        raw = f"{pair.question}\n{pair.answer}"
        identity = (question, answer) if self.task.dedup == "pair" else (question,)
        if question in self._seeds:
            self._remove(where, "seed", "the question of a seed", raw)
        elif identity in self._seen:
            self._remove(where, "duplicate", f"the same {self.task.dedup} came before", raw)
        elif self.is_full:
            self._remove(where, "surplus", f"{self.num_wanted} examples were wanted", raw)
        else:
            self._seen.add(identity)
            self.num_found += 1
            self.dialogues.append(self._dialogue(where, pair, f"{question}\0{answer}", target, made))

    def _dialogue(self, where: str, pair: Pair, content: str, target: str, made: str) -> Dialogue:
        return Dialogue(
            # By content: a takedown request finds the same example in another run.
            id=f"{self.task.name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}",
            source=self.task.source,
            target=target,
            turns=(Turn(speaker="user", text=pair.question), Turn(speaker="assistant", text=pair.answer)),
            passport=Passport(
                target_date=self.papers.target_date or made[:10], terms=self.papers.terms, origin=f"synthesize {where}"
            ),
        )

    def _remove(self, where: str, reason: str, detail: str, raw: str) -> None:
        self.num_found += 1
        self.removed.append(Removal(id=where, reason=reason, detail=detail, raw=raw))


def no_examples(collection: Collection) -> TouchstoneError:
    """The failure that replies hold nothing of use; names what stands in the way most often."""
    reasons = Counter(removal.reason for removal in collection.removed)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "there was no reply"
    first = collection.removed[0] if collection.removed else None
    seen = f"; first: {first.detail}: {first.raw[:200]!r}" if first else ""
    return TouchstoneError(
        f"no new example of {collection.task.name} was found: {told}{seen}",
        expected="replies in the form that the task's `reply` describes",
        remedy="correct the task's prompt or its `reply`, or ask another model",
    )
