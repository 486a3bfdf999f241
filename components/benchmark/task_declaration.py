"""A task of the user's own: a small YAML beside its data -> items and a template.

name: capitals                 # the benchmark's name
kind: choice                   # choice, exact_match, program or continuation
data: capitals.jsonl           # a file or a list of files, relative to the YAML
shots: worked.jsonl            # optional: files whose records are worked examples
split_field: split             # optional: a field that tells worked examples from test items in `data`
shots_split: dev
test_split: test               # records with any other value are left out
fields:
  question: query              # a field, or a text with fields in braces: "{passage}\\n{query}"
  id: key                      # default: a digest of question and options
  choices: options             # a field that holds a list, or a list of fields
  right: answer                # choice: the option's text, its letter, or its index from 0
  answers: aliases             # exact_match: a text or a list of texts; program: a solution, optional
  tests: test                  # program: Python that checks it
  entry_point: name            # program: name of the function
  cluster: topic               # items that are not independent; default: each alone
template: {num_shots: 3}       # any key of Template; what is left out is the kind's default
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Kind = Literal["choice", "exact_match", "program", "continuation"]
NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "choice": ("choices", "right"),
    "exact_match": ("answers",),
    "program": ("tests", "entry_point"),
    "continuation": (),
}
"""Kind -> fields beside the question."""


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Files = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Fields(BaseModel):
    """Where a record holds what an item needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    question: str
    """A field, or a text with fields in braces."""
    id: str = ""
    """A field; empty = a digest of question and options."""
    choices: str | tuple[str, ...] = ()
    """A field that holds a list, or several fields."""
    right: str = ""
    """A field: the right option's text, letter, or index from 0."""
    answers: str = ""
    """A field: one accepted answer or a list of them."""
    tests: str = ""
    """A field: Python that checks a program."""
    entry_point: str = ""
    """A field: the name of the function a program defines."""
    cluster: str = ""
    """A field that items which are not independent share; empty = each item stands alone."""

    @field_validator("question")
    @classmethod
    def _braces_are_paired(cls, given: str) -> str:
        try:
            names = [name for _, name, _, _ in Formatter().parse(given) if name is not None]
        except ValueError as error:
            raise ValueError(f"{error}; a brace that is meant is written twice") from error
        if "" in names:
            raise ValueError("{} names no field")
        return given


class TaskFile(BaseModel):
    """The YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    """The benchmark's name."""
    kind: Kind
    """What is asked for."""
    data: Annotated[Files, Field(min_length=1)]
    """Files of the items."""
    shots: Files = ()
    """Files of worked examples."""
    split_field: str = ""
    """A field of `data` that tells worked examples from test items."""
    shots_split: str = ""
    """Its value for worked examples."""
    test_split: str = "test"
    """Its value for test items."""
    fields: Fields
    """Where records hold what."""
    template: dict[str, object] = Field(default_factory=dict)
    """Keys of Template that differ from the kind's default."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = [name for name in NEEDED[self.kind] if not getattr(self.fields, name)]
        if missing:
            raise ValueError(f"fields lacks {', '.join(missing)}, which a task of kind {self.kind} needs")
        if self.shots_split and not self.split_field:
            raise ValueError("shots_split is given without split_field")
        return self
