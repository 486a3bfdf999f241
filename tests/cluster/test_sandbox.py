"""Programs written by models run where nothing can be reached and nothing can be proven."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from kubernetes import client

from tests.cluster.pods import finished, restricted_pod, run_to_end, said
from tests.cluster.release import Release

pytestmark = pytest.mark.cluster
PORT = 9000

LOOK = """
import os, socket
print("token", os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"))
print("user", os.getuid())
try:
    open("/here", "w")
    print("root writable")
except OSError as error:
    print("root", error.errno)
"""

REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5).close()
    print("reached")
except OSError as error:
    print("blocked", type(error).__name__)
"""


def test_a_sandbox_pod_has_no_token_and_cannot_write(
    images: Mapping[str, str], release: Release, sandbox: str, kube: client.ApiClient
) -> None:
    core = client.CoreV1Api(kube)
    pod = restricted_pod("look", images["touchstone/sandbox"], ["python3", "-c", LOOK], serviceAccountName="sandbox")
    del pod["spec"]["automountServiceAccountToken"]  # the chart's account must see to it
    lines = run_to_end(core, sandbox, pod).split("\n")
    assert "token False" in lines
    assert "user 65532" in lines
    assert "root 30" in lines, "EROFS: the root file system is read-only"


def test_a_sandbox_pod_cannot_reach_the_store(
    images: Mapping[str, str], release: Release, sandbox: str, kube: client.ApiClient
) -> None:
    core = client.CoreV1Api(kube)
    address = core.read_namespaced_pod(release.minio_pod, release.namespace).status.pod_ip
    command = ["python3", "-c", REACH, address, str(PORT)]
    # The same from the pipelines' namespace: that the store answers at all.
    outside = restricted_pod("reach", images["touchstone/python-cpu"], command)
    assert "reached" in run_to_end(core, release.namespace, outside)
    core.create_namespaced_pod(sandbox, restricted_pod("reach", images["touchstone/sandbox"], command))
    finished(core, sandbox, "reach")
    if "reached" in said(core, sandbox, "reach"):
        pytest.skip("this cluster stores NetworkPolicies and does not enforce them; touchstone doctor warns of it")
    assert "blocked" in said(core, sandbox, "reach")


def test_a_privileged_pod_is_refused(
    images: Mapping[str, str], release: Release, sandbox: str, kube: client.ApiClient
) -> None:
    pod = restricted_pod("privileged", images["touchstone/sandbox"], ["python3", "-c", "pass"])
    pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    with pytest.raises(client.exceptions.ApiException, match="violates PodSecurity"):
        client.CoreV1Api(kube).create_namespaced_pod(sandbox, pod)
