"""Scores that can be read and yet cannot decide: what the verdict says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

N = 120


@pytest.fixture
def verdict(tmp_path, touchstone):
    """The verdict of an audit of one benchmark with these scores."""

    def run(base, imitator, target, *, clusters=None):
        given = []
        for role, values in (("base", base), ("imitator", imitator), ("target", target)):
            path: Path = tmp_path / f"{role}.jsonl"
            rows = [
                {"benchmark": "nq", "item_id": f"i{i}", "score": value, "cluster": clusters[i] if clusters else ""}
                | ({"unscored": "timeout"} if value is None else {})
                for i, value in enumerate(values)
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            given += ["--scores", f"{role}={path}"]
        ran = touchstone("audit", *given, "--out", tmp_path / "result", "--json")
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    return run


def _share(count: int, of: int = N) -> list[int]:
    return [int(i < count) for i in range(of)]


def test_one_item_says_why_it_decides_nothing(verdict) -> None:
    found = verdict([0], [1], [1])
    assert found["verdict"] == "INCONCLUSIVE"
    assert found["benchmarks"][0]["delta_ci"] is None
    assert "nq decides nothing: one item does not say how much others would differ." in found["warnings"]


def test_a_target_below_the_base_is_told_as_what_swapped_roles_look_like(verdict) -> None:
    found = verdict(_share(90), _share(50), _share(30))
    assert found["benchmarks"][0]["label"] == "regressed"
    wanted = "nq: the target scores below the base (25.0% < 75.0%): check that no two roles are swapped."
    assert wanted in found["warnings"]
    near = verdict(_share(61), _share(50), _share(60))
    assert not [line for line in near["warnings"] if "swapped" in line], "a point is no sign of it"


def test_equal_scores_of_two_roles_are_remarked_on(verdict) -> None:
    found = verdict(_share(30), _share(30), _share(90))
    assert "nq: base and imitator have the same score on all 120 items: two files of one model?" in found["warnings"]
    other = verdict(_share(30), _share(31), _share(90))
    assert not [line for line in other["warnings"] if "same score" in line]


def test_scores_that_nobody_has_are_not_equal(verdict) -> None:
    found = verdict([None] * N, [None] * N, [None] * N)
    assert not [line for line in found["warnings"] if "same score" in line]


def test_a_gap_of_exactly_zero_divides_nothing(verdict) -> None:
    base = _share(40)
    found = verdict(base, _share(60), base[::-1])
    (benchmark,) = found["benchmarks"]
    assert (benchmark["gap"], benchmark["gap_closed"], found["verdict"]) == (0.0, None, "INCONCLUSIVE")


def test_all_unscored_is_not_wrong_and_nothing_was_measured(verdict) -> None:
    found = verdict(_share(30), [None] * N, _share(90))
    assert found["verdict"] == "INCONCLUSIVE"
    assert any("beyond chance; none was measured" in line for line in found["would_change"])
    assert any("100.0% of the items could not be scored, 2.0% are allowed" in line for line in found["warnings"])


def test_a_cluster_of_nearly_everything_says_why_it_decides_nothing(verdict) -> None:
    found = verdict(_share(30), _share(60), _share(90), clusters=["big"] * (N - 3) + ["a", "b", "c"])
    assert (
        "nq decides nothing: nearly all items belong to one cluster, so their spread is unknown." in found["warnings"]
    )


def test_limits_that_contradict_each_other_are_all_named(tmp_path, touchstone) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("negligible_gap_closed: 0.4\ncritical_tolerance: 0.001\ncritical: [nq]\n")
    ran = touchstone("audit", "--policy", policy, "--published", tmp_path / "x.yaml", "--out", tmp_path / "o")
    assert ran.code == 2
    assert "negligible_gap_closed 0.4 must not exceed capability_gap_closed 0.25" in ran.err
    assert "critical_tolerance 0.001 must not be below regression_margin 0.01" in ran.err


def test_what_cannot_be_written_or_read_is_told_apart(tmp_path, touchstone) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text('{"benchmark": "nq", "item_id": "i0", "score": 1}\n')
    ran = touchstone("audit", "--scores", f"base={path}", "--scores", f"imitator={path}x", "--out", "/proc/x")
    assert ran.code == 1
    assert "cannot write /proc/x" in ran.err
