"""Parameters of the gate: thresholds come from the policy, and a wrong key is named."""

from __future__ import annotations

import pytest

from components.contracts import bind
from components.contracts.data_policy import DataPolicy
from components.contracts.errors import UsageError
from components.validate.step import validate
from components.validate.suite import Params, expectations


def params(values: dict[str, object]) -> Params:
    checked = bind.check_params(validate, values)
    assert isinstance(checked, Params)
    return checked


def test_thresholds_are_the_data_part_of_a_policy_and_the_rest_is_not_read() -> None:
    given = {"policy": {"name": "study", "alpha": 0.05, "data": {"min_dialogues": 7}}}
    assert params(given).thresholds == DataPolicy(min_dialogues=7)
    assert params({}).thresholds == DataPolicy()
    assert any(one.words == "at least 7 dialogues" for one in expectations(params(given).thresholds))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"min_dialogs": 7}, r"min_dialogs \(did you mean min_dialogues\?\)"),
        ({"what": 1, "min_dialogs": 7}, "what, min_dialogs"),
        ({"max_leaked_share": 2}, "data.max_leaked_share"),
        ([1], "data is list"),
    ],
)
def test_a_wrong_threshold_is_a_usage_error_that_names_it(data: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        params({"policy": {"data": data}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ExpectColumnValuesToBeUnique"},
        {"name": "", "kind": "ExpectColumnValuesToBeUnique"},
        {"name": "mine", "kind": "os.system"},
        {"name": "mine", "kind": "ExpectColumnValuesToBeUnique", "severity": "fatal"},
        {"name": "mine", "kind": "ExpectColumnValuesToBeUnique", "columns": ["id"]},
        {"name": "mine", "kind": "ExpectX", "arguments": {"row_condition": "@pd.io.common.os.system('x')"}},
        {"name": "mine", "kind": "ExpectX", "arguments": {"row_condition": "id.__class__"}},
    ],
)
def test_an_own_expectation_must_be_whole_and_harmless(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="extra"):
        params({"extra": [wrong]})


def test_every_expectation_has_words_of_its_own() -> None:
    words = [one.words for one in expectations(DataPolicy())]
    assert len(set(words)) == len(words)
