"""Making a study: from a file of pairs into the database."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input
from components.crowd.study.audit import note
from components.crowd.study.design import (
    StudyDesign,
    checked,
    design_digest,
    items_per_rater,
    says_the_same,
    shown,
    shuffle_number,
    with_repeats,
)
from components.crowd.tables import Pair, Study

BATCH = 500


def read_pairs(path: Path) -> list[StudyPair]:
    """Pairs from an artifact of `StudyPair`, or from a file of them with one JSON object a line.

    Raises:
        TouchstoneError: nothing there, or a line is no pair.
    """
    if path.is_dir():
        return Input(path, StudyPair).rows()
    found = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TouchstoneError(f"{path} cannot be read: {error}", expected="pairs, one JSON object a line") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(StudyPair.model_validate(json.loads(line)))
        except (json.JSONDecodeError, ValidationError) as error:
            words = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
            place = ".".join(map(str, words["loc"]))
            raise TouchstoneError(
                f"{path}, line {number}: {place + ': ' if place else ''}{words['msg']}",
                expected="a pair: pair_id, prompt_id, prompt, model, opponent, output, opponent_output, kind",
                remedy="see docs/crowd.md, or make the file with `touchstone step build_study`",
            ) from error
    return found


def create_study(
    session: Session,
    design: StudyDesign,
    pairs: Sequence[StudyPair],
    *,
    closes_at: float | None = None,
    actor: str = "command",
) -> Study:
    """Store a study; made again from the same design and pairs it is the same study.

    Args:
        session: The transaction.
        design: How it is rated.
        pairs: What is rated.
        closes_at: Deadline in seconds since 1970 UTC; no part of the design, since it changes no vote.
        actor: Who makes it, for the audit log.

    Raises:
        TouchstoneError: another study has the name, or the pairs cannot be rated.
    """
    rows = with_repeats(checked(pairs), design)
    digest = design_digest(design, rows)
    there = session.scalar(select(Study).where(Study.name == design.name))
    if there is not None:
        if there.design_digest == digest:
            return there
        raise TouchstoneError(
            f"the study {design.name!r} exists with other pairs or rules",
            expected="a name of its own for every design: what was fixed before the data is not changed",
            remedy="give another name",
        )
    study = _study(design, digest, items_per_rater(design, rows), closes_at)
    session.add(study)
    session.flush()
    _insert(session, study, rows)
    note(session, actor, "create", design.name, f"{len(rows)} pairs, design {digest}, rules {design.rules.digest}")
    return study


def _study(design: StudyDesign, digest: str, items: int, closes_at: float | None) -> Study:
    return Study(
        name=design.name,
        instruction=shown(design.instruction),
        seed=design.seed,
        raters_per_pair=design.raters_per_pair,
        items_per_rater=items,
        experts_per_pair=design.experts_per_pair,
        gold_share=design.gold_share,
        repeat_share=design.repeat_share,
        reserve_seconds=design.reserve_minutes * 60,
        rules=design.rules.model_dump(),
        rules_digest=design.rules.digest,
        design_digest=digest,
        closed=False,
        closes_at=closes_at,
        created_at=time.time(),
    )


def _is_asked(pair: StudyPair) -> bool:
    """Whether votes on the pair are wanted: of checks all are taken, and one text twice is a tie unasked."""
    return pair.kind in {"headline", "placebo"} and not says_the_same(pair)


def _insert(session: Session, study: Study, pairs: Sequence[StudyPair]) -> None:
    values = [
        {
            "study_id": study.id,
            "key": pair.pair_id,
            "kind": pair.kind,
            "prompt_id": pair.prompt_id,
            "prompt": pair.prompt,
            "model": pair.model,
            "opponent": pair.opponent,
            "output": pair.output,
            "opponent_output": pair.opponent_output,
            "gold": pair.expected,
            "shuffle": shuffle_number(study.seed, pair.pair_id),
            "needed": study.raters_per_pair if _is_asked(pair) else 0,
            **dict.fromkeys(("reserved", "wins", "ties", "losses", "expert_reserved"), 0),
        }
        for pair in pairs
    ]
    for begin in range(0, len(values), BATCH):
        session.execute(insert(Pair), values[begin : begin + BATCH])
    ids = {key: pair_id for pair_id, key in session.execute(select(Pair.id, Pair.key).where(Pair.study_id == study.id))}
    for pair in pairs:
        if pair.kind == "repeat":
            session.execute(update(Pair).where(Pair.id == ids[pair.pair_id]).values(repeat_of=ids[pair.repeats]))
