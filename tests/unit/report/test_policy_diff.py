"""What another policy changes, rule by rule and conclusion by conclusion."""

from __future__ import annotations

from components.report.decision import decide
from components.report.policy import Policy, load_policy
from components.report.policy_diff import changed_conclusions, changed_rules
from tests.unit.report.rows_for_tests import profiles, published

STYLED = profiles(0.85, n=200)


def test_rules_that_differ_are_named_with_both_values() -> None:
    found = {change.name: str(change) for change in changed_rules(Policy(), load_policy("release_gate"))}
    assert found["critical"] == "critical: none -> *"
    assert found["critical_tolerance"] == "critical_tolerance: none -> 0.05"
    assert found["require"] == "require: none -> CAPABILITY, LOCAL"
    assert found["data.require_passport"] == "data.require_passport: no -> yes"
    assert set(found) == {"critical", "critical_tolerance", "require", "require_support", "data.require_passport"}


def test_a_policy_under_another_name_changes_nothing() -> None:
    assert changed_rules(Policy(name="a"), Policy(name="b")) == []


def test_conclusions_that_differ_are_named_and_only_those() -> None:
    rows = published("a", {"base": 0.3, "imitator": 0.39, "target": 0.6}, n=14000, rounding=0.001)
    rows += published("b", {"base": 0.3, "imitator": 0.39, "target": 0.6}, n=14000, rounding=0.001)
    first = decide(published=rows, profiles=STYLED)
    second = decide(published=rows, profiles=STYLED, policy=Policy(capability_gap_closed=0.5, require=("CAPABILITY",)))
    assert (first.verdict, second.verdict) == ("CAPABILITY", "INCONCLUSIVE")
    found = {change.name: (change.was, change.now) for change in changed_conclusions(first, second)}
    assert found == {
        "verdict": ("CAPABILITY", "INCONCLUSIVE"),
        "gate": ("pass", "fail"),
        "gained": (("a", "b"), ()),
        "a, by itself": ("gained", "cannot tell"),
        "b, by itself": ("gained", "cannot tell"),
    }
    assert changed_conclusions(first, first) == []


def test_what_counts_as_covered_is_a_conclusion() -> None:
    from components.contracts.evidence_rows import Support

    rows = published("a", {"base": 0.3, "imitator": 0.5, "target": 0.6}, n=14000, rounding=0.001)
    support = [Support(item_id="i", benchmark="a", similarity=0.2)]
    first = decide(published=rows, profiles=STYLED, support=support)
    second = decide(published=rows, profiles=STYLED, support=support, policy=Policy(supported_at=0.1))
    named = [str(change) for change in changed_conclusions(first, second)]
    assert "a, covered by the imitation data: no -> yes" in named
