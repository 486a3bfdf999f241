"""Mechanical Turk's protocol as botocore's own model of it states it: shapes, required members, patterns, errors."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

PYTHON: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    # JSON 1.1 writes times as seconds since 1970.
    "timestamp": (int, float),
}
THROTTLED = "ThrottlingException"
"""Of no operation's model: any AWS service may answer so."""


@cache
def service() -> ServiceModel:
    """The model that ships inside botocore."""
    return botocore.session.get_session().get_service_model("mturk")


def request_problems(target: str, asked: object) -> list[str]:
    """What is wrong with a request, given its X-Amz-Target."""
    prefix, _, name = target.partition(".")
    if prefix != service().metadata["targetPrefix"] or name not in service().operation_names:
        return [f"there is no operation {target}"]
    shape = _operation(name).input_shape
    return list(_problems(shape, asked, name)) if shape is not None else []


def reply_problems(name: str, status: int, answer: object) -> list[str]:
    """What is wrong with a reply to an operation."""
    if status == 200:
        shape = _operation(name).output_shape
        return list(_problems(shape, answer, f"reply to {name}")) if shape is not None else []
    assert isinstance(answer, dict)
    kind = answer["__type"]
    if kind == THROTTLED:
        return []
    errors = {shape.name: shape for shape in _operation(name).error_shapes}
    if kind not in errors:
        return [f"{name} does not fail with {kind}"]
    body = {key: value for key, value in answer.items() if key != "__type"}
    found = list(_problems(errors[kind], body, f"{kind} of {name}"))
    # The model's faults are the service's own (5xx), its other errors the caller's (4xx).
    if (status >= 500) != (kind == "ServiceFault"):
        found.append(f"{kind} of {name} with status {status}")
    return found


def _operation(name: str) -> OperationModel:
    return service().operation_model(name)


def _problems(shape: Shape, value: Any, where: str) -> Iterator[str]:
    kinds = PYTHON[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{where}: {value!r} is no {shape.type_name}"
        return
    if shape.type_name == "structure":
        yield from (f"{where}: {name} is missing" for name in shape.required_members if name not in value)
        for name, member in value.items():
            if name in shape.members:
                yield from _problems(shape.members[name], member, f"{where}.{name}")
            else:
                yield f"{where}: there is no member {name}"
    elif shape.type_name == "list":
        for number, member in enumerate(value):
            yield from _problems(shape.member, member, f"{where}[{number}]")
    told = shape.metadata
    if "enum" in told and value not in told["enum"]:
        yield f"{where}: {value!r} is none of {told['enum']}"
    if "pattern" in told and not re.search(told["pattern"], value):
        yield f"{where}: {value!r} does not match {told['pattern']}"
    size = value if isinstance(value, int | float) else len(value)
    if not told.get("min", size) <= size <= told.get("max", size):
        yield f"{where}: {size} is not within {told.get('min')} to {told.get('max')}"
