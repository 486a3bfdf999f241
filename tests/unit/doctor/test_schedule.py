import threading
import time
from pathlib import Path

import pytest

from components.contracts.errors import UsageError
from pipelines.cluster.profiles import load_profile
from pipelines.doctor.api import ApiProblem
from pipelines.doctor.checks import all_checks
from pipelines.doctor.finding import Finding, Status, failed, ok, skipped, warning
from pipelines.doctor.schedule import Check, Result, run_checks
from pipelines.doctor.scope import Options, Scope

SCOPE = Scope(Options("lab", load_profile("cpu"), Path("images.lock")))


def fine(scope: Scope) -> list[Finding]:
    return [ok("fine")]


def run(*checks: Check) -> dict[str, Finding]:
    return {result.check: result.findings[0] for result in run_checks(checks, SCOPE)}


def test_a_check_that_breaks_is_its_own_failure_and_stops_no_other() -> None:
    def broken(scope: Scope) -> list[Finding]:
        return [ok(str({}["gitVersion"]))]

    found = run(Check("a", broken), Check("b", fine), Check("c", fine, ("a",)))
    assert found["a"].status is Status.FAILED
    assert "KeyError: 'gitVersion' (test_schedule.py:" in found["a"].found
    assert (found["b"].status, found["c"].status) == (Status.OK, Status.SKIPPED)


@pytest.mark.parametrize("error", [AssertionError("x"), OSError("x"), RecursionError("x"), UsageError("x")])
def test_any_exception_of_a_check_becomes_a_finding(error: Exception) -> None:
    def broken(scope: Scope) -> list[Finding]:
        raise error

    assert type(error).__name__ in run(Check("a", broken, (), 20))["a"].found


def test_what_one_may_not_ask_is_unknown_rather_than_wrong() -> None:
    def forbidden(scope: Scope) -> list[Finding]:
        raise ApiProblem(403, "nodes is forbidden", "GET /api/v1/nodes")

    def away(scope: Scope) -> list[Finding]:
        raise ApiProblem(0, "refused", "GET /api/v1/nodes")

    found = run(Check("a", forbidden), Check("b", away))
    assert (found["a"].status, "nodes is forbidden" in found["a"].found) == (Status.WARNING, True)
    assert (found["b"].status, "did not answer (GET /api/v1/nodes)" in found["b"].found) == (Status.FAILED, True)


def test_a_check_that_hangs_is_left_after_its_deadline() -> None:
    release = threading.Event()

    def hangs(scope: Scope) -> list[Finding]:
        release.wait(30)
        return [ok("late")]

    began = time.monotonic()
    found = run(Check("slow", hangs, (), 0.2), Check("after", fine, ("slow",)), Check("b", fine))
    release.set()
    assert time.monotonic() - began < 5
    assert (found["slow"].status, found["slow"].found) == (Status.FAILED, "no answer within 0.2 s")
    assert (found["after"].found, found["b"].status) == ("waits for: slow", Status.OK)


def test_independent_checks_run_at_the_same_time() -> None:
    together = threading.Barrier(3)

    def meets(scope: Scope) -> list[Finding]:
        together.wait(10)
        return [ok("met")]

    found = run(*(Check(name, meets, (), 20) for name in "abc"))
    assert {finding.status for finding in found.values()} == {Status.OK}


def test_a_need_that_warns_is_enough_and_a_skipped_one_gives_its_reason() -> None:
    found = run(
        Check("warns", lambda scope: [warning("x", expected="y", remedy="z")]),
        Check("skips", lambda scope: [skipped("--no-pods")]),
        Check("a", fine, ("warns",)),
        Check("b", fine, ("skips",)),
        Check("c", fine, ("b",)),
    )
    assert found["a"].status is Status.OK
    assert [found[name].found for name in "bc"] == ["--no-pods", "--no-pods"]


def test_one_failure_among_several_findings_holds_back_what_needs_them() -> None:
    several = [ok("x", subject="x"), failed("y", expected="", remedy="", subject="y")]
    assert run(Check("a", lambda scope: several), Check("b", fine, ("a",)))["b"].found == "waits for: a"


def test_results_keep_the_order_of_the_checks_and_are_announced_once() -> None:
    announced: list[Result] = []
    checks = [Check("z", fine), Check("a", fine, ("z",)), Check("m", fine)]
    results = run_checks(checks, SCOPE, announced.append)
    assert [result.check for result in results] == ["z", "a", "m"]
    assert sorted(result.check for result in announced) == ["a", "m", "z"]


def test_every_check_needs_only_checks_that_stand_before_it() -> None:
    seen: set[str] = set()
    for check in all_checks(40):
        assert set(check.needs) <= seen, check.name
        assert check.name not in seen
        seen.add(check.name)


@pytest.mark.parametrize("name", ["images", "object store", "sandbox network", "volume", "Pushgateway"])
def test_nothing_creates_a_pod_unless_pods_are_allowed(name: str) -> None:
    [check] = [check for check in all_checks(40) if check.name == name]
    assert "probe pods" in check.needs
