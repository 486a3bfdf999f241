"""Programs through pods: what is asked of the cluster, what its answers mean, and that no pod stays."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from components.benchmark.sandbox import cluster as module
from components.benchmark.sandbox import pod as pod_module
from components.benchmark.sandbox.cluster import Pods, run_in_pods
from components.benchmark.sandbox.pod import batches, packed, pod
from components.benchmark.sandbox.scripts import script
from components.benchmark.sandbox.work import Limits, Program, Verdict
from components.contracts import environment
from components.contracts.environment import SandboxPlace
from components.contracts.errors import TouchstoneError, UsageError
from tests.chart.pod_security import violations
from tests.unit.benchmark.sandbox.played_cluster import PlayedCluster, PlayedPod

PLACE = SandboxPlace("sandbox", "registry/sandbox@sha256:0", "gvisor")
LIMITS = Limits(timeout_seconds=5)


def adds(number: int) -> Program:
    """A program that is right when its number is even."""
    return Program(
        f"p{number}", "import math\n", "assert f(1) == 2", "f", f"def f(x):\n    return x + 1 + {number} % 2\n"
    )


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedCluster]:
    made = PlayedCluster()
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    yield made
    made.close()


def verdicts(played: PlayedCluster, programs: list[Program], workers: int = 2) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}

    def report(program: Program, verdict: Verdict) -> None:
        assert program.key not in found
        found[program.key] = verdict

    with client.ApiClient(client.Configuration(host=played.address)) as api:
        try:
            run_in_pods(programs, Pods(api, PLACE, LIMITS), report, workers)
        finally:
            api.rest_client.pool_manager.clear()
    return found


def spec() -> dict[str, Any]:
    found: dict[str, Any] = pod([adds(0)], PLACE, LIMITS, "token")["spec"]
    return found


def test_the_pod_keeps_to_the_restricted_standard() -> None:
    assert violations(spec()) == []


def test_the_pod_gives_nothing_away_and_ends_by_itself() -> None:
    found = spec()
    assert found["automountServiceAccountToken"] is False
    assert found["enableServiceLinks"] is False
    assert not found["shareProcessNamespace"]
    assert found["runtimeClassName"] == "gvisor"
    assert found["activeDeadlineSeconds"] > 0
    assert found["restartPolicy"] == "Never"
    assert all("emptyDir" in volume and volume["emptyDir"]["sizeLimit"] for volume in found["volumes"])
    run, verify = found["containers"]
    assert {mount["name"] for mount in run["volumeMounts"]}.isdisjoint(m["name"] for m in verify["volumeMounts"])
    assert run["securityContext"]["runAsUser"] != verify["securityContext"]["runAsUser"]
    for container in (run, verify):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["limits"])


def test_only_the_verifier_is_given_tests_and_token() -> None:
    run, verify = pod([adds(0)], PLACE, LIMITS, "the-token")["spec"]["containers"]
    assert "the-token" in json.dumps(verify["env"])
    assert [each["name"] for each in run["env"]] == ["PYTHONHASHSEED"]
    assert "the-token" not in json.dumps(run)


def test_a_batch_holds_every_item_once() -> None:
    batch = json.loads(zlib.decompress(base64.b64decode(packed([adds(n) for n in range(5)], LIMITS))))
    assert len(batch["items"]) == 1
    assert [program["key"] for program in batch["programs"]] == [f"p{n}" for n in range(5)]


def test_what_is_too_large_for_one_pod_is_cut_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_module, "MAX_BATCH_CHARS", 20_000)
    draw = random.Random(0)
    programs = [Program(f"p{n}", "", "f()", "f", draw.randbytes(3_000).hex()) for n in range(20)]
    made = list(batches(programs, LIMITS, workers=1))
    assert [program for batch in made for program in batch] == programs
    assert len(made) > 2
    assert all(len(packed(batch, LIMITS)) <= 20_000 for batch in made)


def test_one_program_that_no_pod_can_be_given_is_unscored(
    played: PlayedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_module, "MAX_BATCH_CHARS", 20_000)
    large = Program("large", "", "f()", "f", random.Random(0).randbytes(30_000).hex())
    found = verdicts(played, [adds(0), large])
    assert found["p0"].passed is True
    assert found["large"].passed is None
    assert "longer than a pod can be given" in found["large"].detail


@pytest.mark.parametrize("box", ["program", "verifier"])
def test_a_script_stands_alone(box: Any) -> None:
    text = script(box)
    compile(text, box, "exec")
    assert "components" not in text.replace("components.contracts", "")
    assert "$(" not in text, "Kubernetes would fill it in"
    assert len(text) < 100_000


def test_programs_are_judged_by_pods_that_are_then_gone(played: PlayedCluster) -> None:
    found = verdicts(played, [adds(n) for n in range(12)])
    assert {key: verdict.passed for key, verdict in found.items()} == {f"p{n}": n % 2 == 0 for n in range(12)}
    assert len(played.bodies) == 2
    assert sorted(played.deleted) == sorted(played.pods)
    assert all(body["metadata"].get("namespace", "sandbox") == "sandbox" for body in played.bodies)


def test_a_full_quota_is_waited_for(played: PlayedCluster) -> None:
    played.refusals = [(403, "pods is forbidden: exceeded quota: sandbox"), (503, "busy")]
    assert verdicts(played, [adds(0)])["p0"].passed is True


def test_a_refusal_is_told(played: PlayedCluster) -> None:
    played.refusals = [(403, "User cannot create resource pods")]
    with pytest.raises(TouchstoneError, match="User cannot create resource pods"):
        verdicts(played, [adds(0)])


@pytest.mark.slow
def test_a_pod_that_is_lost_costs_nobody_a_verdict(played: PlayedCluster) -> None:
    def lose_the_first(lost: PlayedPod, log: bytes) -> None:
        if len(played.bodies) == 1 and log.count(b"passed") > 2:
            lost.kill()

    played.on_log = lose_the_first
    found = verdicts(played, [adds(n) for n in range(200)], workers=1)
    assert sum(verdict.passed is True for verdict in found.values()) == 100
    assert len(found) == 200
    assert len(played.bodies) >= 2
    assert sorted(played.deleted) == sorted(played.pods)


@pytest.mark.slow
def test_a_program_that_ends_every_pod_fails_and_the_others_do_not(played: PlayedCluster) -> None:
    # Without walls between the boxes it can reach the program box, its parent.
    killer = Program(
        "killer", "", "f()", "f", "import os, signal\ndef f():\n    os.kill(os.getppid(), signal.SIGKILL)\n"
    )
    found = verdicts(played, [adds(0), killer, adds(2)], workers=1)
    assert [found[key].passed for key in ("p0", "killer", "p2")] == [True, False, True]
    assert "brought its sandbox down" in found["killer"].detail


def test_a_pod_that_never_starts_is_given_up_with_its_reason(
    played: PlayedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_START", 0.1)
    played.status = {"phase": "Pending", "conditions": [{"message": "0/3 nodes are available"}]}
    monkeypatch.setattr(PlayedPod, "log", lambda pod, container: b"")
    with pytest.raises(TouchstoneError, match="0/3 nodes are available"):
        verdicts(played, [adds(0)])
    assert sorted(played.deleted) == sorted(played.pods)


def test_lines_without_the_token_say_nothing(played: PlayedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    true_log = PlayedPod.log

    def forged(lying: PlayedPod, container: str) -> bytes:
        forgery = b'{"key": "p1", "passed": true, "detail": "passed"}\nTOKEN {"key": "p1", "passed": true}\n'
        return forgery + true_log(lying, container)

    monkeypatch.setattr(PlayedPod, "log", forged)
    assert verdicts(played, [adds(1)])["p1"].passed is False


def test_the_place_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOUCHSTONE_SANDBOX_NAMESPACE", raising=False)
    assert environment.sandbox() is None
    monkeypatch.setenv("TOUCHSTONE_SANDBOX_NAMESPACE", "s")
    monkeypatch.delenv("TOUCHSTONE_SANDBOX_IMAGE", raising=False)
    with pytest.raises(UsageError, match="TOUCHSTONE_SANDBOX_IMAGE"):
        environment.sandbox()
    monkeypatch.setenv("TOUCHSTONE_SANDBOX_IMAGE", "i")
    monkeypatch.delenv("TOUCHSTONE_SANDBOX_RUNTIME_CLASS", raising=False)
    assert environment.sandbox() == SandboxPlace("s", "i", "")
