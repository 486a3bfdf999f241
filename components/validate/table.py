"""Dialogues as a table: one row each, one column for every property the suite holds them to.

Built in one pass and column by column, so that half a million dialogues fit into memory: numbers take 8 bytes, texts
are kept as 8-byte digests (two different texts among a million share one with a chance of 3 in 100 million), and words
that repeat (sources, targets, categories) are kept once.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from components.contracts.dialogue_rows import Dialogue
from components.contracts.english import is_english
from components.contracts.rows import Prompt, TaskItem
from components.validate.categories import classify
from components.validate.toxicity import ToxicityMeter

_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")
NOT_SCORED = float("nan")

COLUMNS: dict[str, tuple[str, str]] = {
    "row": ("int", "Line of the artifact, from 0."),
    "id": ("text", "The dialogue's id."),
    "source": ("text", "Which dump or prompt set it came from."),
    "target": ("text", "The model that wrote the replies."),
    "target_date": ("text", "The passport's date of the target, empty = not known."),
    "terms": ("text", "The passport's terms flag: unknown, open or restricted."),
    "licence": ("text", "The passport's licence, empty = not known."),
    "language": ("text", "The passport's ISO 639-1 code, empty = not looked at."),
    "english": ("bool", "Whether the replies are English: by `language` where filled, else by function words."),
    "num_turns": ("int", "Turns, a system turn included."),
    "alternates": ("bool", "User and assistant in turn, user first (after at most one system turn), assistant last."),
    "empty_turns": ("int", "Turns of white space only."),
    "query_words": ("int", "Words in the user turns."),
    "reply_words": ("int", "Words in the assistant turns."),
    "longest_reply_words": ("int", "Words in the longest assistant turn."),
    "queries": ("int", "Digest of all user turns, normalised: equal numbers = equal queries."),
    "is_duplicate": ("bool", "The user turns equal those of a dialogue with a smaller id."),
    "reply": ("int", "Digest of the replies' words, digits masked: equal numbers = the same reply but for numbers."),
    "reply_repeats": ("int", "Other dialogues with the same `reply`."),
    "leaked": ("text", "Id of the held-out prompt or test item that a user turn repeats word for word; empty = none."),
    "category": ("text", "Category of the first query (Table 5)."),
    "toxicity": ("number", "Probability of the most toxic sentence of the replies, 0 to 1; missing = not scored."),
    "unscored": ("text", "Why `toxicity` is missing; empty = it is not."),
    "dropped_turns": ("int", "Turns that were left out on the way, by the passport."),
    "redacted": ("int", "Placeholders put in for secrets and personal data, by the passport."),
}
"""Column -> its type and what it holds. A user's own expectations name these."""


TEXT_COLUMNS = tuple(name for name, (kind, _) in COLUMNS.items() if kind == "text")
WHOLE_COLUMNS = tuple(name for name, (kind, _) in COLUMNS.items() if kind in {"int", "bool"})


@dataclass(frozen=True)
class DialogueTable:
    """Facts of every dialogue, and what was counted over all of them on the way."""

    texts: Mapping[str, Sequence[str]]
    """The text columns, one value for each dialogue in the given order."""
    numbers: Mapping[str, array[int] | array[float]]
    """The other columns; truth values as 0 and 1, a toxicity that is not known as NaN."""
    redacted: Mapping[str, int] = field(default_factory=dict)
    """Kind of secret or personal data -> placeholders."""
    unscored: Mapping[str, int] = field(default_factory=dict)
    """Reason -> dialogues whose toxicity is not known."""

    def __len__(self) -> int:
        """Dialogues."""
        return len(self.numbers["row"])

    def count(self, column: str) -> dict[str, int]:
        """Value of a text column -> dialogues, the commonest first."""
        return dict(sorted(Counter(self.texts[column]).items(), key=lambda entry: (-entry[1], entry[0])))

    def total(self, column: str) -> int:
        """Sum of a column of whole numbers."""
        return int(sum(self.numbers[column]))


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded, white space collapsed, end marks dropped."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip().rstrip(" .?!")


def heldout_texts(items: Iterable[TaskItem], heldout: Iterable[Prompt]) -> dict[str, str]:
    """Normalised text -> id, of everything that no training prompt may repeat. Worked examples may be repeated."""
    found = {normalise(item.question): item.id for item in items if item.split == "test"}
    found |= {normalise(prompt.text): prompt.id for prompt in heldout}
    found.pop("", None)
    return found


