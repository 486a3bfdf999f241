"""People's labels in an audit: by them a judge may gate, or may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from components.contracts.ports import Input, write_rows
from components.contracts.preference_rows import GoldLabel
from components.contracts.verdict import Verdict

PROMPTS = 40  # as conftest writes them


def _people(given: Any, name: str, *, agree: bool) -> str:
    """One person's votes on the judge's pairs, which name the other answer where they do not agree."""
    rows = json.loads(given.path("judgments.json").read_text())
    said = [
        row | {"annotator": name, "preference": row["preference"] if agree else 3 - row["preference"]} for row in rows
    ]
    given.path(f"{name}.json").write_text(json.dumps(said))
    return str(given.path(f"{name}.json"))


@pytest.fixture
def policy(given: Any) -> str:
    """Half of the prompts are won: its lower bound is above 0.3."""
    rules = {"placebos": [], "min_gold": PROMPTS, "min_gold_agreement": 0.6, "require_at_least_target": 0.3}
    given.path("policy.yaml").write_text(yaml.safe_dump({"judges": rules}))
    return str(given.path("policy.yaml"))


def _verdict(given: Any) -> Verdict:
    return Verdict.model_validate_json(given.path("result").joinpath("verdict.json").read_text())


def test_a_judge_that_says_what_people_say_may_gate(given: Any, policy: str, touchstone: Any) -> None:
    votes = [_people(given, name, agree=True) for name in ("anne", "bob")]
    ran = touchstone(*given.arguments(policy=policy, gold=votes))
    assert ran.code == 0, ran.err
    (judge,) = _verdict(given).judges
    assert (judge.qualified, judge.num_gold, judge.gold_agreement) == (True, PROMPTS, 1.0)
    labels = Input(given.path("result") / "rows" / "gold", GoldLabel).rows()
    assert {label.num_raters for label in labels} == {2}
    again = touchstone("verdict", given.path("result"), "--json")
    assert (again.code, again.out) == (0, given.path("result").joinpath("verdict.json").read_text())
    # The same as rows.
    write_rows(given.path("labels"), GoldLabel, labels)
    assert touchstone(*given.arguments(policy=policy, gold=given.path("labels"), out=given.path("second"))).code == 0


@pytest.mark.parametrize("with_people", [False, True])
def test_a_judge_that_people_contradict_or_do_not_know_gates_nothing(
    given: Any, policy: str, touchstone: Any, with_people: bool
) -> None:
    votes = [_people(given, "anne", agree=False)] if with_people else None
    ran = touchstone(*given.arguments(policy=policy, gold=votes))
    assert ran.code == 3
    assert (
        "gate not passed: no judge that may gate compared the imitator with the target; a-judge may not gate" in ran.err
    )
    verdict = _verdict(given)
    assert verdict.gate == "fail"
    assert not verdict.preference[0].qualified


def test_labels_without_judgments_are_refused(given: Any, touchstone: Any) -> None:
    ran = touchstone(*given.arguments(gold=_people(given, "anne", agree=True), judgments=None))
    assert ran.code == 2
    assert "--gold needs the judgments that it is held against: --judgments" in ran.err
