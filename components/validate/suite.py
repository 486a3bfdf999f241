"""What imitation data must be: expectations by name, with the thresholds of the policy. Data, not library code."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.contracts.data_policy import DataPolicy
from components.contracts.rows import Count
from components.validate.table import COLUMNS
from components.validate.toxicity import TOXIC_FROM

TableName = Literal["dialogues", "neighbours", "leakage", "categories"]
SHORT_REPLY_WORDS = 5
"""A dialogue with fewer reply words is short."""
ISO_DATE = r"^(?:\d{4}(?:-\d{2}(?:-\d{2})?)?)?$"
ISO_LANGUAGE = r"^(?:[a-z]{2})?$"
ESCAPES = ("@", "__")
"""What a row condition may not hold: pandas would run it as Python."""


class ExtraExpectation(BaseModel):
    """An expectation of the user's own, over the columns that the README of this box lists."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1)]
    """What is expected, in words."""
    kind: Annotated[str, Field(pattern=r"^Expect[A-Za-z]+$")]
    """Class in `great_expectations.expectations`, such as ExpectColumnValuesToBeBetween."""
    column: str = ""
    """The column it is about; empty for an expectation about the whole table or about several columns."""
    arguments: dict[str, object] = Field(default_factory=dict)
    """Its other arguments, such as min_value or mostly."""
    severity: Literal["error", "warning"] = "error"
    """error closes the gate, warning is reported."""

    @field_validator("arguments")
    @classmethod
    def _harmless(cls, arguments: dict[str, object]) -> dict[str, object]:
        condition = str(arguments.get("row_condition", ""))
        if any(mark in condition for mark in ESCAPES):
            raise ValueError(f"row_condition holds {' or '.join(ESCAPES)}, which would run as Python")
        return arguments


