"""What the two pipelines are made of: parameters of their steps, and where their inputs lie."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from components.contracts.bind import check_params
from components.contracts.errors import UsageError
from components.crowd import step

Struct = dict[str, Any]
Port = Literal["restyled_base", "stylistic_base", "corrupted_target", "constant", "gold"]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    database_secret: str = "touchstone-crowd-database"
    """Kubernetes Secret with DATABASE_URL, and TOUCHSTONE_CROWD_SECRET where the service has one: the chart's."""
    mturk_secret: str = "touchstone-mturk"
    """Kubernetes Secret with the file `credentials`, whose profile the steps' `profile` names; may be missing."""


def _without_nulls(params: object, where: str) -> None:
    """Refuse what kfp cannot carry, rather than have a default stand in for it.

    Raises:
        UsageError: a value is null.
    """
    if params is None:
        raise UsageError(
            f"{where} is null, which Kubeflow cannot carry",
            expected="a value",
            remedy="leave the key out for its default; for a rule that is off, give a limit that nothing breaks: 0 for"
            " a least, 1 for a largest share",
        )
    if isinstance(params, dict):
        for key, value in params.items():
            _without_nulls(value, f"{where}.{key}")


class PublishConfig(_Config):
    """The run that puts a study before raters."""

    mixed_in: dict[Port, str] = {}
    """Placebos and gold labels -> addresses of their artifacts."""
    build: Struct = {}
    """build_study."""
    publish: Struct
    """publish."""

    @model_validator(mode="after")
    def _steps_take_them(self) -> Self:
        for made, params in ((step.build_study, self.build), (step.publish, self.publish)):
            check_params(made, params)
            _without_nulls(params, made.__name__)
        return self


class CollectConfig(_Config):
    """The recurring run that takes in what people said."""

    collect: Struct
    """collect."""
    mturk: bool = False
    """Whether the study has tasks on Mechanical Turk; their artifact is then an input."""

    @model_validator(mode="after")
    def _step_takes_them(self) -> Self:
        check_params(step.collect, self.collect)
        _without_nulls(self.collect, "collect")
        return self
