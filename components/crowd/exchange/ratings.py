"""What came back in a file: ratings, checked against the study, as judgments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from components.contracts.crowd_rows import StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.files import as_number
from components.crowd.exchange.tickets import Shown, by_ticket
from components.crowd.study.design import says_the_same, unasked_tie
from components.crowd.study.rules import Answered, ExclusionRules, broken_rule, pressed, quality

Choice = Literal["left", "equal", "right"]
CHOICES: Mapping[str, Choice] = {"left": "left", "right": "right", "equal": "equal", "tie": "equal"}
"""What may stand in a file, in any case, with or without blanks around it."""
SHOWN_PROBLEMS = 5
SHOWN_CHARACTERS = 40
LONGEST_SECONDS = 1e7
CONTRADICTS = "the rater answered twice, differently"


@dataclass(frozen=True)
class Rating:
    """One answer as a file has it."""

    where: str
    """File and line."""
    ticket: str
    rater: str
    """Who answered, by the file's own name; empty = it does not say."""
    choice: Choice | None
    """null = the answer cannot be read."""
    unscored: str | None = None
    """Why `choice` is null."""
    seconds: float | None = None
    """How long it took, where known."""


class Imported(NamedTuple):
    """What became of the ratings."""

    judgments: tuple[Judgment, ...]
    """Of headline and placebo pairs: one for each rater and pair, unscored ones with their reason; and, where anything
    was rated, a tie by nobody for each pair that shows one text twice."""
    num_doubled: int
    """Ratings that stood there more than once and said the same."""
    num_checks: int
    """Answers to gold pairs and repeats: they decide whom the rules exclude, and are no judgments."""
    excluded: Mapping[str, str]
    """Rater (pseudonym) -> the rule that was broken; the judgments say so too."""


def as_judgments(
    ratings: Sequence[Rating],
    pairs: Sequence[StudyPair],
    *,
    source: str,
    pseudonym: Callable[[str], str],
    rules: ExclusionRules | None = None,
) -> Imported:
    """Judgments of a study from ratings of it.

    Args:
        ratings: In the order of the file.
        pairs: The study.
        source: Name of the rater pool.
        pseudonym: A rater's name in the file -> the name in the rows.
        rules: Whom to exclude; null = nobody.

    Raises:
        TouchstoneError: a pair is not of this study, or it is not said who rated.
    """
    known = by_ticket(pairs)
    _refuse_unknown(ratings, known)
    answers: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in ratings:
        answers[pseudonym(rating.rater), known[rating.ticket].pair.pair_id].append(rating)
    kept = {key: _one(given, known) for key, given in answers.items()}
    excluded = _excluded(kept, known, rules) if rules else {}
    rows = [
        _judgment(rater, rating, known[rating.ticket], source, excluded.get(rater))
        for (rater, _), rating in kept.items()
        if known[rating.ticket].pair.kind in {"headline", "placebo"} and not says_the_same(known[rating.ticket].pair)
    ]
    checks = sum(known[rating.ticket].pair.kind in {"gold", "repeat"} for rating in kept.values())
    contradictions = sum(rating.unscored == CONTRADICTS for rating in kept.values())
    if rows:
        rows += [unasked_tie(source, one.prompt_id, one.model, one.opponent) for one in pairs if says_the_same(one)]
    return Imported(tuple(rows), len(ratings) - len(kept) - contradictions, checks, excluded)


def read_seconds(value: object) -> float | None:
    """A time as a file has it; null where it can be none, or is of a page that was forgotten for months."""
    seconds = as_number(value)
    return seconds if seconds is not None and 0.0 <= seconds <= LONGEST_SECONDS else None


def said_ticket(rating: Rating) -> str:
    """A ticket as a message may hold it, whatever a file put there."""
    return repr(rating.ticket[:SHOWN_CHARACTERS]) if rating.ticket else "that is missing"


def read_choice(text: str) -> tuple[Choice | None, str | None]:
    """An answer as it was typed -> the choice, or why there is none."""
    said = text.strip().strip("\"'").lower()
    if said in CHOICES:
        return CHOICES[said], None
    return (
        None,
        f"the answer is {text.strip()[:SHOWN_CHARACTERS]!r}, not left, right or equal" if said else "left empty",
    )


def _refuse_unknown(ratings: Sequence[Rating], known: Mapping[str, Shown]) -> None:
    foreign = [f"{rating.where}: {said_ticket(rating)}" for rating in ratings if rating.ticket not in known]
    if foreign:
        more = f", and {len(foreign) - SHOWN_PROBLEMS} more" if len(foreign) > SHOWN_PROBLEMS else ""
        raise TouchstoneError(
            f"{len(foreign)} of {len(ratings)} ratings are of no pair of this study: "
            + "; ".join(foreign[:SHOWN_PROBLEMS])
            + more,
            expected="tickets as they were exported from this study, whose texts have not changed since",
            remedy="give the study that the file was exported from, or restore the column ticket",
        )
    nameless = [rating.where for rating in ratings if not rating.rater.strip()]
    if nameless:
        raise TouchstoneError(
            f"{len(nameless)} ratings do not say who rated, first {nameless[0]}",
            expected="a column rater (or WorkerId), or one person for the whole file",
            remedy="fill the column, or name the person with --rater",
        )


def _one(given: Sequence[Rating], known: Mapping[str, Shown]) -> Rating:
    """What one person said of one pair: the same twice counts once, two different things are unknown."""
    scored = [rating for rating in given if rating.choice is not None]
    if not scored:
        return given[0]
    outcomes = {_outcome(rating, known[rating.ticket]) for rating in scored}
    if len(outcomes) == 1:
        return scored[0]
    first = scored[0]
    return Rating(first.where, first.ticket, first.rater, None, CONTRADICTS, first.seconds)


def _outcome(rating: Rating, shown: Shown) -> str:
    assert rating.choice is not None
    return pressed(rating.choice, shown.model_left)


def _excluded(
    kept: Mapping[tuple[str, str], Rating], known: Mapping[str, Shown], rules: ExclusionRules
) -> dict[str, str]:
    by_rater: dict[str, list[Answered]] = defaultdict(list)
    for (rater, _), rating in kept.items():
        if rating.choice is None:
            continue
        shown = known[rating.ticket]
        before = kept.get((rater, shown.pair.repeats))
        earlier = _outcome(before, known[before.ticket]) if before is not None and before.choice is not None else None
        expected = shown.pair.expected or earlier
        answered = Answered(shown.pair.kind, _outcome(rating, shown), shown.model_left, expected, rating.seconds)
        by_rater[rater].append(answered)
    broken = {rater: broken_rule(rules, quality(answers)) for rater, answers in by_rater.items()}
    return {rater: reason for rater, reason in broken.items() if reason is not None}


def _judgment(rater: str, rating: Rating, shown: Shown, source: str, excluded: str | None) -> Judgment:
    unscored = rating.unscored if rating.choice is None else f"rater excluded: {excluded}" if excluded else None
    return Judgment.model_validate(
        {
            "prompt_id": shown.pair.prompt_id,
            "source": source,
            "rater": rater,
            "model": shown.pair.model,
            "opponent": shown.pair.opponent,
            "outcome": None if unscored else _outcome(rating, shown),
            "unscored": unscored,
            "order": "model_first" if shown.model_left else "opponent_first",
            "seconds": rating.seconds,
        }
    )