class Params(BaseModel):
    """What the gate is held by."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """What these data are called in messages and folder names."""
    seed: Count = 0
    """Decides which failing dialogues are listed when there are more than 20: a random sample, not the first ones."""
    policy: dict[str, object] = Field(default_factory=dict)
    """The run's policy; its part `data` holds the thresholds (DataPolicy), the rest is not read here."""
    extra: tuple[ExtraExpectation, ...] = ()
    """Expectations on top of the built-in ones."""

    @field_validator("policy")
    @classmethod
    def _known_thresholds(cls, policy: dict[str, object]) -> dict[str, object]:
        given = policy.get("data") or {}
        if not isinstance(given, Mapping):
            raise ValueError(f"data is {type(given).__name__}, expected thresholds by name")
        known = tuple(DataPolicy.model_fields)
        if unknown := [str(key) for key in given if key not in known]:
            close = {key: difflib.get_close_matches(key, known, 1) for key in unknown}
            named = ", ".join(key + (f" (did you mean {found[0]}?)" if found else "") for key, found in close.items())
            raise ValueError(f"unknown keys in data: {named}; there are {', '.join(known)}")
        try:
            DataPolicy.model_validate(given)
        except ValidationError as error:
            raise ValueError(
                "; ".join(f"data.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            ) from error
        return policy

    @cached_property
    def thresholds(self) -> DataPolicy:
        """The `data` part of the policy."""
        return DataPolicy.model_validate(self.policy.get("data") or {})


class Expectation(NamedTuple):
    """One line of the suite."""

    words: str
    """What is expected, for people."""
    kind: str
    """Class name in `great_expectations.expectations`."""
    severity: Literal["error", "warning"]
    arguments: Mapping[str, object]
    table: TableName = "dialogues"
    """Which table it is about; without it nothing was measured."""
    listed: str = ""
    """Where the expectation itself names no rows: a column whose largest values mark the rows to list."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns it names."""
        named: list[str] = []
        for key, value in self.arguments.items():
            if key in {"column", "column_A", "column_B"}:
                named.append(str(value))
            elif key == "column_list" and isinstance(value, list | tuple):
                named += map(str, value)
        return tuple(named)


def expectations(policy: DataPolicy, extra: tuple[ExtraExpectation, ...] = ()) -> list[Expectation]:
    """The suite for these thresholds: what the rows must be, what they must hold, what is worth a warning, extras."""
    held = [*_schema(), *_content(policy), *_leaks(policy), *_replies(policy), *_mix(policy), *_passport(policy)]
    return [*held, *_added(extra)]


def _schema() -> list[Expectation]:
    return [
        Expectation(
            "the table has every documented column",
            "ExpectTableColumnsToMatchSet",
            "error",
            {"column_set": list(COLUMNS), "exact_match": True},
        ),
        _non_empty("every dialogue has an id", "id"),
        Expectation("every id is used once", "ExpectColumnValuesToBeUnique", "error", {"column": "id"}),
        _matches("languages are ISO 639-1 codes", "language", ISO_LANGUAGE),
        _matches("the target's dates are ISO 8601", "target_date", ISO_DATE),
    ]


def _content(policy: DataPolicy) -> list[Expectation]:
    return [
        Expectation(
            f"at least {policy.min_dialogues} dialogues",
            "ExpectTableRowCountToBeBetween",
            "error",
            {"min_value": policy.min_dialogues},
        ),
        _true("user and assistant alternate, user first, assistant last", "alternates", "error"),
        _between("no turn is empty", "empty_turns", "error", max_value=0),
        _at_most("repeat another dialogue's queries", "is_duplicate", [False], policy.max_duplicate_share),
        _at_most("repeat a held-out prompt or test question", "leaked", [""], policy.max_leaked_share),
    ]


def _leaks(policy: DataPolicy) -> list[Expectation]:
    return [
        Expectation(
            f"at most {policy.max_dirty_share:.1%} of a benchmark's items count as leaked",
            "ExpectColumnValuesToBeBetween",
            "warning",
            {"column": "dirty_share", "max_value": policy.max_dirty_share},
            table="leakage",
        ),
    ]


def _replies(policy: DataPolicy) -> list[Expectation]:
    short = policy.max_short_reply_share
    return [
        _true(
            f"at least {policy.min_english_share:.0%} of replies are English",
            "english",
            "warning",
            mostly=policy.min_english_share,
        ),
        _between(
            f"no reply has more than {policy.max_reply_words} words",
            "longest_reply_words",
            "warning",
            max_value=policy.max_reply_words,
        ),
        _between(
            f"at most {short:.0%} of dialogues have fewer than {SHORT_REPLY_WORDS} reply words",
            "reply_words",
            "warning",
            min_value=SHORT_REPLY_WORDS,
            mostly=1.0 - short,
        ),
        Expectation(
            f"at least {policy.min_distinct_replies:.0%} of replies are distinct, numbers aside",
            "ExpectColumnProportionOfUniqueValuesToBeBetween",
            "warning",
            {"column": "reply", "min_value": policy.min_distinct_replies},
            listed="reply_repeats",
        ),
    ]


def _mix(policy: DataPolicy) -> list[Expectation]:
    toxic = policy.max_toxic_share
    return [
        Expectation(
            f"queries come no nearer than BLEU {policy.max_diversity_bleu:g}, on average, to their nearest other",
            "ExpectColumnMeanToBeBetween",
            "warning",
            {"column": "bleu", "max_value": policy.max_diversity_bleu},
            table="neighbours",
        ),
        _between(
            f"no category holds more than {policy.max_category_share:.0%} of the queries",
            "share",
            "warning",
            table="categories",
            max_value=policy.max_category_share,
        ),
        _between(
            f"at most {toxic:.1%} of dialogues have a toxic reply",
            "toxicity",
            "warning",
            max_value=TOXIC_FROM,
            strict_max=True,
            mostly=1.0 - toxic,
        ),
    ]


def _passport(policy: DataPolicy) -> list[Expectation]:
    demanded: Literal["error", "warning"] = "error" if policy.require_passport else "warning"
    return [
        _non_empty("the passport names the source", "source"),
        _non_empty("the passport names the target", "target"),
        _non_empty("the passport gives the target's date", "target_date", demanded),
        Expectation(
            "the passport says what the target's terms allow",
            "ExpectColumnValuesToBeInSet",
            demanded,
            {"column": "terms", "value_set": ["open", "restricted"]},
        ),
        Expectation(
            "one target wrote all replies",
            "ExpectColumnUniqueValueCountToBeBetween",
            "warning",
            {"column": "target", "max_value": 1},
        ),
    ]


def _added(extra: tuple[ExtraExpectation, ...]) -> list[Expectation]:
    return [
        Expectation(
            one.name, one.kind, one.severity, {**({"column": one.column} if one.column else {}), **one.arguments}
        )
        for one in extra
    ]


def _non_empty(words: str, column: str, severity: Literal["error", "warning"] = "error") -> Expectation:
    return Expectation(words, "ExpectColumnValueLengthsToBeBetween", severity, {"column": column, "min_value": 1})


def _matches(words: str, column: str, regex: str) -> Expectation:
    return Expectation(words, "ExpectColumnValuesToMatchRegex", "error", {"column": column, "regex": regex})


def _true(words: str, column: str, severity: Literal["error", "warning"], **more: object) -> Expectation:
    return Expectation(words, "ExpectColumnValuesToBeInSet", severity, {"column": column, "value_set": [True], **more})


def _between(
    words: str, column: str, severity: Literal["error", "warning"], table: TableName = "dialogues", **more: object
) -> Expectation:
    return Expectation(words, "ExpectColumnValuesToBeBetween", severity, {"column": column, **more}, table)


def _at_most(words: str, column: str, good: list[object], share: float) -> Expectation:
    limit = "no dialogues" if share == 0 else f"at most {share:.1%} of dialogues"
    arguments = {"column": column, "value_set": good, "mostly": 1.0 - share}
    return Expectation(f"{limit} {words}", "ExpectColumnValuesToBeInSet", "error", arguments)
