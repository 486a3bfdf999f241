"""The stand-in's judge of the protocol: what botocore's model does not have is told, and what it has is not."""

from typing import Any

import pytest

from tests.unit.crowd.mturk_protocol import reply_problems, request_problems

TARGET = "MTurkRequesterServiceV20170117"
HIT = {
    "UniqueRequestToken": "touchstone-1",
    "Title": "t",
    "Description": "d",
    "Reward": "2.50",
    "MaxAssignments": 9,
    "AssignmentDurationInSeconds": 60,
    "LifetimeInSeconds": 60,
    "QualificationRequirements": [{"QualificationTypeId": "00L0", "Comparator": "In", "IntegerValues": [1]}],
}


def test_a_request_as_it_should_be_is_let_by() -> None:
    assert request_problems(f"{TARGET}.CreateHIT", HIT) == []
    assert request_problems(f"{TARGET}.GetAccountBalance", {}) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Title": None}, "CreateHIT.Title: None is no string"),
        ({"Reward": "2.505"}, "CreateHIT.Reward: '2.505' does not match"),
        ({"Reward": 2.5}, "CreateHIT.Reward: 2.5 is no string"),
        ({"Prize": "1"}, "CreateHIT: there is no member Prize"),
        ({"MaxAssignments": True}, "CreateHIT.MaxAssignments: True is no integer"),
        ({"UniqueRequestToken": "x" * 65}, "CreateHIT.UniqueRequestToken: 65 is not within 1 to 64"),
        (
            {"QualificationRequirements": [{"QualificationTypeId": "1", "Comparator": "AtLeast"}]},
            "CreateHIT.QualificationRequirements[0].Comparator: 'AtLeast' is none of",
        ),
        ({"QualificationRequirements": [{"Comparator": "In"}]}, "QualificationTypeId is missing"),
    ],
)
def test_a_request_that_strays_is_told(change: dict[str, Any], told: str) -> None:
    (problem,) = request_problems(f"{TARGET}.CreateHIT", {**HIT, **change})
    assert told in problem


def test_operations_that_do_not_exist_are_told() -> None:
    for target in (f"{TARGET}.CreateHit", "SomethingElse.CreateHIT"):
        assert request_problems(target, HIT) == [f"there is no operation {target}"]
    assert request_problems(f"{TARGET}.SendBonus", {"WorkerId": "A1"}) == [
        f"SendBonus: {name} is missing" for name in ("BonusAmount", "AssignmentId", "Reason")
    ]


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (200, {"HIT": {"HITId": "3ABC", "HITStatus": "Open"}}, "'Open' is none of"),
        (200, {"HIT": {"HITId": "3abc"}}, "does not match"),
        (200, {"HIT": {"Expiration": "tomorrow"}}, "is no timestamp"),
        (400, {"__type": "NoSuchHit", "Message": "m"}, "GetHIT does not fail with NoSuchHit"),
        (400, {"__type": "RequestError", "message": "m"}, "there is no member message"),
        (500, {"__type": "RequestError", "Message": "m"}, "RequestError of GetHIT with status 500"),
    ],
)
def test_a_reply_that_strays_is_told(status: int, answer: dict[str, Any], told: str) -> None:
    (problem,) = reply_problems("GetHIT", status, answer)
    assert told in problem


def test_replies_as_they_should_be_are_let_by() -> None:
    assert reply_problems("GetHIT", 200, {"HIT": {"HITId": "3ABC", "Expiration": 1.7e9, "Reward": "1.00"}}) == []
    refusal = {"__type": "RequestError", "Message": "m", "TurkErrorCode": "AWS.MechanicalTurk.HITDoesNotExist"}
    assert reply_problems("GetHIT", 400, refusal) == []
    assert reply_problems("GetHIT", 400, {"__type": "ThrottlingException"}) == []
    assert reply_problems("GetHIT", 500, {"__type": "ServiceFault", "Message": "m", "TurkErrorCode": ""}) == []
