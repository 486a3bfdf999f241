"""One dialogue through redaction, language and length, on as many cores as there are; and what is needed to compare it.

Rows go in and come out as JSON in bounded batches and in order, so that neither the number of processes nor their speed
shows in the result. A small dump never starts a process.
"""

from __future__ import annotations

import os
import string
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from components.contracts.dialogue_rows import Dialogue, Removal
from components.ingest.cleaning_rules import CleaningRules
from components.ingest.language import detect_language, load_detector
from components.ingest.near_duplicates import signature
from components.ingest.queries import content_rank, query_key, removal, stable_rank
from components.ingest.redaction import redact
from components.ingest.worker_processes import WorkerProcesses

BATCH_BYTES = 1 << 19
INVISIBLE = string.whitespace + "\u00a0\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Chat pages leave a zero-width space where a reply never came."""
MAX_WORKERS = 8
"""Reading is one process; more than this it cannot feed."""


class Cleaned(NamedTuple):
    """A row that was looked at."""

    row: bytes
    """JSON of a Dialogue, or of a Removal."""
    reason: str
    """Empty for a dialogue."""
    key: bytes
    """16 bytes, random-looking: dialogues that ask the same share it. In its order every prefix is a random subset."""
    rank: int
    """Decides among duplicates: 64 bits of the content's hash."""
    identity: int
    """64 bits of the id's hash."""
    words: bytes = b""
    """`near_duplicates.signature` of a dialogue's query: distinct words ..."""
    shingles: bytes = b""
    """... and shingles; both empty where near-duplicates are not asked for."""


def clean(dialogue: Dialogue, rules: CleaningRules) -> Dialogue | Removal:
    """The dialogue redacted and with its language in the passport, or why it does not enter."""
    if rules.redact:
        texts, counts = redact([turn.text for turn in dialogue.turns])
        if counts:
            turns = tuple(
                turn.model_copy(update={"text": text}) for turn, text in zip(dialogue.turns, texts, strict=True)
            )
            passport = dialogue.passport.model_copy(update={"redacted": counts})
            dialogue = dialogue.model_copy(update={"turns": turns, "passport": passport})
    lengths = [len(turn.text.strip(INVISIBLE)) for turn in dialogue.turns]
    if not all(lengths):
        return removal(dialogue, "empty", f"turn {lengths.index(0) + 1} shows nothing")
    num_chars = sum(lengths)
    if num_chars < rules.min_chars:
        return removal(dialogue, "too_short", f"{num_chars} characters")
    language = detect_language(dialogue.turns, rules.languages)
    if rules.languages and language and language not in rules.languages:
        return removal(dialogue, "language", language)
    passport = dialogue.passport.model_copy(update={"language": language})
    return dialogue.model_copy(update={"passport": passport})


def clean_rows(
    rows: Iterable[Dialogue | Removal], rules: CleaningRules, *, seed: int = 0, workers: int = 1
) -> Iterator[Cleaned]:
    """Every row, in order.

    Args:
        rows: Of a dump; removals are redacted and pass.
        rules: What enters.
        seed: Of `Cleaned.key`.
        workers: Processes; 1 = all is done here.

    Raises:
        TouchstoneError: a process was killed, which is what happens when memory runs out.
    """
    work = partial(_clean_batch, rules=rules, seed=seed)
    if workers <= 1:
        for batch in _batches(rows):
            yield from work(batch)
        return
    # Loaded before the fork, so that its tables are shared; forked before reading begins, while there are no threads.
    load_detector()
    with WorkerProcesses(work, workers) as processes:
        for done in processes.results(_batches(rows)):
            yield from done


def default_workers() -> int:
    """Processes worth starting on this machine."""
    return min(MAX_WORKERS, len(os.sched_getaffinity(0)))


def _batches(rows: Iterable[Dialogue | Removal]) -> Iterator[list[tuple[bool, str]]]:
    batch: list[tuple[bool, str]] = []
    size = 0
    for row in rows:
        text = row.model_dump_json()
        batch.append((isinstance(row, Dialogue), text))
        # What a row costs beside its text counts too: a batch of empty ones must end.
        size += len(text) + 200
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _clean_batch(batch: list[tuple[bool, str]], rules: CleaningRules, seed: int) -> list[Cleaned]:
    done = []
    for is_dialogue, text in batch:
        row: Dialogue | Removal = (Dialogue if is_dialogue else Removal).model_validate_json(text)
        if isinstance(row, Dialogue):
            row = clean(row, rules)
        elif rules.redact:
            (detail, raw), _ = redact([row.detail, row.raw])
            row = row.model_copy(update={"detail": detail, "raw": raw})
        done.append(_described(row, rules, seed))
    return done


def _described(row: Dialogue | Removal, rules: CleaningRules, seed: int) -> Cleaned:
    identity = _bits(stable_rank(row.id, 0))
    text = row.model_dump_json().encode()
    if isinstance(row, Removal):
        # Not of its detail: that says where in the file it stood, and files get shuffled.
        return Cleaned(text, row.reason, b"", _bits(stable_rank(row.raw, 0)), identity)
    key = query_key(row)
    described = Cleaned(text, "", bytes.fromhex(stable_rank(key, seed))[:16], _bits(content_rank(row)), identity)
    if rules.near_duplicate_jaccard is None:
        return described
    words, shingles = signature(key)
    return described._replace(words=words.tobytes(), shingles=shingles.tobytes())


def _bits(digest: str) -> int:
    return int(digest[:16], 16)
