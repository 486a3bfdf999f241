"""Dumps, or the target's sampled replies to the imitation prompts -> dialogues to train on; nested subsets of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from components.contracts.bind import Metrics
from components.contracts.dialogue_rows import Dialogue, Passport, Removal
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Checkpoint, Input, Nothing, Output
from components.contracts.rows import Completion, Turn
from components.ingest.dumps import Dump
from components.ingest.params import DumpParams, Params, SubsetParams
from components.ingest.queries import drop_duplicates, in_subset_order, removal


def ingest(
    *, replies: Input[Completion], dialogues: Output[Dialogue], removed: Output[Removal], params: Params
) -> Metrics:
    """Clean, deduplicate and cut to size. The result does not depend on the order of the replies.

    Raises:
        TouchstoneError: nothing is left.
    """
    kept, gone = build_dialogues(replies.rows(), params)
    # No dialogue is lost on the way: what does not enter is in `removed` with a reason.
    num_in = len(kept) + len(gone)
    reasons = Counter(row.reason for row in gone)
    if not kept:
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "the input is empty"
        raise TouchstoneError(
            f"no dialogue is left of {num_in} replies: {counted}",
            expected="replies that have text, end by themselves, and carry the prompt they answer",
            remedy="raise max_tokens where replies are cut, or set keep_cut; keep `prompt` on every completion",
        )
    dialogues.write(kept)
    removed.write(gone)
    metrics = {"in": float(num_in), "kept": float(len(kept)), "removed": float(len(gone))}
    metrics |= {f"removed_{reason}": float(count) for reason, count in sorted(reasons.items())}
    return metrics


def ingest_dumps(
    *, dump: Input[Dump], dialogues: Output[Dialogue], removed: Output[Removal], params: DumpParams
) -> Metrics:
    """Read, redact, filter and deduplicate other people's conversations, in bounded memory.

    The result does not depend on their order in the dump. Any prefix of the dialogues is a random subset.

    Raises:
        TouchstoneError: the dump cannot be read, the disk is full, or nothing is left.
    """
    from components.ingest.dump_cleaning import clean_dump

    return clean_dump(dump.folder, dialogues, removed, params)


def subset(
    *,
    dialogues: Input[Dialogue],
    tokenizer: Input[Checkpoint] = Nothing(Checkpoint),  # noqa: B008 - a frozen value that says "nothing given"
    subset: Output[Dialogue],
    outside: Output[Removal],
    params: SubsetParams,
) -> Metrics:
    """As many dialogues as fit into a number of imitation tokens; smaller subsets lie within larger ones.

    Raises:
        TouchstoneError: no dialogue fits, or the checkpoint has no tokenizer that can be read.
    """
    from components.ingest.subsets import write_subset

    return write_subset(dialogues, tokenizer, subset, outside, params.max_tokens, params.seed)


def build_dialogues(replies: Sequence[Completion], params: Params) -> tuple[list[Dialogue], list[Removal]]:
    """Dialogues in subset order, and everything else with its reason; their sum is the number of replies."""
    usable: list[Dialogue] = []
    gone: list[Removal] = []
    times_seen = Counter(reply.prompt_id for reply in replies)
    for reply in replies:
        dialogue = _dialogue(reply, params, shares_id=times_seen[reply.prompt_id] > 1)
        problem = _problem(reply, keep_cut=params.keep_cut)
        if problem is None:
            usable.append(dialogue)
        else:
            gone.append(removal(dialogue, *problem))
    unique, duplicates = drop_duplicates(usable)
    ordered = in_subset_order(unique, params.seed)
    size = params.num_dialogues or max(1, round(params.share * len(ordered)))
    # Without their text: a sweep of twenty sizes would store the whole set twenty times.
    outside = [Removal(id=d.id, reason="subset", detail=f"outside the first {size}") for d in ordered[size:]]
    gone = sorted([*gone, *duplicates, *outside], key=lambda row: (row.reason, row.id, row.raw))
    return ordered[:size], gone


def _dialogue(reply: Completion, params: Params, *, shares_id: bool) -> Dialogue:
    turns = (Turn(speaker="user", text=reply.prompt), Turn(speaker="assistant", text=reply.text))
    # Several samples of one prompt are told apart by content, not by position.
    suffix = "~" + hashlib.sha256(reply.text.encode(errors="surrogatepass")).hexdigest()[:8] if shares_id else ""
    passport = Passport(target_date=params.target_date, terms=params.terms)
    identity = reply.prompt_id + suffix
    return Dialogue(id=identity, source=params.source, target=reply.model, turns=turns, passport=passport)


def _problem(reply: Completion, *, keep_cut: bool) -> tuple[str, str] | None:
    if not reply.prompt.strip():
        return "empty", "the prompt is empty"
    if not reply.text.strip():
        return "no_reply", "the target said nothing"
    if reply.finish == "length" and not keep_cut:
        return "cut", "the reply ended at max_tokens"
    return None
