"""Task items -> requests, and answers -> scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.benchmark.prompting import STYLE_MARK, Template, item_requests
from components.benchmark.scoring import Recorded, choose_headline, in_selection, item_scores
from components.contracts.bind import Metrics
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, Output
from components.contracts.rows import (
    ChoiceScore,
    Completion,
    Prompt,
    PromptStyle,
    Request,
    Score,
    TaskItem,
)

HELDOUT_MARK = "heldout:"


class Params(BaseModel):
    """How questions are put. `prepare` and `score` must be given the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """Name of the model that answers; shown in folder names and progress."""
    templates: Mapping[str, Template] = Field(default_factory=dict)
    """Benchmark -> template; others use the default of their kind (5 shots; 3 for exact match)."""
    styles: tuple[PromptStyle, ...] = ("raw",)
    """raw: the bare prompt. chat: inside the checkpoint's chat template. A base has no template."""
    selection_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of items set aside, for every model alike, to choose each model's prompt style."""
    match_channel: Literal["strict", "extracted"] = "extracted"
    """How the headline reads exact-match answers. strict, with the stock stop rule, costs a chatty model points for
    its style alone; it is kept among the variants."""
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
    with_items: bool = True
    """False: only the held-out prompts (a second sample of the target)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed gives another sample on the held-out prompts."""

    @model_validator(mode="after")
    def _something_to_choose_on(self) -> Self:
        if len(self.styles) > 1 and self.selection_share == 0:
            raise ValueError("two prompt styles need a selection_share to choose between them")
        return self

    def template(self, benchmark: Sequence[TaskItem]) -> Template:
        """The template of a benchmark."""
        default = Template() if benchmark[0].kind == "choice" else Template(num_shots=3)
        return self.templates.get(benchmark[0].benchmark, default)


def prepare(*, items: Input[TaskItem], heldout: Input[Prompt], requests: Output[Request], params: Params) -> Metrics:
    """Requests for every test item in every style, and one per held-out prompt.

    Raises:
        TouchstoneError: an item's id occurs twice, or a benchmark has too few worked examples.
    """
    made: list[Request] = []
    if params.with_items:
        for group in _by_benchmark(items.rows()).values():
            made += item_requests(group, params.template(group), params.styles, params.seed)
    made += [_heldout(prompt, number, params) for number, prompt in enumerate(heldout.rows())]
    requests.write(made)
    return {"requests": float(len(made))}


def score(
    *,
    items: Input[TaskItem],
    completions: Input[Completion],
    choice_scores: Input[ChoiceScore],
    scores: Output[Score],
    variants: Output[Score],
    answers: Output[Completion],
    params: Params,
) -> Metrics:
    """Score every item; `scores` holds the headline of each, `variants` all others, `answers` the held-out outputs."""
    recorded = Recorded(
        {row.prompt_id: row for row in completions.rows()}, {row.request_id: row for row in choice_scores.rows()}
    )
    headline: list[Score] = []
    others: list[Score] = []
    metrics: dict[str, float] = {}
    for benchmark, group in _by_benchmark(items.rows()).items() if params.with_items else ():
        template = params.template(group)
        tests = [item for item in group if item.split == "test"]
        rows = [row for item in tests for row in item_scores(item, template, params.styles, recorded, params.name)]
        chosen = choose_headline(rows, params.selection_share, params.match_channel)
        for row in rows:
            is_headline = (row.prompt_style, row.channel) == chosen
            aside = in_selection(row.item_id, params.selection_share)
            (headline if is_headline and not aside else others).append(row)
        values = [r.value for r in headline if r.benchmark == benchmark and r.value is not None]
        metrics[f"{benchmark}_mean"] = sum(values) / len(values) if values else 0.0
    scores.write(headline)
    variants.write(others)
    answers.write(_answers(recorded.said))
    return metrics


def _by_benchmark(items: Sequence[TaskItem]) -> dict[str, list[TaskItem]]:
    groups: dict[str, list[TaskItem]] = {}
    seen: set[str] = set()
    for item in items:
        if item.id in seen or STYLE_MARK in item.id:
            raise TouchstoneError(f"item id {item.id}", expected=f"unique ids without {STYLE_MARK}")
        seen.add(item.id)
        groups.setdefault(item.benchmark, []).append(item)
    return groups


def _heldout(prompt: Prompt, number: int, params: Params) -> Request:
    chat = params.heldout_chat
    return Request(
        id=HELDOUT_MARK + prompt.id,
        kind="completion",
        prompt=prompt.text if chat else params.heldout_template.format(prompt=prompt.text),
        chat=chat,
        max_tokens=params.heldout_max_tokens,
        stop=() if chat else params.heldout_stop,
        temperature=params.heldout_temperature,
        seed=params.seed * 1_000_003 + number,
    )


def _answers(said: Mapping[str, Completion]) -> list[Completion]:
    return [
        row.model_copy(update={"prompt_id": key.removeprefix(HELDOUT_MARK)})
        for key, row in said.items()
        if key.startswith(HELDOUT_MARK)
    ]
