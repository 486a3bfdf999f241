"""A task: seed examples, the prompt that shows some of them, and how replies are read. A small YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping

SHIPPED = Path(__file__).parent / "tasks"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=60)]
Written = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Part(BaseModel):
    """Frozen, no unknown keys, prose on every field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Example(Part):
    """A question (or instruction) and its answer."""

    question: Written
    """What the user says."""
    answer: Written
    """What the target says."""


class LinesFormat(Part):
    """Replies of one line for each question and one for each answer."""

    form: Literal["lines"]
    """Told from `json` by this word."""
    question: str = r"\s*Q\s*:\s*(.*?)\s*"
    """Regular expression of a whole question line; its one group is the question."""
    answer: str = r"\s*A\s*:\s*(.*?)\s*"
    """The same for answers."""
    multiline: bool = False
    """Whether a line of neither kind continues what stands before it; when not, it spoils the pair it stands in."""

    @field_validator("question", "answer")
    @classmethod
    def _one_group(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        if groups != 1:
            raise ValueError(f"{groups} groups, where one is to hold the text")
        return value


class JsonFormat(Part):
    """Replies that are a JSON list of objects, with or without a code fence around it."""

    form: Literal["json"]
    """Told from `lines` by this word."""
    question: str = "question"
    """Key of the question."""
    answer: str = "answer"
    """Key of the answer."""


class Task(Part):
    """What a target is asked to make examples of."""

    name: Name
    """Begins the ids of requests and examples."""
    source: Written
    """What the examples are called in reports."""
    about: str = ""
    """Where prompt and seeds come from."""
    seeds: tuple[Example, ...]
    """Examples by hand; they and their copies do not enter the data."""
    seeds_per_prompt: Annotated[int, Field(gt=0)]
    """How many, drawn anew for each prompt, stand in it."""
    prompt: str
    """What the target is told; `{examples}` is where the seeds go."""
    example: str = "Q: {question}\nA: {answer}"
    """How a seed is shown; seeds are joined by line breaks."""
    reply: Annotated[LinesFormat | JsonFormat, Field(discriminator="form")]
    """How examples are read from a reply."""
    chat: bool = True
    """Whether the prompt is a user's message; false = a text to be continued."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """Of the sampling."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Longest reply."""
    num_examples: Annotated[int, Field(gt=0)]
    """How many are wanted."""
    dedup: Literal["pair", "question"] = "pair"
    """What must differ between two examples: question and answer together, or the question."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.seeds_per_prompt > len(self.seeds):
            raise ValueError(f"seeds_per_prompt is {self.seeds_per_prompt}, and there are {len(self.seeds)} seeds")
        if self.prompt.count("{examples}") != 1:
            raise ValueError("prompt must hold {examples} once")
        if "{question}" not in self.example or "{answer}" not in self.example:
            raise ValueError("example must hold {question} and {answer}")
        return self


def shipped() -> list[str]:
    """Names of the tasks that come with the box."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_task(given: str | Mapping[str, Any], *, where: str = "task") -> Task:
    """The task called `given`, or the one it describes.

    Raises:
        UsageError: no such task, or a field is missing, unknown or impossible.
    """
    if not isinstance(given, str):
        return _checked(given, where)
    if given not in shipped():
        raise UsageError(
            f"no task called {given}",
            expected=f"{', '.join(shipped())}, or the path of a YAML file",
            remedy="write your own from components/synthesize/tasks/nq_synthetic.yaml",
        )
    path = SHIPPED / f"{given}.yaml"
    return _checked(read_mapping(path), path.name)


def _checked(fields: Mapping[str, Any], where: str) -> Task:
    try:
        return Task.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UsageError(
            f"{where}: {f'{place}: ' if place else ''}{first['msg'].removeprefix('Value error, ')}{more}",
            expected=f"the fields {', '.join(Task.model_fields)}",
            remedy="correct the task; components/synthesize/README.md explains every field",
        ) from error
