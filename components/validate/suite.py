"""What imitation data must be: expectations by name, with their thresholds. Data, not code of Great Expectations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.rows import Unit

Count = Annotated[int, Field(ge=0)]


class Params(BaseModel):
    """Thresholds of the gate."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What these data are called in messages and folder names."""
    min_dialogues: Count = 20
    """Error below this many dialogues."""
    max_duplicate_share: Unit = 0.01
    """Error when a larger share of dialogues asks what another one asks."""
    max_leaked_share: Unit = 0.0
    """Error when a larger share repeats a held-out prompt or a test question word for word."""
    max_reply_words: Count = 20_000
    """Warning when a reply is longer: a pasted book is no answer, and a training block cuts it anyway."""
    min_english_share: Unit = 0.9
    """Warning when a smaller share of the replies is English: the style metrics read English only."""
    min_distinct_replies: Unit = 0.05
    """Warning when a smaller share of replies is distinct: a target that says one thing teaches one thing."""


class Expectation(NamedTuple):
    """One line of the suite."""

    words: str
    """What is expected, for people."""
    kind: str
    """Class name in `great_expectations.expectations`."""
    severity: Literal["error", "warning"]
    arguments: Mapping[str, object]


def expectations(params: Params) -> list[Expectation]:
    """The suite for these thresholds, errors first."""
    return [
        Expectation(
            f"at least {params.min_dialogues} dialogues",
            "ExpectTableRowCountToBeBetween",
            "error",
            {"min_value": params.min_dialogues},
        ),
        Expectation("every id is used once", "ExpectColumnValuesToBeUnique", "error", {"column": "id"}),
        Expectation(
            "user and assistant alternate, user first, assistant last",
            "ExpectColumnValuesToBeInSet",
            "error",
            {"column": "alternates", "value_set": [True]},
        ),
        Expectation(
            "no turn is empty", "ExpectColumnValuesToBeBetween", "error", {"column": "empty_turns", "max_value": 0}
        ),
        _non_empty("the passport names the source", "source"),
        _non_empty("the passport names the target", "target"),
        _at_most("repeat another dialogue's queries", "is_duplicate", [False], params.max_duplicate_share),
        _at_most("repeat a held-out prompt or test question", "leaked", [""], params.max_leaked_share),
        Expectation(
            f"at least {params.min_english_share:.0%} of replies are English",
            "ExpectColumnValuesToBeInSet",
            "warning",
            {"column": "english", "value_set": [True], "mostly": params.min_english_share},
        ),
        Expectation(
            f"no dialogue has more than {params.max_reply_words} reply words",
            "ExpectColumnValuesToBeBetween",
            "warning",
            {"column": "reply_words", "max_value": params.max_reply_words},
        ),
        Expectation(
            f"at least {params.min_distinct_replies:.0%} of replies are distinct",
            "ExpectColumnProportionOfUniqueValuesToBeBetween",
            "warning",
            {"column": "reply", "min_value": params.min_distinct_replies},
        ),
        Expectation(
            "one target wrote all replies",
            "ExpectColumnUniqueValueCountToBeBetween",
            "warning",
            {"column": "target", "max_value": 1},
        ),
    ]


def _non_empty(words: str, column: str) -> Expectation:
    return Expectation(words, "ExpectColumnValueLengthsToBeBetween", "error", {"column": column, "min_value": 1})


def _at_most(words: str, column: str, good: list[object], share: float) -> Expectation:
    limit = "no dialogues" if share == 0 else f"at most {share:.1%} of dialogues"
    arguments = {"column": column, "value_set": good, "mostly": 1.0 - share}
    return Expectation(f"{limit} {words}", "ExpectColumnValuesToBeInSet", "error", arguments)
