"""The checker itself: a pod that conforms passes, and every single rule that is broken is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.pod_security import violations

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "main",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "ports": [{"containerPort": 80}],
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def test_a_conforming_pod_has_no_violations() -> None:
    assert violations(GOOD) == []


def test_a_container_may_say_what_its_pod_does_not() -> None:
    pod = copy.deepcopy(GOOD)
    pod["containers"][0]["securityContext"] |= pod.pop("securityContext")
    assert violations(pod) == []


def main(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["containers"][0]
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.update(hostNetwork=True), "hostNetwork"),
        (lambda p: p.update(hostPID=True), "hostPID"),
        (lambda p: p["volumes"].append({"name": "h", "hostPath": {"path": "/"}}), "hostPath"),
        (lambda p: p["volumes"].append({"name": "n", "nfs": {"server": "s", "path": "/"}}), "nfs"),
        (lambda p: p["securityContext"].update(runAsUser=0), "runAsUser 0"),
        (lambda p: p["securityContext"].update(runAsNonRoot=False), "runAsNonRoot"),
        (lambda p: p["securityContext"].pop("seccompProfile"), "seccomp"),
        (lambda p: p["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), "sysctl"),
        (lambda p: p["securityContext"].update(seLinuxOptions={"type": "spc_t"}), "SELinux"),
        (lambda p: p["securityContext"].update(appArmorProfile={"type": "Unconfined"}), "AppArmor"),
        (lambda p: main(p)["securityContext"].update(privileged=True), "privileged"),
        (lambda p: main(p)["securityContext"].pop("allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
        (lambda p: main(p)["securityContext"].pop("capabilities"), "drop ALL"),
        (lambda p: main(p)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]), "adds"),
        (lambda p: main(p)["securityContext"].update(runAsNonRoot=False), "runAsNonRoot"),
        (lambda p: main(p)["securityContext"].update(seccompProfile={"type": "Unconfined"}), "seccomp"),
        (lambda p: main(p)["securityContext"].update(procMount="Unmasked"), "procMount"),
        (lambda p: main(p)["ports"][0].update(hostPort=80), "hostPort"),
        (lambda p: main(p).update(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 80}}), "another host"),
        (lambda p: p.update(initContainers=[{"name": "first"}]), "first: "),
    ],
)
def test_a_broken_rule_is_found(change: Callable[[dict[str, Any]], None], said: str) -> None:
    pod = copy.deepcopy(GOOD)
    change(pod)
    assert any(said in problem for problem in violations(pod)), violations(pod)
