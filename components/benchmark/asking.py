"""The parameters of `prepare` and `score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.benchmark.prompting import Template, check_placeholders
from components.benchmark.standard_tasks import default_template, standard_templates
from components.contracts.data_policy import DataPolicy
from components.contracts.errors import UsageError
from components.contracts.rows import PromptStyle, TaskItem


class Params(BaseModel):
    """How questions are put. `prepare` and `score` must be given the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model that answers; shown in folder names and progress."""
    templates: Mapping[str, Template] = Field(default_factory=dict)
    """Benchmark -> keys of its template that differ from the standard task of its name (mmlu, nq_open, humaneval,
    realtoxicity), or else from the default of its kind (5 shots; 3 for exact match, none for programs and
    continuations)."""
    styles: tuple[PromptStyle, ...] = ("raw",)
    """raw: the bare prompt. chat: inside the checkpoint's chat template. A base has no template."""
    selection_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of items set aside, for every model alike, to choose each model's prompt style."""
    match_channel: Literal["strict", "extracted"] = "extracted"
    """How the headline reads exact-match answers and programs. strict, with the stock stop rule, costs a chatty model
    points for its style alone; it is kept among the variants."""
    policy: dict[str, object] = Field(default_factory=dict)
    """The run's policy; only its key `data` is read here: what counts as leaked."""
    heldout_chat: bool = False
    """Put held-out prompts through the chat template: for tuned models, not for bases."""
    heldout_template: str = "{prompt}"
    """What a model without chat template is given; {prompt} is filled in."""
    heldout_max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Longest answer to a held-out prompt."""
    heldout_stop: tuple[str, ...] = ()
    """A raw answer to a held-out prompt ends before any of these."""
    heldout_temperature: Annotated[float, Field(ge=0.0)] = 0.7
    """Temperature on held-out prompts."""
    likelihoods: bool = True
    """False: nothing is asked for log-probabilities, which most servers do not give. Choices are then judged by the
    option found in a reply; a choice benchmark that is not asked in words is refused."""
    only_rivals: bool = False
    """`prepare` only: nothing but the choices that `base_completions` make possible, for a second round of asking."""
    with_items: bool = True
    """False: only the held-out prompts (a second sample of the target)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed gives another sample on the held-out prompts."""

    @model_validator(mode="after")
    def _something_to_choose_on(self) -> Self:
        if len(self.styles) > 1 and self.selection_share == 0:
            raise ValueError("two prompt styles need a selection_share to choose between them")
        # Refused with the other parameters, before anything is read.
        assert self.limits
        check_placeholders("heldout_template", self.heldout_template, frozenset({"prompt"}))
        return self

    @property
    def limits(self) -> DataPolicy:
        """The data part of the policy."""
        return DataPolicy.model_validate(self.policy.get("data") or {})

    def template(self, benchmark: Sequence[TaskItem]) -> Template:
        """The template of a benchmark: what is given for it, over what is standard.

        Raises:
            UsageError: a choice benchmark would be asked neither for likelihoods nor in words.
        """
        name, kind = benchmark[0].benchmark, benchmark[0].kind
        found = standard_templates().get(name) or default_template(kind)
        given = self.templates.get(name)
        if given is not None:
            changes = {key: getattr(given, key) for key in given.model_fields_set}
            found = Template.model_validate({**found.model_dump(), **changes})
        if self.likelihoods or kind != "choice":
            return found
        if not found.free_text_tokens:
            raise UsageError(
                f"{name} is asked for log-probabilities only, and likelihoods is false",
                expected="a template that asks in words too",
                remedy=f"set free_text_tokens of {name}'s template, to 64 say",
            )
        return found.model_copy(update={"headline": "extracted"})
