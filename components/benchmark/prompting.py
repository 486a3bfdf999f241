"""Few-shot prompts. A template is data: models are compared only on prompts they were all given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.errors import TouchstoneError
from components.contracts.rows import PromptStyle, Request, TaskItem

STYLE_MARK = "#"


class Template(BaseModel):
    """How a question is put, and how many worked examples come before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    question: str = "Question: {question}\nAnswer:"
    """Text of one question; {question} and {options} are filled in. No space at the end: it belongs to the answer."""
    chat_question: str = ""
    """What a chat model is asked instead, without worked examples; empty = the few-shot text as one message."""
    answer: str = " {answer}"
    """The right answer of a worked example, directly after its question; also how options are scored."""
    separator: str = "\n\n"
    """Between worked examples."""
    options: str = "{letter}. {choice}"
    """One option of {options}; {letter} is A, B, C, ..."""
    options_separator: str = "\n"
    """Between options."""
    num_shots: Annotated[int, Field(ge=0)] = 5
    """Worked examples before the question."""
    max_tokens: Annotated[int, Field(ge=0)] = 32
    """Longest answer of an exact-match item."""
    stop: tuple[str, ...] = ("\n",)
    """An exact-match answer ends before any of these."""

    def ask(self, item: TaskItem) -> str:
        """The question of `item`, up to where the answer begins."""
        return self._fill(self.question, item)

    def chat(self, item: TaskItem, before: str) -> str:
        """The message a chat model is given; `before` holds the worked examples."""
        return self._fill(self.chat_question, item) if self.chat_question else before + self.ask(item)

    def _fill(self, text: str, item: TaskItem) -> str:
        options = self.options_separator.join(
            self.options.format(letter=chr(ord("A") + i), choice=choice) for i, choice in enumerate(item.choices)
        )
        return text.format(question=item.question, options=options)

    def solve(self, item: TaskItem) -> str:
        """A worked example."""
        return self.ask(item) + self.answer.format(answer=item.answers[0])


def item_requests(
    items: Sequence[TaskItem], template: Template, styles: Sequence[PromptStyle], seed: int
) -> list[Request]:
    """Requests for the test items of one benchmark, in each prompt style.

    The same worked examples, in the same order, precede every question, so their keys and values can be shared.

    Raises:
        TouchstoneError: there are fewer worked examples than the template asks for.
    """
    shots = [item for item in items if item.split == "shots"]
    if len(shots) < template.num_shots:
        raise TouchstoneError(
            f"{items[0].benchmark} has {len(shots)} worked examples",
            expected=f"{template.num_shots}",
            remedy="lower num_shots of its template, or give more items with split: shots",
        )
    before = "".join(template.solve(shot) + template.separator for shot in shots[: template.num_shots])
    return [
        _request(
            item, template.chat(item, before) if style == "chat" else before + template.ask(item), template, style, seed
        )
        for item in items
        if item.split == "test"
        for style in styles
    ]


def _request(item: TaskItem, prompt: str, template: Template, style: PromptStyle, seed: int) -> Request:
    shared = {"id": f"{item.id}{STYLE_MARK}{style}", "prompt": prompt, "chat": style == "chat", "seed": seed}
    if item.kind == "choice":
        choices = tuple(template.answer.format(answer=choice) for choice in item.choices)
        return Request.model_validate({**shared, "kind": "choice", "choices": choices})
    return Request.model_validate(
        {**shared, "kind": "completion", "max_tokens": template.max_tokens, "stop": template.stop}
    )
