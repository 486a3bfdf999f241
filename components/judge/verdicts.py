"""A judge's replies -> judgments, every reply kept, and what the two orders show of the judge itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.rows import Completion
from components.judge.replies import Place, read_reply
from components.judge.rows import JudgeReply, VerdictPair
from components.judge.template import Template

Outcome = Literal["win", "tie", "loss"]
MANY_FLIPS = 0.5
"""Above this share of pairs that were decided by their order, the reader is warned."""


class ReadVerdicts(NamedTuple):
    """Everything read out of a judge's replies."""

    judgments: list[Judgment]
    replies: list[JudgeReply]
    """Of the pairs that were asked about, in the order of the pairs."""


def read_all(
    pairs: Sequence[VerdictPair],
    replies: Mapping[str, Completion],
    template: Template,
    *,
    source: str,
    rater: str,
) -> ReadVerdicts:
    """The judgment of every pair; what could not be read is unscored with its reason.

    Raises:
        TouchstoneError: a pair that was asked about has no row among the replies.
    """
    missing = [pair.id for pair in pairs if pair.order != "none" and pair.id not in replies]
    if missing:
        raise TouchstoneError(
            f"{len(missing)} of {len(pairs)} pairs have no reply of the judge, first {missing[0]}",
            expected="the completions of exactly the requests that prepare_verdicts made",
            remedy="run generate on these requests",
        )
    read = ReadVerdicts([], [])
    for pair in pairs:
        if pair.order == "none":
            outcome: Outcome | None = "tie" if pair.same else None
            read.judgments.append(_judgment(pair, source, rater, outcome, pair.unasked))
            continue
        reply = replies[pair.id]
        verdict = read_reply(template.verdict, reply)
        read.replies.append(
            JudgeReply(
                request_id=pair.id,
                prompt_id=pair.prompt_id,
                model=pair.model,
                opponent=pair.opponent,
                order=pair.order,
                text=reply.text,
                finish=reply.finish,
                verdict=verdict.place,
                unscored=verdict.unscored,
            )
        )
        outcome = _outcome(pair, verdict.place)
        read.judgments.append(_judgment(pair, source, rater, outcome, verdict.unscored, verdict.grades))
    return read


def counts_of(read: ReadVerdicts) -> dict[str, float]:
    """Counts over both orders, for a step's metrics. Pairs = prompts x models; a flip is a pair whose two orders
    name different outcomes, and counts as a tie."""
    said: dict[tuple[str, str, str], list[Outcome | None]] = {}
    for row in read.judgments:
        said.setdefault((row.prompt_id, row.model, row.opponent), []).append(row.outcome)
    settled = Counter(_one(outcomes) for outcomes in said.values())
    flips = sum(len({o for o in outcomes if o is not None}) > 1 for outcomes in said.values())
    decided = [row.verdict for row in read.replies if row.verdict in {"first", "second"}]
    counted = {
        "pairs": len(said),
        "wins": settled["win"],
        "ties": settled["tie"],
        "losses": settled["loss"],
        "unscored": settled[None],
        "both_orders_read": sum(len(outcomes) == 2 and None not in outcomes for outcomes in said.values()),
        "order_flips": flips,
        "replies": len(read.replies),
        "unreadable_replies": sum(row.verdict is None for row in read.replies),
        "same_answers": sum(row.order == "none" and row.outcome == "tie" for row in read.judgments),
    }
    counts = {name: float(number) for name, number in counted.items()}
    # Without a single decision there is no share, and a metric cannot be null.
    return counts | ({"first_place_share": decided.count("first") / len(decided)} if decided else {})


def warnings_of(counts: Mapping[str, float]) -> list[str]:
    """What the counts say against the judge."""
    both = counts["both_orders_read"]
    found = []
    if both and counts["order_flips"] > MANY_FLIPS * both:
        found.append(
            f"on {counts['order_flips']:.0f} of {both:.0f} pairs the verdict changed with the order; the answer"
            f" shown first got {counts.get('first_place_share', 0.0):.0%} of the decisions"
        )
    if counts["replies"] and counts["unreadable_replies"] == counts["replies"]:
        found.append("not one reply of the judge could be read: it may not follow the template")
    return found


def reasons_of(replies: Iterable[JudgeReply]) -> dict[str, int]:
    """Why replies could not be read -> how many, the most frequent first; the judge's own words are left out."""
    counted = Counter(row.unscored.partition(":")[0] for row in replies if row.unscored)
    return dict(counted.most_common())


def _outcome(pair: VerdictPair, place: Place | None) -> Outcome | None:
    if place is None or place == "tie":
        return place
    return "win" if (place == "first") == (pair.order == "model_first") else "loss"


def _judgment(
    pair: VerdictPair,
    source: str,
    rater: str,
    outcome: Outcome | None,
    unscored: str | None,
    grades: tuple[float, float] | None = None,
) -> Judgment:
    first, second = grades or (None, None)
    mine, other = (first, second) if pair.order == "model_first" else (second, first)
    return Judgment(
        prompt_id=pair.prompt_id,
        source=source,
        rater=rater,
        model=pair.model,
        opponent=pair.opponent,
        outcome=outcome,
        unscored=unscored,
        order=pair.order,
        score=mine,
        opponent_score=other,
    )


def _one(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    if None in outcomes:
        return None
    return outcomes[0] if len(set(outcomes)) == 1 else "tie"
