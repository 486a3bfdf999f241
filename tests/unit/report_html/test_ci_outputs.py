"""A verdict for machines: read back by the readers that they are made for."""

import math
import xml.etree.ElementTree as ET

import pytest
from prometheus_client.parser import text_string_to_metric_families
from verdicts import ALL, MODELS, hostile, inconclusive, style_only, verdict

from components.report.ci_outputs import METRICS, junit, prometheus


def cases(text: str) -> dict[str, ET.Element]:
    return {str(case.get("name")): case for case in ET.fromstring(text.encode()).iter("testcase")}


def test_a_failed_gate_is_the_one_failure() -> None:
    suite = ET.fromstring(junit(inconclusive()).encode()).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "4")
    failure = cases(junit(inconclusive()))["gate"].find("failure")
    assert failure is not None
    assert failure.get("message") == "the verdict is INCONCLUSIVE"
    assert inconclusive().reason in (failure.text or "")


def test_a_regression_that_the_policy_lets_pass_fails_nothing() -> None:
    found = cases(junit(style_only()))
    assert list(found) == ["gate", "mmlu", "nq", "humaneval"]
    assert all(case.find("failure") is None for case in found.values())
    assert found["nq"].findtext("system-out") == "regressed; change -5.0 points, n 3,610"


def test_a_benchmark_that_says_nothing_is_skipped_with_its_reason() -> None:
    found = cases(junit(inconclusive()))
    skipped = found["arc"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "cannot tell; 2,400 items would settle it"
    skipped = found["boolq"].find("skipped")
    assert skipped is not None
    assert "the target is not measurably above the base" in str(skipped.get("message"))


@pytest.mark.parametrize("name", ALL)
def test_prometheus_reads_every_number_back(name: str) -> None:
    made = ALL[name]()
    found = {family.name: family for family in text_string_to_metric_families(prometheus(made))}
    assert set(found) <= set(METRICS)
    words = {s.labels["verdict"]: s.value for s in found["touchstone_verdict"].samples}
    assert [word for word, value in words.items() if value == 1] == [made.verdict]
    assert len(words) == 5
    scores = {(s.labels["benchmark"], s.labels["role"]): s.value for s in found["touchstone_benchmark_score"].samples}
    assert len(scores) == sum(v is not None for b in made.benchmarks for v in (b.base, b.imitator, b.target))
    assert all(math.isfinite(s.value) for family in found.values() for s in family.samples)


def test_what_cannot_be_had_has_no_line_rather_than_a_zero() -> None:
    text = prometheus(inconclusive())
    assert "touchstone_style_closeness" not in text
    assert 'touchstone_benchmark_gap_closed{imitator="' + MODELS["imitator"] + '",benchmark="boolq"}' not in text
    assert 'touchstone_gate_passed{imitator="' + MODELS["imitator"] + '",name="verdict"} 0' in text


def test_names_from_users_stay_inside_their_label() -> None:
    found = list(text_string_to_metric_families(prometheus(hostile())))
    assert {s.labels["imitator"] for family in found for s in family.samples} == {
        '<script>alert("x")</script> & \ufffd "quoted" \'name\''
    }
    cases(junit(hostile()))


def test_a_verdict_without_benchmarks_is_still_a_case() -> None:
    assert list(cases(junit(verdict(benchmarks=())))) == ["gate"]
