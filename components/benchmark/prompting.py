"""Few-shot prompts. A template is data: models are compared only on prompts they were all given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.contracts import canonical
from components.contracts.errors import TouchstoneError
from components.contracts.rows import Channel, PromptStyle, Request, TaskItem

STYLE_MARK = "#"
TEXT_TWIN = "text"
"""Last part of the id of a choice item's free-text request."""
CHOICE_TWIN = "choice"
"""Last part of the id of an exact-match item's request for likelihoods."""
ASKED = frozenset({"question", "stripped_question", "options", "subject"})
PLACEHOLDERS: Mapping[str, frozenset[str]] = {
    "description": frozenset({"subject"}),
    "question": ASKED,
    "chat_question": ASKED,
    "answer": frozenset({"answer"}),
    "chat_answer": frozenset({"answer"}),
    "options": frozenset({"letter", "choice"}),
}
"""What each text of a template may have filled in."""


class Template(BaseModel):
    """How a question is put, and how many worked examples come before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    description: str = ""
    """Stands before the worked examples, with its own line breaks; {subject} is the item's cluster, _ as spaces."""
    question: str = "Question: {question}\nAnswer:"
    """Text of one question; {question}, {stripped_question} (without white space around), {options} and {subject} are
    filled in. No space at the end: it belongs to the answer."""
    chat_question: str = ""
    """What a chat model is asked instead, without worked examples; empty = the few-shot text as one message."""
    answer: str = " {answer}"
    """The right answer of a worked example, directly after its question; also how options are scored."""
    chat_answer: str = ""
    """How options are scored in a chat, whose template may end in a line break; empty = as `answer`."""
    separator: str = "\n\n"
    """Between worked examples."""
    options: str = "{letter}. {choice}"
    """One option of {options}; {letter} is A, B, C, ..."""
    options_separator: str = "\n"
    """Between options."""
    label: Literal["option", "letter"] = "option"
    """What stands for an option as an answer: its text (option), or its letter."""
    num_shots: Annotated[int, Field(ge=0)] = 5
    """Worked examples before the question: the first ones, in the order of the items."""
    shots_from: Literal["benchmark", "cluster"] = "benchmark"
    """Whose worked examples: the whole benchmark's, or those of the item's own cluster (MMLU's subject)."""
    max_tokens: Annotated[int, Field(ge=0)] = 32
    """Longest reply of an item that is answered in words."""
    free_text_tokens: Annotated[int, Field(ge=0)] = 0
    """Longest reply of a choice item that is asked in words too; 0 = it is not asked."""
    stop: tuple[str, ...] = ("\n",)
    """A reply ends before any of these."""
    chat_stop: tuple[str, ...] | None = None
    """The same for a chat; null = as `stop`."""
    strict_stop: tuple[str, ...] = ("\n", ".", ",")
    """Where the strict reading of an exact-match reply ends."""
    samples: Annotated[int, Field(gt=0)] = 1
    """Replies to each item that is answered in words; more than one needs a temperature."""
    temperature: Annotated[float, Field(ge=0.0)] = 0.0
    """Temperature of such replies; 0 = greedy."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Nucleus that such replies are drawn from; 1 = all tokens."""
    headline: Channel | None = None
    """Which reading the benchmark is judged by; null = likelihood for choices, the run's match_channel for the rest."""

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        for name, known in PLACEHOLDERS.items():
            check_placeholders(name, getattr(self, name), known)
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"{self.samples} samples at temperature 0 are {self.samples} times the same text")
        return self

    @property
    def digest(self) -> str:
        """sha256 of all fields: equal templates put equal prompts."""
        return canonical.digest(self.model_dump(mode="json"))

    def ask(self, item: TaskItem) -> str:
        """The question of `item`, up to where the answer begins."""
        return self._fill(self.question, item)

    def chat(self, item: TaskItem, before: str) -> str:
        """The message a chat model is given; `before` holds the worked examples."""
        return self._fill(self.chat_question, item) if self.chat_question else before + self.ask(item)

    def introduce(self, item: TaskItem, shots: Sequence[TaskItem]) -> str:
        """Everything before the question: description and worked examples."""
        described = self.description.format(subject=_subject(item))
        return described + "".join(self.solve(shot) + self.separator for shot in shots)

    def solve(self, item: TaskItem) -> str:
        """A worked example."""
        return self.ask(item) + self.answer.format(answer=self._right_answer(item))

    def scored_choices(self, item: TaskItem, style: PromptStyle) -> tuple[str, ...]:
        """What stands for each option after the prompt."""
        labels = [letter(i) for i in range(len(item.choices))] if self.label == "letter" else item.choices
        pattern = self.chat_answer if style == "chat" and self.chat_answer else self.answer
        return tuple(pattern.format(answer=label) for label in labels)

    def shots_shown(self, style: PromptStyle) -> int:
        """Worked examples in a prompt of this style."""
        return 0 if style == "chat" and self.chat_question else self.num_shots

    def stops(self, style: PromptStyle) -> tuple[str, ...]:
        """Where a reply ends."""
        return self.chat_stop if style == "chat" and self.chat_stop is not None else self.stop

    def _right_answer(self, item: TaskItem) -> str:
        at = right_option(item) if item.kind == "choice" else None
        if self.label == "letter" and at is not None:
            return letter(at)
        if at is not None:
            return item.choices[at]
        if item.kind != "choice" and item.answers:
            return item.answers[0]
        raise TouchstoneError(
            f"the worked example {item.id} of {item.benchmark} has no right answer",
            expected="an answer, for a choice one of its options",
            remedy="correct the file, or leave the example out",
        )

    def _fill(self, text: str, item: TaskItem) -> str:
        options = self.options_separator.join(
            self.options.format(letter=letter(i), choice=choice) for i, choice in enumerate(item.choices)
        )
        return text.format(
            question=item.question,
            stripped_question=item.question.strip(),
            options=options,
            subject=_subject(item),
        )


