"""What is fixed before the first vote."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts import canonical
from components.contracts.crowd_rows import NOBODY, StudyPair
from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.crowd.study.rules import ExclusionRules

INSTRUCTION = """Below is a request, and two answers to it. **Which answer is better?**

Judge what helps the person who asked: is it right, does it do what was asked, is it clear? A long or confident answer
is not better for being so. Where you can check a fact, do. If neither is better, choose *about equal*."""

MAX_CHARACTERS = 200_000
"""Longest prompt or output: more than a person compares."""
MAX_NAME = 390
"""Longest id or model name."""
SHUFFLE_PRIME = 2**31 - 1
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters other than tab and line ends, and lone surrogates: no database or page can hold them all."""


class StudyDesign(BaseModel):
    """How many people see how much, and which votes count."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w .:-]+$")]
    """Name of the study; the source of its judgments."""
    instruction: Annotated[str, Field(min_length=1, max_length=20_000)] = INSTRUCTION
    """What raters are asked to do, as Markdown."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Sides, order and the places of checks follow from it."""
    raters_per_pair: Annotated[int, Field(ge=1, le=99)] = 3
    """Votes a pair gets; the headline is their majority."""
    items_per_rater: Annotated[int, Field(ge=1, le=1000)] = 40
    """Most items one rater sees, checks included."""
    experts_per_pair: Annotated[int, Field(ge=0, le=9)] = 1
    """Expert votes that a divided pair gets, exported as a source of their own; 0 = no expert lane."""
    gold_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.1
    """Share of a rater's items that are gold."""
    repeat_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    """Share of a rater's items that are repeats."""
    reserve_minutes: Annotated[float, Field(gt=0.0, le=10_000.0)] = 30.0
    """How long a pair is kept for a rater who does not answer."""
    rules: ExclusionRules = ExclusionRules()
    """Which raters' votes do not count."""


def shown(text: str) -> str:
    """`text` as it can be stored and shown: characters that cannot are replaced by the sign for that."""
    return CONTROLS.sub("\ufffd", text)


def says_the_same(pair: StudyPair) -> bool:
    """Whether a pair that would be rated shows one text twice: a tie that nobody is asked about, or paid for."""
    return pair.kind in {"headline", "placebo"} and shown(pair.output) == shown(pair.opponent_output)


def unasked_tie(source: str, prompt_id: str, model: str, opponent: str) -> Judgment:
    """The outcome of a pair that shows one text twice."""
    return Judgment(
        prompt_id=prompt_id,
        source=source,
        rater=NOBODY,
        model=model,
        opponent=opponent,
        outcome="tie",
        order="none",
    )


def checked(pairs: Sequence[StudyPair]) -> list[StudyPair]:
    """The pairs as they can be stored, if a study can be made of them.

    Raises:
        TouchstoneError: no pair, an id twice, a text too long, a repeat of nothing.
    """
    if not any(pair.kind in {"headline", "placebo"} for pair in pairs):
        raise TouchstoneError("there is no pair to rate", expected="at least one of the kind headline or placebo")
    twice = [key for key, times in Counter(pair.pair_id for pair in pairs).items() if times > 1]
    if twice:
        raise TouchstoneError(f"pair {twice[0]!r} stands there twice", expected="every pair_id once")
    originals = {pair.pair_id for pair in pairs if pair.kind in {"headline", "placebo"}}
    for pair in pairs:
        longest = max(len(pair.prompt), len(pair.output), len(pair.opponent_output))
        if longest > MAX_CHARACTERS:
            raise TouchstoneError(
                f"pair {pair.pair_id!r} has a text of {longest:,} characters",
                expected=f"at most {MAX_CHARACTERS:,}",
                remedy="leave the pair out: nobody compares texts of that length",
            )
        if max(map(len, (pair.pair_id, pair.prompt_id, pair.model, pair.opponent))) > MAX_NAME:
            raise TouchstoneError(
                f"pair {pair.pair_id[:40]!r}... has an id or a model's name that is too long",
                expected=f"at most {MAX_NAME} characters",
            )
        if pair.kind == "repeat" and pair.repeats not in originals:
            raise TouchstoneError(
                f"pair {pair.pair_id!r} repeats {pair.repeats!r}", expected="a headline or placebo pair"
            )
    return [
        pair.model_copy(update={name: shown(text) for name, text in pair.model_dump().items() if isinstance(text, str)})
        for pair in pairs
    ]


