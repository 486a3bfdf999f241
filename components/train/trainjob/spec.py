"""A request -> the TrainJob object, built with the Trainer's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.contracts.errors import UsageError
from components.train.trainjob.request import Owner, TrainJobRequest, Variable

if TYPE_CHECKING:
    from kubeflow_trainer_api import models

API_VERSION = "trainer.kubeflow.org/v1alpha1"
RUN_LABEL = "touchstone/run"
STEP_LABEL = "touchstone/step"


def train_job(request: TrainJobRequest) -> dict[str, Any]:
    """The TrainJob to create, as the API server takes it.

    Raises:
        UsageError: the Trainer's types refuse a value.
    """
    from kubeflow_trainer_api import models
    from pydantic import ValidationError

    try:
        made = models.TrainerV1alpha1TrainJob(
            api_version=API_VERSION, kind="TrainJob", metadata=_metadata(request), spec=_spec(request)
        )
    except (ValidationError, ValueError) as error:
        raise UsageError(
            f"the TrainJob {request.name} cannot be described: {str(error).splitlines()[0]}",
            expected="quantities as Kubernetes writes them: 64Gi, 4, 500m",
            remedy="correct the parameter cluster of the train step",
        ) from error
    body: dict[str, Any] = made.to_dict()
    return body


def owner_reference(owner: Owner) -> dict[str, str]:
    """The owner as metadata.ownerReferences holds it.

    Not a controller and blocking nothing: several runs may own one TrainJob, which goes when the last of them went.
    """
    return {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}


def _metadata(request: TrainJobRequest) -> models.IoK8sApimachineryPkgApisMetaV1ObjectMeta:
    from kubeflow_trainer_api import models

    labels = {"app.kubernetes.io/part-of": "touchstone", STEP_LABEL: request.step}
    if request.run:
        labels[RUN_LABEL] = request.run
    owners = [
        models.IoK8sApimachineryPkgApisMetaV1OwnerReference.from_dict(owner_reference(owner))
        for owner in (request.owner,)
        if owner
    ]
    return models.IoK8sApimachineryPkgApisMetaV1ObjectMeta(
        name=request.name, namespace=request.namespace, labels=labels, owner_references=owners or None
    )


def _spec(request: TrainJobRequest) -> models.TrainerV1alpha1TrainJobSpec:
    from kubeflow_trainer_api import models

    # The cores are promised but not capped: a cap would throttle the data loader of a process that waits for its GPU.
    resources = {
        "requests": dict(request.resources),
        "limits": {name: amount for name, amount in request.resources.items() if name != "cpu"},
    }
    trainer = models.TrainerV1alpha1Trainer(
        image=request.image,
        command=list(request.command),
        args=list(request.arguments),
        env=[_variable(variable) for variable in request.environment],
        num_nodes=request.num_nodes,
        num_proc_per_node=request.processes_per_node,
        resources_per_node=models.IoK8sApiCoreV1ResourceRequirements.from_dict(resources),
    )
    return models.TrainerV1alpha1TrainJobSpec(
        runtime_ref=models.TrainerV1alpha1RuntimeRef(
            api_group="trainer.kubeflow.org", kind="ClusterTrainingRuntime", name=request.runtime
        ),
        trainer=trainer,
        active_deadline_seconds=request.deadline_seconds,
    )


def _variable(variable: Variable) -> models.IoK8sApiCoreV1EnvVar:
    from kubeflow_trainer_api import models

    entry: dict[str, Any] = {"name": variable.name}
    if variable.value is not None:
        entry["value"] = variable.value
    else:
        kind = "configMapKeyRef" if variable.config_map else "secretKeyRef"
        place = {"name": variable.config_map or variable.secret, "key": variable.key or variable.name}
        entry["valueFrom"] = {kind: {**place, "optional": True} if variable.optional else place}
    return models.IoK8sApiCoreV1EnvVar.from_dict(entry)
