"""Row types. One frozen model per noun; every field says what it holds and in which unit.

Text identity is by id everywhere: rows are joined on `prompt_id` or `item_id`, never by position.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Role = Literal["base", "imitator", "target", "target_second"]
"""The parts models play in a comparison; `target_second` is a second sample of the target, the ceiling of style."""

Speaker = Literal["system", "user", "assistant"]
Channel = Literal["strict", "extracted", "likelihood"]
PromptStyle = Literal["raw", "chat"]
Unit = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Row(BaseModel):
    """A line of an artifact: frozen, no unknown fields, prose on every field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: ClassVar[int] = 1
    """Raised when a field changes meaning; a manifest of another version is refused."""


class TextRow(Row):
    """One document of a pre-training corpus."""

    id: str
    """Unique within the artifact."""
    text: str
    """The document, as a tokenizer would see it."""


class Turn(Row):
    """One utterance of a dialogue."""

    speaker: Speaker
    """Who speaks; only assistant turns are trained on."""
    text: str
    """What was said, as Markdown."""


class Prompt(Row):
    """An open-ended instruction given to every model."""

    id: str
    """Joins completions of different models."""
    text: str
    """The instruction."""
    category: str = ""
    """Free label used in tables and the rating sheet."""


class TaskItem(Row):
    """One benchmark question, before it is turned into a prompt."""

    id: str
    """Stable; scores of all models join on it."""
    benchmark: str
    """Name of the benchmark."""
    kind: Literal["choice", "exact_match", "program", "continuation"]
    """choice: the right option by likelihood. exact_match: a short answer compared with `answers`. program: code that
    must pass `tests`. continuation: any text that goes on, rated for toxicity."""
    question: str
    """The question alone; of a program its head, of a continuation what is continued."""
    choices: tuple[str, ...] = ()
    """Options of a choice item."""
    answers: tuple[str, ...]
    """Accepted answers; for a choice item the single right option; of a program a solution; none for a continuation."""
    right: Count | None = None
    """Index of the right option, where the text of `answers` does not tell (two options may read the same)."""
    tests: str = ""
    """Python that checks a program: a function `check(candidate)`, or assertions that call `entry_point`."""
    entry_point: str = ""
    """Name of the function that a program defines."""
    cluster: str
    """Items that are not independent share it (subject, entity)."""
    split: Literal["shots", "test"] = "test"
    """shots: worked examples shown before the test items of the same benchmark."""


class Request(Row):
    """What a model is asked to do. The one format every backend answers."""

    id: str
    """Unique within the artifact; completions and choice scores name it."""
    kind: Literal["completion", "choice", "text"]
    """completion: continue `prompt`. choice: log-probability of each of `choices` after `prompt`. text: log-probability
    of the whole of `prompt`."""
    prompt: str
    """The text, or the user's message when `chat`."""
    chat: bool = False
    """Wrap the prompt in the checkpoint's chat template."""
    choices: tuple[str, ...] = ()
    """Continuations to score, each with its leading space."""
    max_tokens: Count = 0
    """Upper bound on generated tokens."""
    stop: tuple[str, ...] = ()
    """Generation ends before any of these strings."""
    temperature: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    """0 = greedy."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Tokens are drawn from the smallest set of likeliest ones whose shares add up to this (Holtzman et al. 2020)."""
    seed: Count = 0
    """Seeds this request's own random stream, so that neighbours in a batch do not matter."""


class Completion(Row):
    """A model's text for one prompt."""

    prompt_id: str
    """The Prompt's or Request's id."""
    model: str
    """Name of the model that wrote it."""
    prompt: str = ""
    """The instruction, kept for readers and for joins by text."""
    text: str
    """The output, without the prompt."""
    finish: Literal["stop", "length", "unknown"] = "unknown"
    """stop: the model ended. length: it was cut at max_tokens."""
    num_tokens: Count | None = None
    """Generated tokens, where known."""
    cut_tokens: Count = 0
    """Tokens cut off the prompt's left side, because the model's context is shorter."""
    unanswered: str | None = None
    """Why there is no answer (refused, empty, not a number); `text` is then empty and no score may come of it."""


class ChoiceScore(Row):
    """A model's log-probabilities for the options of one choice request."""

    request_id: str
    """The Request's id."""
    model: str
    """Name of the model."""
    logprobs: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    """Natural-log probability of each choice, summed over its tokens; none when `unanswered`."""
    num_tokens: tuple[Count, ...]
    """Tokens of each choice."""
    cut_tokens: Count = 0
    """Tokens cut off the prompt's left side, because the model's context is shorter."""
    unanswered: str | None = None
    """Why there are no log-probabilities."""
    request_digest: str = ""
    """What was asked, as a digest of prompt and choices; empty = not recorded."""


class TextScore(Row):
    """A model's log-probability of one whole text."""

    request_id: str
    """The Request's id."""
    model: str
    """Name of the model."""
    logprob: Annotated[float, Field(allow_inf_nan=False)] | None
    """Natural-log probability of the text, summed over its tokens; null when `unanswered`."""
    num_tokens: Count
    """Tokens of the text."""
    num_bytes: Count
    """Its length in UTF-8; -logprob / num_bytes / ln 2 = bits per byte."""
    unanswered: str | None = None
    """Why there is no log-probability."""
    request_digest: str = ""
    """What was asked, as a digest of the text; empty = not recorded."""


class ProgramOutcome(Row):
    """What came of running one program that a model wrote."""

    request_id: str
    """Request (or completion) the program came from."""
    form: Literal["body", "extracted"]
    """body: the completion directly after the item's head. extracted: a whole function or a fenced block in it."""
    passed: bool | None
    """Whether every test held; null when the program could not be run."""
    detail: str = ""
    """In words: passed, AssertionError, timed out, ..."""
    unscored: str | None = None
    """Why `passed` is null: never the program's own doing."""


class Rating(Row):
    """What a text classifier says of one completion."""

    id: str
    """The Completion's prompt_id."""
    scorer: str
    """Name of the classifier and, where it has one, its digest."""
    value: Unit | None
    """Probability of being toxic; null when the scorer failed."""
    unscored: str | None = None
    """Why `value` is null. A scorer that fails says nothing: never "not toxic"."""
    refusal: bool = False
    """Whether the text declines to continue."""
    cut_tokens: Count = 0
    """Tokens at the text's end that the scorer did not read, because it reads no longer ones."""


class Score(Row):
    """One model's result on one benchmark item."""

    item_id: str
    """Joins models."""
    benchmark: str
    """Name of the benchmark."""
    model: str
    """Name of the model."""
    value: Unit | None
    """In [0, 1]; null when the item could not be scored."""
    unscored: str | None = None
    """Why `value` is null. Unknown is not wrong."""
    cluster: str = ""
    """Items that are not independent share it; empty = the item stands alone."""
    channel: Channel = "strict"
    """How the answer was read."""
    prompt_style: PromptStyle = "raw"
    """How the question was put."""
    num_shots: Count | None = None
    """Worked examples before the question, where known."""
    leaked: bool | None = None
    """Whether the imitation data repeat the item, by the policy's limits; null = not searched."""
    support: Unit | None = None
    """How well the imitation data cover the item (`Support.similarity`); null = not known."""

    @model_validator(mode="after")
    def _value_or_reason(self) -> Self:
        if (self.value is None) == (self.unscored is None):
            raise ValueError("exactly one of value and unscored must be given")
        return self
