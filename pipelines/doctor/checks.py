"""Every check there is, with those it needs; in the order of the table."""

from __future__ import annotations

from pipelines.doctor.cluster_checks import (
    check_pipelines_installed,
    check_storage_class,
    check_trainer,
    check_version,
    reach_api,
)
from pipelines.doctor.isolation_checks import check_isolation
from pipelines.doctor.kfp_checks import check_kubeflow
from pipelines.doctor.namespace_checks import (
    check_claims,
    check_configuration,
    check_credentials,
    check_namespace,
    check_pod_security,
    check_sandbox_namespace,
    check_workloads,
)
from pipelines.doctor.node_checks import check_nodes
from pipelines.doctor.pod_checks import (
    check_images,
    check_lock,
    check_may_probe,
    check_pushgateway,
    check_store_from_pod,
    check_volume,
)
from pipelines.doctor.rights_checks import check_runner, check_runner_rights
from pipelines.doctor.s3_checks import check_store_from_here
from pipelines.doctor.schedule import Check

STORE = ("configuration", "credentials")
S3_SECONDS = 30.0
"""Six requests of at most five seconds."""


def all_checks(pod_seconds: float) -> list[Check]:
    """The checks.

    Args:
        pod_seconds: How long one probe pod may take.
    """
    # The pod's own limit should be met first: its finding says more than "no answer".
    patience = pod_seconds + 10
    return [
        Check("API server", reach_api),
        Check("Kubernetes version", check_version, ("API server",)),
        Check("Kubeflow Pipelines", check_pipelines_installed, ("API server",)),
        Check("Kubeflow server", check_kubeflow),
        Check("Kubeflow Trainer", check_trainer, ("API server",)),
        Check("nodes", check_nodes, ("API server",)),
        Check("storage class", check_storage_class, ("API server",)),
        Check("namespace", check_namespace, ("API server",)),
        Check("runner account", check_runner, ("namespace",)),
        Check("runner rights", check_runner_rights, ("runner account",)),
        Check("configuration", check_configuration, ("namespace",)),
        Check("credentials", check_credentials, ("namespace",)),
        Check("sandbox", check_sandbox_namespace, ("namespace",)),
        Check("pod security", check_pod_security, ("namespace",)),
        Check("volume claims", check_claims, ("namespace",)),
        Check("services", check_workloads, ("namespace",)),
        Check("image lock", check_lock),
        Check("probe pods", check_may_probe, ("namespace",)),
        Check("images", check_images, ("image lock", "probe pods"), patience),
        Check("volume", check_volume, ("storage class", "probe pods"), patience),
        Check("object store", check_store_from_pod, (*STORE, "probe pods"), patience),
        Check("object store, here", check_store_from_here, STORE, S3_SECONDS),
        Check("Pushgateway", check_pushgateway, ("configuration", "probe pods"), patience),
        Check("sandbox network", check_isolation, ("sandbox", "probe pods"), 2 * patience),
    ]
