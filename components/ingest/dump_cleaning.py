"""A dump from its files to dialogues and removals: every conversation ends in one of the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from components.contracts.dialogue_rows import Dialogue, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Output
from components.ingest.cleaning import clean_rows, default_workers
from components.ingest.cleaning_rules import CleaningRules
from components.ingest.dumps import open_dump
from components.ingest.language import check_languages
from components.ingest.params import DumpParams
from components.ingest.reading.readers import read_dump
from components.ingest.reading.tally import Tally
from components.ingest.spool import Spool

PROCESSES_ABOVE_BYTES = 4 << 20
"""Dumps that are smaller are done before processes have started."""


def clean_dump(
    folder: Path, dialogues: Output[Dialogue], removed: Output[Removal], params: DumpParams
) -> dict[str, float]:
    """See `step.ingest_dumps`; gives its metrics."""
    check_languages(params.languages)
    files = open_dump(folder)
    workers = params.workers or default_workers()
    if sum(path.stat().st_size for path, _ in files) < PROCESSES_ABOVE_BYTES:
        workers = 1
    tally = Tally()
    rows = (
        row for path, source in files for row in read_dump(path, source, params.limits, tally=tally, marks_ids=False)
    )
    rules = CleaningRules.model_validate(params.model_dump(include=set(CleaningRules.model_fields)))
    with Spool(dialogues.path.parent) as spool:
        num_in = 0
        for cleaned in clean_rows(rows, rules, seed=params.seed, workers=workers):
            spool.add(cleaned)
            num_in += 1
        decision = spool.decide(rules.near_duplicate_jaccard)
        reasons = spool.reasons
        reasons["duplicate"] += len(decision.duplicates)
        reasons["near_duplicate"] += len(decision.near)
        reasons = +reasons
        if not len(decision.kept):
            raise _nothing_left(num_in, reasons, rules)
        notes: dict[str, object] = {"reasons": dict(sorted(reasons.items()))}
        if tally.warnings():
            notes["warnings"] = tally.warnings()
        num_kept = dialogues.write(_counting(spool.kept(decision), notes), notes=notes).num_rows
        num_removed = removed.write(spool.removed(decision), notes={"reasons": notes["reasons"]}).num_rows
    if num_in != num_kept + num_removed or num_removed != reasons.total():
        raise AssertionError(f"{num_in} in, {num_kept} kept, {num_removed} removed: a dialogue was lost or doubled")
    metrics = {"in": float(num_in), "kept": float(num_kept), "removed": float(num_removed)}
    return metrics | {f"removed_{reason}": float(count) for reason, count in sorted(reasons.items())}


def _counting(dialogues: Iterator[Dialogue], notes: dict[str, object]) -> Iterator[Dialogue]:
    """Passes dialogues on; when they are through, `notes` says what they are."""
    languages: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    redacted: Counter[str] = Counter()
    num_redacted = 0
    for dialogue in dialogues:
        languages[dialogue.passport.language or "unknown"] += 1
        sources[dialogue.source] += 1
        redacted.update(dialogue.passport.redacted)
        num_redacted += bool(dialogue.passport.redacted)
        yield dialogue
    # The writer reads the notes after the last row.
    notes["languages"] = dict(languages.most_common())
    notes["sources"] = dict(sources.most_common())
    notes["redacted"] = dict(sorted(redacted.items()))
    notes["redacted_dialogues"] = num_redacted


def _nothing_left(num_in: int, reasons: Counter[str], rules: CleaningRules) -> TouchstoneError:
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "the dump is empty"
    wanted = f" in {', '.join(rules.languages)}" if rules.languages else ""
    return TouchstoneError(
        f"no dialogue is left of {num_in}: {counted}",
        expected=f"conversations{wanted} in which a reply follows a user turn",
        remedy="look at the reasons; `languages: []` lets every language in",
    )
