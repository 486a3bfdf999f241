"""Programs judged by pods of the chart's sandbox: the same verdicts as on one machine, and nothing stays."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import pytest
from kubernetes import client

from components.benchmark.sandbox.cluster import Pods, run_in_pods
from components.benchmark.sandbox.pod import LABELS
from components.benchmark.sandbox.work import CONTROL, Limits, Program, Verdict
from components.contracts.environment import SandboxPlace
from tests.cluster.release import Release
from tests.unit.benchmark.sandbox.hostile_programs import HOSTILE

pytestmark = pytest.mark.cluster
LIMITS = Limits(timeout_seconds=5)
WORD = f"expected-{secrets.token_hex(8)}"
TESTS = f"def check(candidate):\n    value = candidate('w')\n    assert value == {WORD!r}, repr(value)\n"
ON_ONE_MACHINE_ONLY = {
    "reads the host's names",  # the image has a passwd of its own
    "asks who it is",
    "looks at the root",
}
"""Programs whose attempt ends in another way in a container; none may pass."""


def judged(kube: client.ApiClient, namespace: str, image: str, programs: list[Program]) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    pods = Pods(kube, SandboxPlace(namespace, image), LIMITS)
    run_in_pods(programs, pods, lambda program, verdict: found.update({program.key: verdict}), workers=2)
    return found


def test_a_batch_of_programs_is_judged_and_its_pods_are_gone(
    images: Mapping[str, str], release: Release, sandbox: str, kube: client.ApiClient
) -> None:
    right = "def f(x):\n    return x + 1\n"
    wrong = "def f(x):\n    return x\n"
    programs = [Program(f"p{n}", "", "assert f(1) == 2", "f", wrong if n % 3 else right) for n in range(60)]
    found = judged(kube, sandbox, images["touchstone/sandbox"], programs)
    assert {key: verdict.passed for key, verdict in found.items()} == {f"p{n}": n % 3 == 0 for n in range(60)}
    selector = ",".join(f"{key}={value}" for key, value in LABELS.items())
    left = client.CoreV1Api(kube).list_namespaced_pod(sandbox, label_selector=selector).items
    assert all(pod.metadata.deletion_timestamp for pod in left)


def test_hostile_programs_fail_and_the_honest_ones_between_them_do_not(
    images: Mapping[str, str], release: Release, sandbox: str, kube: client.ApiClient
) -> None:
    programs = []
    for number, hostile in enumerate(HOSTILE):
        programs.append(Program(hostile.name, "", TESTS, "solve", hostile.source))
        programs.append(Program(f"honest {number}", "", CONTROL.tests, CONTROL.entry_point, CONTROL.source))
    found = judged(kube, sandbox, images["touchstone/sandbox"], programs)
    passed = {key for key, verdict in found.items() if verdict.passed is True}
    assert passed == {f"honest {number}" for number in range(len(HOSTILE))}
    assert not [verdict.detail for verdict in found.values() if WORD in verdict.detail]
    unsaid = [h.name for h in HOSTILE if found[h.name].passed is None and h.name not in ON_ONE_MACHINE_ONLY]
    assert unsaid == []