def check_placeholders(name: str, text: str, known: frozenset[str]) -> None:
    """Refuse a text in which something unknown would be filled in.

    Raises:
        ValueError: a placeholder that nothing fills, or braces that are not paired.
    """
    try:
        named = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
    except ValueError as error:
        raise ValueError(f"{name}: {error}; a brace that is meant is written twice") from error
    unknown = sorted(named - known)
    if unknown:
        shown, listed = (
            ", ".join("{" + field + "}" for field in unknown),
            ", ".join("{" + f + "}" for f in sorted(known)),
        )
        raise ValueError(f"{name} has {shown}, which nothing fills; {name} knows {listed}")


def letter(index: int) -> str:
    """A, B, C, ... for 0, 1, 2, ..."""
    return chr(ord("A") + index)


def right_option(item: TaskItem) -> int | None:
    """Index of a choice item's right option; None when the item does not say, or names none of its options."""
    if item.right is not None:
        return item.right if item.right < len(item.choices) else None
    return item.choices.index(item.answers[0]) if item.answers and item.answers[0] in item.choices else None


def request_id(item_id: str, style: PromptStyle, *, sample: int = 0, twin: str = "") -> str:
    """Id of a request; the inverse is never needed: answers are looked up by it."""
    last = twin or (str(sample) if sample else "")
    return STYLE_MARK.join(filter(None, [item_id, style, last]))


def item_requests(
    items: Sequence[TaskItem], template: Template, styles: Sequence[PromptStyle], seed: int
) -> list[Request]:
    """Requests for the test items of one benchmark, in each prompt style.

    The same worked examples, in the same order, precede every question of a benchmark (or of a cluster), so their keys
    and values can be shared.

    Raises:
        TouchstoneError: there are fewer worked examples than the template asks for, or one has no right answer.
    """
    shots = worked_examples(items, template)
    made: list[Request] = []
    for item in items:
        if item.split == "test":
            before = template.introduce(item, shots[_group(item, template)])
            for style in styles:
                prompt = template.chat(item, before) if style == "chat" else before + template.ask(item)
                made += _requests(item, prompt, template, style, seed)
    return made


def worked_examples(items: Sequence[TaskItem], template: Template) -> dict[str, list[TaskItem]]:
    """Group of items ("", or a cluster where `shots_from` says so) -> its worked examples.

    Raises:
        TouchstoneError: a group with test items has fewer than the template asks for.
    """
    found: dict[str, list[TaskItem]] = {_group(item, template): [] for item in items if item.split == "test"}
    asked = tuple(found)
    for item in items:
        if item.split == "shots":
            found.setdefault(_group(item, template), []).append(item)
    for name in asked:
        if len(found[name]) < template.num_shots:
            where = f"{items[0].benchmark}{f', {name},' if name else ''}"
            raise TouchstoneError(
                f"{where} has {len(found[name])} worked examples",
                expected=f"{template.num_shots}",
                remedy="give them beside the test items (MMLU's dev file with --items, others with --shots NAME=FILE),"
                " or lower num_shots of the template",
            )
    return {name: group[: template.num_shots] for name, group in found.items()}


def sample_seed(seed: int, name: str) -> int:
    """Seed of one sampled reply: its own random stream, whatever stands beside it."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:6], "big")


def _group(item: TaskItem, template: Template) -> str:
    return item.cluster if template.shots_from == "cluster" else ""


def _subject(item: TaskItem) -> str:
    return item.cluster.replace("_", " ")


def _requests(item: TaskItem, prompt: str, template: Template, style: PromptStyle, seed: int) -> list[Request]:
    chat, stop = style == "chat", template.stops(style)
    if item.kind == "choice":
        choices = template.scored_choices(item, style)
        weighed = Request(
            id=request_id(item.id, style), kind="choice", prompt=prompt, chat=chat, choices=choices, seed=seed
        )
        if not template.free_text_tokens:
            return [weighed]
        said = Request(
            id=request_id(item.id, style, twin=TEXT_TWIN),
            kind="completion",
            prompt=prompt,
            chat=chat,
            max_tokens=template.free_text_tokens,
            stop=stop,
            seed=seed,
        )
        return [weighed, said]
    names = [request_id(item.id, style, sample=number) for number in range(template.samples)]
    return [
        Request(
            id=name,
            kind="completion",
            prompt=prompt,
            chat=chat,
            max_tokens=template.max_tokens,
            stop=stop,
            temperature=template.temperature,
            top_p=template.top_p,
            seed=sample_seed(seed, name) if template.temperature else seed,
        )
        for name in names
    ]
