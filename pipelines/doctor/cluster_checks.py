"""Checks of the cluster itself: its API, what is installed on it, its storage."""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version

from pipelines.doctor.api import Api, ApiProblem, Json, NoKubeconfig
from pipelines.doctor.finding import Finding, failed, ok, skipped, warning
from pipelines.doctor.scope import Scope

OLDEST_KUBERNETES = (1, 29)
OLDEST_FOR_TRAINER = (1, 31)
"""Kubeflow Trainer 2 asks for it."""
NEWEST_TESTED = (1, 34)
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
TPU = "google.com/tpu"
WORKFLOWS = ("argoproj.io", "v1alpha1", "workflows")
TRAINJOBS = ("trainer.kubeflow.org", "v1alpha1", "trainjobs")


def reach_api(scope: Scope) -> list[Finding]:
    """The kubeconfig can be read, and the server it names answers and knows us."""
    kubectl = "kubectl config get-contexts"
    try:
        api = Api.connect(scope.options.kubeconfig, scope.options.context)
    except NoKubeconfig as error:
        return [
            failed(
                f"no cluster to ask: {error}",
                expected="a kubeconfig with a current context",
                remedy=f"export KUBECONFIG=/path/to/kubeconfig; or {kubectl}, then touchstone doctor --context NAME",
            )
        ]
    try:
        # Unlike /version this also asks who we are.
        api.get("/api/v1")
    except ApiProblem as problem:
        if problem.status == 401:
            found, remedy = "does not accept the credentials", "log in to the cluster again, then: kubectl auth whoami"
        elif problem.status == 0:
            found, remedy = "cannot be reached", f"kubectl cluster-info; another cluster: {kubectl}"
        else:
            found, remedy = f"answers {problem.status}", "kubectl get --raw /readyz?verbose"
        return [
            failed(f"{api.server} {found}: {problem.message}", expected="an API server that answers", remedy=remedy)
        ]
    scope.connected(api)
    return [ok(api.server)]


def check_version(scope: Scope) -> list[Finding]:
    """The server's version is one that works, and one that was tried."""
    told = scope.api.get("/version")
    name = str(told.get("gitVersion"))
    number = (int(told["major"]), int(re.sub(r"\D.*", "", told["minor"])))
    oldest = OLDEST_FOR_TRAINER if scope.options.trainjob else OLDEST_KUBERNETES
    expected = f"{_dotted(oldest)} or newer; tried up to {_dotted(NEWEST_TESTED)}"
    remedy = "upgrade the cluster's control plane and nodes"
    if number < oldest:
        return [failed(f"Kubernetes {name}", expected=expected, remedy=remedy)]
    if number > NEWEST_TESTED:
        remedy = "nothing, as long as the checks below are ok"
        return [warning(f"Kubernetes {name}, newer than what was tried", expected=expected, remedy=remedy)]
    return [ok(f"Kubernetes {name}")]


def check_pipelines_installed(scope: Scope) -> list[Finding]:
    """Kubeflow Pipelines' own kind of object is served."""
    source = "github.com/kubeflow/pipelines/manifests/kustomize"
    at = f"?ref={installed_version('kfp')}"
    if _served(scope, *WORKFLOWS):
        return [ok("workflows.argoproj.io is served")]
    return [
        failed(
            "the cluster does not know workflows.argoproj.io",
            expected="Kubeflow Pipelines, which runs pipelines as such workflows",
            remedy=f'kubectl apply -k "{source}/cluster-scoped-resources{at}" && '
            f'kubectl apply -k "{source}/env/platform-agnostic{at}"',
        )
    ]


def check_trainer(scope: Scope) -> list[Finding]:
    """Kubeflow Trainer and the chart's runtimes, where training on several nodes is wanted."""
    if not scope.options.trainjob:
        return [skipped("only training on several nodes needs it: --trainjob")]
    if not _served(scope, *TRAINJOBS):
        source = "https://github.com/kubeflow/trainer.git/manifests/overlays/manager"
        return [
            failed(
                "the cluster does not know trainjobs.trainer.kubeflow.org",
                expected="Kubeflow Trainer 2",
                remedy=f'kubectl apply --server-side -k "{source}?ref=v{installed_version("kubeflow-trainer-api")}"',
            )
        ]
    there = {
        item["metadata"]["name"]
        for item in scope.api.items("/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes")
    }
    needed = ["touchstone-torch", "touchstone-deepspeed"]
    accelerator = scope.options.profile.train.accelerator
    if accelerator and accelerator.resource == TPU:
        needed.append("touchstone-tpu")
    missing = [name for name in needed if name not in there]
    if missing:
        return [
            failed(
                f"no ClusterTrainingRuntime {', '.join(missing)}",
                expected=", ".join(needed),
                remedy=scope.install_command(),
            )
        ]
    return [ok(f"trainjobs.trainer.kubeflow.org and {', '.join(needed)}")]


def check_storage_class(scope: Scope) -> list[Finding]:
    """Volumes that are asked for without a class are made."""
    classes = scope.api.items("/apis/storage.k8s.io/v1/storageclasses")
    defaults = [_name(c) for c in classes if (c["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"]
    expected = "one default StorageClass, for the object store's volume and the crowd service's database"
    patch = '{"metadata":{"annotations":{"' + DEFAULT_CLASS + '":"%s"}}}'
    if len(defaults) == 1:
        return [ok(f"{defaults[0]} is the default")]
    if defaults:
        command = f"kubectl patch storageclass {defaults[-1]} -p '{patch % 'false'}'"
        return [
            warning(
                f"{len(defaults)} defaults: {', '.join(defaults)}",
                expected=f"{expected}; the newest is used",
                remedy=command,
            )
        ]
    if classes:
        names = ", ".join(map(_name, classes))
        command = f"kubectl patch storageclass {_name(classes[0])} -p '{patch % 'true'}'"
        return [failed(f"none of {names} is the default", expected=expected, remedy=command)]
    remedy = "install a provisioner (a cloud's CSI driver; on kind it is there), then: kubectl get storageclass"
    return [failed("there is no StorageClass", expected=expected, remedy=remedy)]


def _served(scope: Scope, group: str, version: str, plural: str) -> bool:
    # Discovery, because everyone may read it; the definitions themselves are for administrators.
    try:
        kinds = scope.api.get(f"/apis/{group}/{version}").get("resources") or []
    except ApiProblem as problem:
        if problem.status == 404:
            return False
        raise
    return any(kind.get("name") == plural for kind in kinds)


def _name(item: Json) -> str:
    return str(item["metadata"]["name"])


def _dotted(number: tuple[int, int]) -> str:
    return ".".join(map(str, number))
