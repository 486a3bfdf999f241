import json

import pytest
from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob
from pydantic import ValidationError

from components.contracts.errors import UsageError
from components.train.params import Params
from components.train.trainjob.request import (
    STORE_VARIABLES,
    ClusterParams,
    Owner,
    TrainJobRequest,
    Variable,
    job_name,
    request_of,
    step_identity,
    train_arguments,
)
from components.train.trainjob.spec import train_job

PARENTS = {"dialogues": "d1", "base": "b1"}


def identity(code: str = "c", **params: object) -> str:
    return step_identity(code_version=code, params=params, parents=PARENTS)


def request(params: ClusterParams | None = None, **changed: object) -> TrainJobRequest:
    given = {"label": "imitator", "identity": identity(), "namespace": "pipelines", "arguments": ["--seed", "1"]}
    return request_of(params or ClusterParams(), **{**given, **changed})


def test_the_trainers_own_types_take_the_job_and_give_it_back_unchanged() -> None:
    owner = Owner(api_version="argoproj.io/v1alpha1", kind="Workflow", name="run", uid="u")
    made = train_job(request(ClusterParams(nodes=4, gpus_per_node=8, deadline_seconds=60), run="r1", owner=owner))
    assert TrainerV1alpha1TrainJob.from_json(json.dumps(made)).to_dict() == made


def test_nodes_resources_runtime_and_command_are_as_asked() -> None:
    params = ClusterParams(
        runtime="touchstone-deepspeed", nodes=4, gpus_per_node=8, memory="512Gi", cpu="32", processes_per_node=8
    )
    spec = train_job(request(params))["spec"]
    assert spec["runtimeRef"]["name"] == "touchstone-deepspeed"
    assert (spec["trainer"]["numNodes"], spec["trainer"]["numProcPerNode"]) == (4, 8)
    assert spec["trainer"]["command"] == ["python", "-m", "components.train"]
    assert spec["trainer"]["args"] == ["--seed", "1"]
    assert spec["trainer"]["resourcesPerNode"] == {
        "requests": {"cpu": "32", "memory": "512Gi", "nvidia.com/gpu": "8"},
        "limits": {"memory": "512Gi", "nvidia.com/gpu": "8"},
    }
    assert "image" not in spec["trainer"]
    assert "activeDeadlineSeconds" not in spec


def test_tpu_chips_are_asked_for_by_their_own_resource() -> None:
    limits = train_job(request(ClusterParams(runtime="touchstone-tpu", tpus_per_node=4)))["spec"]["trainer"]
    assert limits["resourcesPerNode"]["limits"] == {"memory": "32Gi", "google.com/tpu": "4"}


def test_secrets_go_by_reference_only() -> None:
    given = train_job(request(run="r1"))["spec"]["trainer"]["env"]
    by_name = {entry["name"]: entry for entry in given}
    assert by_name["AWS_SECRET_ACCESS_KEY"] == {
        "name": "AWS_SECRET_ACCESS_KEY",
        "valueFrom": {"secretKeyRef": {"name": "touchstone-s3", "key": "AWS_SECRET_ACCESS_KEY"}},
    }
    assert by_name["TOUCHSTONE_PUSHGATEWAY"]["valueFrom"]["configMapKeyRef"]["optional"] is True
    assert "optional" not in by_name["TOUCHSTONE_STORE"]["valueFrom"]["configMapKeyRef"]
    assert by_name["TOUCHSTONE_RUN"]["value"] == "r1"
    assert set(by_name) == {variable.name for variable in STORE_VARIABLES} | {"TOUCHSTONE_RUN"}


def test_a_quantity_that_is_none_is_refused_before_it_is_sent() -> None:
    with pytest.raises(UsageError, match="cannot be described"):
        train_job(request().model_copy(update={"resources": {"memory": None}}))


def test_a_variable_has_one_source() -> None:
    with pytest.raises(ValidationError, match="give one of value, config_map, secret"):
        Variable(name="A", value="1", secret="s")
    with pytest.raises(ValidationError, match="give one of value, config_map, secret"):
        Variable(name="A")


def test_code_inputs_and_parameters_make_the_name_and_nothing_else_does() -> None:
    plain = identity(name="x", cluster=ClusterParams().model_dump())
    assert plain == identity(name="x", cluster=ClusterParams(retry=True, start_timeout_seconds=5).model_dump())
    assert plain != identity(name="x", cluster=ClusterParams(memory="64Gi").model_dump())
    assert plain != identity(name="y", cluster=ClusterParams().model_dump())
    assert plain != identity("other code", name="x", cluster=ClusterParams().model_dump())
    other = step_identity(code_version="c", params={"name": "x"}, parents={**PARENTS, "base": "b2"})
    assert other != identity(name="x")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("imitator_13b", "train-imitator-13b-0123456789ab"),
        ("Größe/Ä!", "train-gr-e-0123456789ab"),
        ("", "train-0123456789ab"),
        ("a" * 19 + "-bcd", "train-" + "a" * 19 + "-0123456789ab"),
    ],
)
def test_names_are_what_kubernetes_allows_and_leave_room_for_the_pods(label: str, name: str) -> None:
    made = job_name(label, "0123456789abcdef")
    assert made == name
    assert len(f"{made}-launcher-0-0") <= 63
    TrainJobRequest(name=made, namespace="n", runtime="r", step="0123456789ab")


def test_the_pods_train_with_the_steps_parameters_and_do_not_submit_again() -> None:
    params = {**Params(name="x", seed=3).model_dump(), "cluster": ClusterParams().model_dump()}
    places = {"dialogues": "s3://b/d", "base": "s3://b/b", "checkpoint": "s3://b/c", "curve": "s3://b/l"}
    words = train_arguments(**places, params=params, code="v")
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert Params.model_validate_json(given["--params"]) == Params(name="x", seed=3)
    assert (given["--dialogues"], given["--checkpoint"], given["--code"]) == ("s3://b/d", "s3://b/c", "v")
    assert given["--curve"] == "s3://b/l"