def with_repeats(pairs: Sequence[StudyPair], design: StudyDesign) -> list[StudyPair]:
    """The pairs with a repeat of every headline pair, where the study wants repeats and the file has none.

    Which of them a rater meets depends on what the rater has answered, so every pair needs one.
    """
    if design.repeat_share == 0.0 or any(pair.kind == "repeat" for pair in pairs):
        return list(pairs)
    made = [
        pair.model_copy(update={"kind": "repeat", "pair_id": f"{pair.pair_id}#again", "repeats": pair.pair_id})
        for pair in pairs
        if pair.kind == "headline" and not says_the_same(pair)
    ]
    return [*pairs, *made]


def items_per_rater(design: StudyDesign, pairs: Sequence[StudyPair]) -> int:
    """How many items one rater can see: the quota, or as many as leave no place of the plan empty."""
    asked = [pair.kind for pair in pairs if not says_the_same(pair)]
    kinds = Counter("ordinary" if kind in {"headline", "placebo"} else kind for kind in asked)

    def ordinary(items: int) -> int:
        golds = min(round(design.gold_share * items), kinds["gold"])
        return items - golds - min(round(design.repeat_share * items), kinds["repeat"])

    return max(
        items for items in range(1, design.items_per_rater + 1) if items == 1 or ordinary(items) <= kinds["ordinary"]
    )


def silent_rules(design: StudyDesign, pairs: Sequence[StudyPair]) -> list[str]:
    """Rules that can exclude nobody, since one rater meets too little of what they ask about; in words.

    Args:
        design: The design.
        pairs: Of the study, repeats included.
    """
    items, rules = items_per_rater(design, pairs), design.rules
    there: Counter[str] = Counter(pair.kind for pair in pairs)
    asked = (
        ("min_gold_share", rules.min_gold_share, "gold", design.gold_share, "gold_from", rules.gold_from),
        ("min_repeat_share", rules.min_repeat_share, "repeat", design.repeat_share, "repeats_from", rules.repeats_from),
    )
    found = []
    for name, wanted, kind, share, field, least in asked:
        met = min(round(share * items), there[kind])
        if wanted is not None and there[kind] and met < least:
            found.append(f"{name} excludes nobody: of {items} items a rater meets {met} {kind}, {field} is {least}")
    times = "votes_from" if rules.seconds_from is None else "seconds_from"
    for name, limit, field, least in (
        ("min_median_seconds", rules.min_median_seconds, times, rules.times_from),
        ("max_same_choice", rules.max_same_choice, "votes_from", rules.votes_from),
    ):
        if limit is not None and items < least:
            found.append(f"{name} excludes nobody: a rater has {items} items, {field} is {least}")
    return found


def design_digest(design: StudyDesign, pairs: Sequence[StudyPair]) -> str:
    """sha256 of everything that was fixed before the data, whatever order the pairs came in."""
    rows = sorted((pair.model_dump() for pair in pairs), key=lambda row: str(row["pair_id"]))
    return canonical.digest({"design": design.model_dump(), "pairs": [canonical.digest(row) for row in rows]})


def model_left(seed: int, rater_key: str, pair_key: str) -> bool:
    """Whether the model under test stands on the left: a fair coin of the study's seed, the rater and the pair."""
    return bool(hashlib.sha256(f"side|{seed}|{rater_key}|{pair_key}".encode()).digest()[0] & 1)


def shuffle_number(seed: int, pair_key: str) -> int:
    """The pair's number in [1, 2^31 - 2]."""
    return _number(f"pair|{seed}|{pair_key}")


def rater_factor(seed: int, rater_key: str) -> int:
    """The rater's number: pairs in the order of (pair's number x rater's number) mod 2^31 - 1 are shuffled anew."""
    return _number(f"rater|{seed}|{rater_key}")


def kinds_for(design_seed: int, rater_key: str, items: int, gold_share: float, repeat_share: float) -> list[str]:
    """What the rater's items are to be, place by place: ordinary, gold or repeat.

    Repeats come in the second half, so that there is something to repeat and its first sight has faded; the first
    item is never a check.
    """
    draw = random.Random(f"plan|{design_seed}|{rater_key}")
    plan = ["ordinary"] * items
    late = range(items // 2, items)
    for place in draw.sample(late, min(round(repeat_share * items), len(late))):
        plan[place] = "repeat"
    free = [place for place in range(1, items) if plan[place] == "ordinary"]
    for place in draw.sample(free, min(round(gold_share * items), len(free))):
        plan[place] = "gold"
    return plan


def _number(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8]) % (SHUFFLE_PRIME - 1) + 1
