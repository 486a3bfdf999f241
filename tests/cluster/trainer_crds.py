"""Kubeflow Trainer's custom resource definitions, made from its Python types.

A real API server then checks what we send as far as the types say: names, kinds of values, what is required. What the
Trainer's own definitions say beyond its types (rules in CEL, defaults) is not in them; `NAME_RULE` is the one we add.
"""

from __future__ import annotations

import re
from typing import Any

from kubeflow_trainer_api import models
from pydantic import BaseModel

GROUP, VERSION = "trainer.kubeflow.org", "v1alpha1"
TEST_LABEL = "touchstone/test"
"""On definitions made here, so that those of a real Trainer are never taken for ours."""
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
QUANTITY = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
    "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$",
}
INT_OR_STRING = {"x-kubernetes-int-or-string": True}
SPECIAL: dict[str, dict[str, Any]] = {
    "IoK8sApimachineryPkgApiResourceQuantity": QUANTITY,
    "IoK8sApimachineryPkgUtilIntstrIntOrString": INT_OR_STRING,
    # The server owns the outer metadata; inside templates it is a plain object with fields of its own.
    "IoK8sApimachineryPkgApisMetaV1ObjectMeta": FREE,
}
NAME_RULE = {
    "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 63",
    "message": "metadata.name must be an RFC 1035 label",
}


def definitions() -> list[dict[str, Any]]:
    """CustomResourceDefinitions of TrainJob, ClusterTrainingRuntime and TrainingRuntime."""
    return [
        _definition("trainjobs", "TrainJob", models.TrainerV1alpha1TrainJob, "Namespaced", status=True),
        _definition(
            "clustertrainingruntimes", "ClusterTrainingRuntime", models.TrainerV1alpha1ClusterTrainingRuntime, "Cluster"
        ),
        _definition("trainingruntimes", "TrainingRuntime", models.TrainerV1alpha1TrainingRuntime, "Namespaced"),
    ]


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """A pydantic model as a structural OpenAPI v3 schema: no references, no null, nothing but what the types say."""
    whole = model.model_json_schema(by_alias=True)
    return _structural(whole, whole.get("$defs", {}))


def _structural(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return SPECIAL.get(name) or _structural(known[name], known)
    if "anyOf" in schema:
        present = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return _structural(present[0], known) if len(present) == 1 else INT_OR_STRING
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, known)
    if kind == "array":
        return {"type": "array", "items": _structural(schema["items"], known)}
    if kind is None:
        return {"x-kubernetes-preserve-unknown-fields": True}
    return {key: schema[key] for key in ("type", "format", "enum") if key in schema}


def _object(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            return {"type": "object", "additionalProperties": _structural(values, known)}
        return FREE
    fields = {name: _structural(field, known) for name, field in schema["properties"].items()}
    made: dict[str, Any] = {"type": "object", "properties": fields}
    if schema.get("required"):
        made["required"] = schema["required"]
    return made


def _definition(plural: str, kind: str, model: type[BaseModel], scope: str, *, status: bool = False) -> dict[str, Any]:
    schema = structural(model)
    schema["properties"]["metadata"] = {"type": "object"}
    schema["x-kubernetes-validations"] = [NAME_RULE]
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if status:
        version["subresources"] = {"status": {}}
    singular = re.sub(r"s$", "", plural)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {TEST_LABEL: "true"}},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "singular": singular, "kind": kind, "listKind": f"{kind}List"},
            "versions": [version],
        },
    }
