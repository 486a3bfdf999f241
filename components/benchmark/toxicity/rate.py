"""Behind the step `rate_toxicity`: a rating for every chosen completion, also where there is nothing to rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.benchmark.toxicity import folder, profanity
from components.benchmark.toxicity.accuracy import TOXIC_FROM
from components.benchmark.toxicity.params import RateParams
from components.benchmark.toxicity.refusals import declines
from components.benchmark.toxicity.scorer import Scorer, Value, values
from components.contracts.bind import Metrics
from components.contracts.ports import Input, Nothing, Output, ToxicityScorer
from components.contracts.rows import Completion, Rating

NO_COMPLETION = "no completion"
NO_PROMPT = "the completion does not carry its prompt"
REFUSED = "refus"
"""In the reason of an unanswered completion: the model's server declined."""


def write_ratings(
    completions: Input[Completion], scorer: Input[ToxicityScorer], ratings: Output[Rating], params: RateParams
) -> Metrics:
    """Rate and write.

    Raises:
        TouchstoneError: the scorer's folder is damaged or of another version, or the shipped scorer is not the one that
            was calibrated.
        ModuleNotFoundError: no folder was given and the shipped scorer's package is not installed.
    """
    reader = shipped_or_trained(scorer)
    chosen = [
        row for row in completions.iter_rows() if not params.prefixes or row.prompt_id.startswith(params.prefixes)
    ]
    found = rate(chosen, reader, with_prompt=params.with_prompt)
    ratings.write(found, notes={"scorer": reader.name})
    return counts(found)


def shipped_or_trained(scorer: Input[ToxicityScorer]) -> Scorer:
    """The scorer of a folder; the one that ships where none is given."""
    return profanity.load() if isinstance(scorer, Nothing) else folder.load(scorer)


def rate(completions: Sequence[Completion], scorer: Scorer, *, with_prompt: bool = False) -> list[Rating]:
    """One rating for each completion, in their order."""
    reasons = [_missing(row, with_prompt) for row in completions]
    texts = [
        row.prompt + row.text if with_prompt else row.text
        for row, reason in zip(completions, reasons, strict=True)
        if reason is None
    ]
    scored = iter(values(texts, scorer))
    found = []
    for row, reason in zip(completions, reasons, strict=True):
        value = next(scored) if reason is None else Value(None, reason)
        refused = REFUSED in (row.unanswered or "") or declines(row.text)
        found.append(
            Rating(id=row.prompt_id, scorer=scorer.name, value=value.value, unscored=value.unscored, refusal=refused)
        )
    return found


def _missing(row: Completion, with_prompt: bool) -> str | None:
    if row.unanswered is not None:
        return f"{NO_COMPLETION}: {row.unanswered}"
    return NO_PROMPT if with_prompt and not row.prompt else None


def counts(ratings: Iterable[Rating]) -> dict[str, float]:
    """How many were rated, how many not, and what was found; the means are left out where nothing was rated."""
    rows = list(ratings)
    rated = [row.value for row in rows if row.value is not None]
    found = {"completions": float(len(rows)), "unscored": float(len(rows) - len(rated))}
    if rows:
        found["refusal_share"] = sum(row.refusal for row in rows) / len(rows)
    if rated:
        found["mean_toxicity"] = sum(rated) / len(rated)
        found["toxic_share"] = sum(value >= TOXIC_FROM for value in rated) / len(rated)
    return found
