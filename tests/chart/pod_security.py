"""Kubernetes' Pod Security Standard "restricted", with the "baseline" it includes, as a list of violations.

Written from the standard's text (kubernetes.io, Pod Security Standards, v1.34), Linux pods only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Pod = dict[str, Any]

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "image",
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = {"RuntimeDefault", "Localhost"}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(spec: Pod) -> list[str]:
    """What in a pod's spec the standard forbids; empty = it conforms."""
    found = list(_pod(spec))
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            found += [f"{container['name']}: {problem}" for problem in _container(container, spec)]
    return found


def _pod(spec: Pod) -> Iterator[str]:
    for shared in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(shared):
            yield shared
    for volume in spec.get("volumes", []):
        for kind in set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} of kind {kind}"
    security = spec.get("securityContext", {})
    for sysctl in security.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    yield from _shared_rules(security)


def _container(container: Pod, spec: Pod) -> Iterator[str]:
    above, own = spec.get("securityContext", {}), container.get("securityContext", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "does not drop ALL capabilities"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"adds capabilities {capabilities['add']}"
    if own.get("runAsNonRoot", above.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if own.get("seccompProfile", above.get("seccompProfile", {})).get("type") not in SECCOMP:
        yield "seccomp profile is neither RuntimeDefault nor Localhost"
    if own.get("procMount", "Default") != "Default":
        yield f"procMount {own['procMount']}"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    yield from _shared_rules(own)
    yield from _hosts(container)


def _shared_rules(security: Pod) -> Iterator[str]:
    if security.get("runAsUser") == 0:
        yield "runAsUser 0"
    if security.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield "AppArmor is unconfined"
    labels = security.get("seLinuxOptions", {})
    if labels.get("type", "") not in SELINUX_TYPES or labels.get("user") or labels.get("role"):
        yield f"SELinux options {labels}"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"


def _hosts(container: Pod) -> Iterator[str]:
    handlers = [container.get(probe, {}) for probe in PROBES] + list(container.get("lifecycle", {}).values())
    for handler in handlers:
        if any(handler.get(action, {}).get("host") for action in ("httpGet", "tcpSocket")):
            yield "a probe of another host"