def tabulate(
    dialogues: Iterable[Dialogue], protected: Mapping[str, str], meter: ToxicityMeter | None = None
) -> DialogueTable:
    """Facts of every dialogue, in the given order.

    Args:
        dialogues: The imitation data; each is looked at once and let go.
        protected: `heldout_texts`; a user turn that equals one of them leaks it.
        meter: Scores the replies; by default with the local scorer.
    """
    meter = meter or ToxicityMeter()
    texts: dict[str, list[str]] = {name: [] for name in TEXT_COLUMNS}
    numbers: dict[str, array[int] | array[float]] = {name: array("q") for name in WHOLE_COLUMNS}
    redacted: Counter[str] = Counter()
    for row, dialogue in enumerate(dialogues):
        facts = _facts(dialogue, protected, meter, row)
        for name, said in facts.texts.items():
            # Sources, targets and categories repeat: one object for equal texts.
            texts[name].append(sys.intern(said))
        for name, number in facts.numbers.items():
            numbers[name].append(number)
        redacted.update(dialogue.passport.redacted)
    meter.flush()
    size = len(texts["id"])
    numbers["row"] = array("q", range(size))
    numbers["is_duplicate"] = _duplicates(numbers["queries"], texts["id"])
    repeats = Counter(numbers["reply"])
    numbers["reply_repeats"] = array("q", (repeats[digest] - 1 for digest in numbers["reply"]))
    numbers["toxicity"] = array("d", (meter.highest.get(row, NOT_SCORED) for row in range(size)))
    texts["unscored"] = [meter.unscored.get(row, "") for row in range(size)]
    return DialogueTable(texts, numbers, dict(sorted(redacted.items())), meter.reasons())


class _Facts(NamedTuple):
    texts: dict[str, str]
    numbers: dict[str, int]


def _facts(dialogue: Dialogue, protected: Mapping[str, str], meter: ToxicityMeter, row: int) -> _Facts:
    queries = [turn.text for turn in dialogue.turns if turn.speaker == "user"]
    replies = [turn.text for turn in dialogue.turns if turn.speaker == "assistant"]
    reply = "\n".join(replies)
    by_reply = [_WORD.findall(text.lower()) for text in replies]
    words = [word for some in by_reply for word in some]
    passport = dialogue.passport
    english = passport.language == "en" if passport.language else is_english(reply, words)
    meter.add(row, reply, english=english)
    normalised = [normalise(query) for query in queries]
    return _Facts(
        {
            "id": dialogue.id,
            "source": dialogue.source,
            "target": dialogue.target,
            "target_date": passport.target_date,
            "terms": passport.terms,
            "licence": passport.licence,
            "language": passport.language,
            "leaked": next((protected[query] for query in normalised if query in protected), ""),
            "category": classify(queries[0] if queries else "", passport.language),
        },
        {
            "english": english,
            "num_turns": len(dialogue.turns),
            "alternates": _alternates(dialogue),
            "empty_turns": sum(not turn.text.strip() for turn in dialogue.turns),
            "query_words": sum(len(_WORD.findall(query)) for query in queries),
            "reply_words": len(words),
            "longest_reply_words": max(map(len, by_reply), default=0),
            "queries": _digest(normalised),
            "reply": _digest([_DIGITS.sub("0", " ".join(words)) or normalise(reply)]),
            "dropped_turns": passport.dropped_turns,
            "redacted": sum(passport.redacted.values()),
        },
    )


def _digest(texts: Sequence[str]) -> int:
    hashed = blake2b(digest_size=8)
    for text in texts:
        # A length before each: ("ab", "c") and ("a", "bc") are different queries.
        encoded = text.encode("utf-8", "surrogatepass")
        hashed.update(len(encoded).to_bytes(8, "big"))
        hashed.update(encoded)
    return int.from_bytes(hashed.digest(), "big", signed=True)


def _duplicates(queries: Sequence[int] | array[int] | array[float], ids: Sequence[str]) -> array[int]:
    counts = Counter(queries)
    first: dict[float, tuple[str, int]] = {}
    for row, digest in enumerate(queries):
        if counts[digest] > 1:
            # By id, so that shuffling the file does not change which rows are called duplicates.
            first[digest] = min(first.get(digest, (ids[row], row)), (ids[row], row))
    return array("q", (counts[digest] > 1 and first[digest][1] != row for row, digest in enumerate(queries)))


def _alternates(dialogue: Dialogue) -> bool:
    speakers = [turn.speaker for turn in dialogue.turns]
    if speakers and speakers[0] == "system":
        speakers = speakers[1:]
    pairs = len(speakers) // 2
    return bool(speakers) and speakers == ["user", "assistant"] * pairs
