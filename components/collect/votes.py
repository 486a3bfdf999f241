"""Stored votes that name their models and bring no answers -> Judgment rows: MT-bench, PandaLM.

One pair of models is written one way round everywhere: MT-bench names the same pair in both orders, and a join that
takes (a, b) and (b, a) for two pairs loses a third of the items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from components.collect.prompts import id_text
from components.contracts import files
from components.contracts.evidence_rows import Judgment
from components.contracts.files import Record

Outcome = Literal["win", "tie", "loss"]
OrderShown = Literal["model_first", "opponent_first", "none"]
MT_BENCH = frozenset({"judge", "model_a", "model_b", "question_id", "winner"})
PANDALM = frozenset({"idx", "cmp_key", "annotator1"})
PANDALM_VERDICTS = {"gpt_result": "gpt-3.5-turbo", "pandalm_result": "pandalm-7b"}
"""Key of a verdict -> the judge that its file is of."""
INCONSISTENT = "tie (inconsistent)"
"""MT-bench's word for a judge whose two orders disagree."""
_OPPOSITE: Mapping[Outcome, Outcome] = {"win": "loss", "tie": "tie", "loss": "win"}


def is_votes(record: Record) -> bool:
    """Whether a record is one that `read_votes` reads."""
    keys = record.value.keys()
    return keys >= MT_BENCH or keys >= PANDALM or ("idx" in keys and any(key in keys for key in PANDALM_VERDICTS))


def read_votes(paths: Sequence[Path]) -> list[Judgment]:
    """The votes of all files; verdicts on PandaLM's pairs find their models in its own test set among `paths`.

    Raises:
        TouchstoneError: an unreadable file, an impossible vote, or verdicts on pairs that no file names.
    """
    read = [(path, list(files.records(path))) for path in paths]
    pairs = {
        id_text(record, "idx"): _two_models(record)
        for _, records in read
        for record in records
        if record.value.keys() >= PANDALM
    }
    return [row for path, records in read for row in _rows(path, records, pairs)]


def _rows(path: Path, records: Sequence[Record], pairs: Mapping[str, tuple[str, str]]) -> Iterator[Judgment]:
    both_orders = any(record.value.get("winner") == INCONSISTENT for record in records)
    source = path.name.partition(".")[0]
    for record in records:
        keys = record.value.keys()
        if keys >= MT_BENCH:
            yield _mt_bench(record, source, seen_both=both_orders)
        elif keys >= PANDALM:
            yield from _annotators(record, source)
        else:
            yield _pandalm_verdict(record, pairs)


def _mt_bench(record: Record, source: str, *, seen_both: bool) -> Judgment:
    first, second = record.text("model_a"), record.text("model_b")
    winner = record.text("winner")
    outcomes: dict[str, Outcome] = {"model_a": "win", "model_b": "loss", "tie": "tie", INCONSISTENT: "tie"}
    if winner not in outcomes:
        raise record.error(
            f"winner is {files.show(winner)}", expected=", ".join(outcomes), remedy="correct the vote or leave it out"
        )
    turn = record.value.get("turn", 1)
    prompt_id = id_text(record, "question_id") + ("" if turn == 1 else f" turn {turn}")
    order: OrderShown = "none" if seen_both else "model_first"
    return _canonical(prompt_id, source, record.text("judge"), (first, second), outcomes[winner], None, order)


def _annotators(record: Record, source: str) -> Iterable[Judgment]:
    pair, number = _two_models(record), 1
    while f"annotator{number}" in record.value:
        outcome = _numbered(record, f"annotator{number}")
        if outcome is None:
            raise record.error(
                f"annotator{number} is {files.show(record.value[f'annotator{number}'])}",
                expected="1, 2, or 0 for a tie",
                remedy="correct the vote",
            )
        yield _canonical(id_text(record, "idx"), source, f"annotator{number}", pair, outcome, None, "none")
        number += 1


def _pandalm_verdict(record: Record, pairs: Mapping[str, tuple[str, str]]) -> Judgment:
    key = next((key for key in PANDALM_VERDICTS if key in record.value), None)
    if key is None or "idx" not in record.value:
        raise record.error(
            f"a record with only {', '.join(record.value) or 'nothing'}",
            expected="votes of MT-bench (judge, model_a, model_b, winner) or PandaLM (idx, cmp_key, annotator1, ...)",
        )
    idx = id_text(record, "idx")
    if idx not in pairs:
        raise record.error(
            f"pair {idx} is named by no file",
            expected="PandaLM's test set beside its verdicts: it says which models a pair compares",
            remedy="give testset-v1.json as well",
        )
    judge, outcome = PANDALM_VERDICTS[key], _numbered(record, key)
    unscored = None if outcome else f"the judge's verdict is {files.show(record.value[key])}"
    return _canonical(idx, judge, judge, pairs[idx], outcome, unscored, "none")


def _numbered(record: Record, key: str) -> Outcome | None:
    said: dict[str, Outcome] = {"1": "win", "2": "loss", "0": "tie", "tie": "tie"}
    return said.get(str(record.value[key]).strip().lower())


def _two_models(record: Record) -> tuple[str, str]:
    first, mark, second = record.text("cmp_key").partition("_")
    if not mark or not first or not second:
        raise record.error(f"cmp_key is {files.show(record.value['cmp_key'])}", expected="two models, as FIRST_SECOND")
    return first, second


def _canonical(
    prompt_id: str,
    source: str,
    rater: str,
    pair: tuple[str, str],
    outcome: Outcome | None,
    unscored: str | None,
    order: OrderShown,
) -> Judgment:
    """The row with its pair in the order of the alphabet."""
    model, opponent = sorted(pair)
    if (model, opponent) != pair:
        outcome = None if outcome is None else _OPPOSITE[outcome]
        order = "opponent_first" if order == "model_first" else order
    return Judgment(
        prompt_id=prompt_id,
        source=source,
        rater=rater,
        model=model,
        opponent=opponent,
        outcome=outcome,
        unscored=unscored,
        order=order,
    )
