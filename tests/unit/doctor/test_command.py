import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from components.contracts.errors import UsageError
from pipelines.cli.doctor import doctor
from pipelines.doctor.command import profile_name
from pipelines.doctor.finding import Finding, failed, ok, skipped, warning
from pipelines.doctor.report import anything_failed, as_json, print_report
from pipelines.doctor.schedule import Result
from tests.unit.doctor.api_server import ApiServer, served

LONG = "kubectl -n lab create secret generic touchstone-s3 " + "--from-literal=KEY=VALUE " * 8


def result(*findings: Finding) -> Result:
    return Result("storage", tuple(findings), 0.25)


def printed(*results: Result, width: int = 60) -> str:
    sink = io.StringIO()
    print_report(results, Console(file=sink, width=width))
    return sink.getvalue()


def test_a_failure_is_followed_by_what_was_found_expected_and_to_type() -> None:
    shown = printed(result(failed("no [class] here", expected="one default", remedy=LONG)))
    assert "FAILED storage\n  found:    no [class] here\n  expected: one default\n" in shown
    assert f"  to do:    {LONG.rstrip()}" in shown, "a command must stay on one line to be copied"
    assert "1 FAILED: a run would fail" in shown


def test_ok_and_skipped_are_one_line_each() -> None:
    shown = printed(result(ok("standard", subject="x")), result(skipped("--no-pods", remedy="nothing")))
    assert "storage: x" in shown
    assert "--no-pods" in shown
    assert "expected:" not in shown
    assert "1 ok, 1 skipped: nothing found that would fail a run" in shown


@pytest.mark.parametrize(
    ("finding", "fails"),
    [
        (ok("x"), False),
        (skipped("x"), False),
        (warning("x", expected="", remedy=""), False),
        (failed("x", expected="", remedy=""), True),
    ],
)
def test_only_a_failure_fails(finding: Finding, fails: bool) -> None:
    results = [result(ok("y"), finding)]
    assert anything_failed(results) is fails
    assert json.loads(as_json(results, "lab"))["ok"] is not fails


def test_json_holds_every_field_of_every_finding() -> None:
    told = json.loads(as_json([result(failed("f", expected="e", remedy="r", subject="s"))], "lab"))
    assert told["namespace"] == "lab"
    entry = {"check": "storage", "subject": "s", "status": "FAILED", "found": "f", "expected": "e", "remedy": "r"}
    assert told["checks"] == [{**entry, "seconds": 0.25}]


@pytest.mark.parametrize(
    ("profile", "gpu", "tpu", "meant"),
    [(None, False, False, "cpu"), (None, True, False, "gpu"), (None, False, True, "tpu"), ("gpu", True, False, "gpu")],
)
def test_a_flag_is_short_for_a_profile(profile: str | None, gpu: bool, tpu: bool, meant: str) -> None:
    assert profile_name(profile, gpu=gpu, tpu=tpu) == meant


@pytest.mark.parametrize(("profile", "gpu", "tpu"), [(None, True, True), ("cpu", True, False)])
def test_two_profiles_at_once_are_refused(profile: str | None, gpu: bool, tpu: bool) -> None:
    with pytest.raises(UsageError):
        profile_name(profile, gpu=gpu, tpu=tpu)


def call(*arguments: str) -> Any:
    return CliRunner().invoke(doctor, arguments)


def test_a_cluster_with_nothing_on_it_gives_exit_code_1_and_a_table(tmp_path: Path) -> None:
    server = ApiServer({"GET /api/v1/nodes": {"items": []}})
    with served(server.server):
        done = call("-n", "lab", "--kubeconfig", str(server.kubeconfig(tmp_path)), "--images", str(tmp_path / "none"))
    assert done.exit_code == 1, done.output
    assert "there is no namespace lab" in done.output
    assert "the check itself broke" not in done.output
    assert not any(request.startswith("POST") for request, _ in server.requests)


def test_without_a_cluster_every_other_check_still_has_a_line(tmp_path: Path) -> None:
    done = call("--json", "--kubeconfig", str(tmp_path / "none"))
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"], told["namespace"]) == (1, False, "kubeflow")
    by_name = {entry["check"]: entry for entry in told["checks"]}
    assert by_name["API server"]["status"] == "FAILED"
    assert by_name["nodes"]["found"] == "waits for: API server"
    assert len(by_name) > 20


def test_an_unknown_profile_is_a_usage_error(tmp_path: Path) -> None:
    done = call("--profile", str(tmp_path / "none.yaml"))
    assert isinstance(done.exception, UsageError)
