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


IsoDate = Annotated[str, Field(pattern=r"^(\d{4}(-\d{2}){0,2})?$")]
"""A year, month or day as ISO 8601; empty = not known."""
Terms = Literal["unknown", "open", "restricted"]
"""Whether a target's terms allow training on its outputs; restricted = not for every purpose."""


class Passport(Row):
    """What a dialogue's papers say beside its source and target. An empty text or null = not known."""

    target_date: str = ""
    """The target model's version date, or when the reply was collected, as `IsoDate`."""
    terms: Terms = "unknown"
    """Whether the target's terms allow training on its outputs."""
    licence: str = ""
    """Licence of the dump, as an SPDX name where there is one."""
    origin: str = ""
    """File and place in it, without this machine's folders."""
    language: str = ""
    """ISO 639-1 code of the dialogue's language, as detected."""
    dropped_turns: Count = 0
    """Turns left out on the way: replies without their query, queries without a reply."""
    redacted: dict[str, int] = Field(default_factory=dict)
    """Kind of secret or personal data -> how many were replaced by a placeholder."""


class Dialogue(Row):
    """A conversation between a user and the target: one example of imitation data."""

    id: str
    """Stable across runs; a takedown request names it."""
    source: str
    """Which dump or prompt set it came from."""
    target: str
    """The model that wrote the assistant turns."""
    turns: tuple[Turn, ...]
    """In order; at least one user turn followed by an assistant turn."""
    passport: Passport = Passport()
    """Everything else that is known about where it comes from and what was done to it."""


class Removal(Row):
    """A dialogue that did not enter, kept aside with its reason: in = kept + removed."""

    id: str
    """The dialogue's id."""
    reason: str
    """A short word: duplicate, near_duplicate, empty, no_reply, cut, language, unknown_role, malformed, damaged,
    too_long, too_short, leaked (a held-out prompt that training repeats), seed (repeats an example of the task),
    surplus (more than was wanted), subset."""
    detail: str = ""
    """What was seen."""
    raw: str = ""
    """The removed content, for a person to look at."""


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


class PublishedScore(Row):
    """A model known only by a number somebody published."""

    benchmark: str
    """Name of the benchmark."""
    role: Role
    """The part the model plays."""
    model: str
    """Name of the model."""
    value: Unit
    """The published mean, as a share."""
    n: Annotated[int, Field(gt=0)]
    """Items behind the number."""
    source: str
    """Where it was published."""
    rounding: Unit = 0.0
    """Unit of the last printed digit, as a share (0.01 for a whole per cent)."""
    num_shots: Count | None = None
    """Worked examples before the question, where known."""


StyleMetricName = Literal["list_agreement", "summary_agreement", "length_correlation", "authoritative", "unigram_f1"]


class PublishedStyle(Row):
    """One cell of a published style table (the study's Table 2): there are no prompts to resample."""

    metric: StyleMetricName
    """Which metric."""
    role: Literal["base", "imitator", "target_second"]
    """Whose agreement with the target; target_second is the ceiling."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """As the metric is defined: shares 0-1, unigram_f1 0-100, correlation -1 to 1."""
    n: Annotated[int, Field(gt=0)] | None = None
    """Prompts behind it, where known."""
    source: str
    """Where it was published."""


class Judgment(Row):
    """Who was preferred, by one judge or rater, on one prompt. Order 'none' = the judge saw no order."""

    prompt_id: str
    """The Prompt's id."""
    source: str
    """The judge, the rater pool or the file it came from."""
    rater: str
    """One voice within the source."""
    model: str
    """The model under test."""
    opponent: str
    """The model it was compared with."""
    outcome: Literal["win", "tie", "loss"] | None
    """For `model`; null when the verdict could not be read."""
    unscored: str | None = None
    """Why `outcome` is null."""
    order: Literal["model_first", "opponent_first", "none"]
    """Which output was shown first."""
    score: float | None = None
    """The judge's grade of `model`, in its own unit."""
    opponent_score: float | None = None
    """The judge's grade of `opponent`."""

    @model_validator(mode="after")
    def _outcome_or_reason(self) -> Self:
        if (self.outcome is None) == (self.unscored is None):
            raise ValueError("exactly one of outcome and unscored must be given")
        return self


class StyleProfile(Row):
    """Surface style of one output, set beside the target's first sample on the same prompt."""

    prompt_id: str
    """The Prompt's id."""
    role: Role
    """Whose output this is; `target` rows compare the target with itself."""
    model: str
    """Name of the model."""
    words: Count
    """Lower-cased word tokens."""
    has_list: bool
    """At least two lines open with a bullet or number marker."""
    has_summary: bool
    """Two or more paragraphs, the last opening with a closing marker."""
    unigram_f1: Annotated[float, Field(ge=0.0, le=100.0)]
    """100 x multiset F1 of word unigrams with the target's output."""
    authoritative: Unit | None
    """Lexical tone score (hedges, boosters, first-person doubt); null for an empty text."""
    english: bool
    """False = left out of English-only metrics."""


class Support(Row):
    """How well the imitation data cover one scored item."""

    item_id: str
    """The TaskItem's or Score's id."""
    benchmark: str
    """Name of the benchmark."""
    similarity: Unit
    """Highest TF-IDF cosine to any training prompt, mean over random subsamples of the data."""
    nearest: str = ""
    """Id of the closest dialogue."""


class SupportClaim(Row):
    """A declaration, by the user, that the imitation data do or do not cover a benchmark."""

    benchmark: str
    """Name of the benchmark."""
    supported: bool
    """True = the data were made for it."""


class GateCheck(Row):
    """One data-quality expectation and what came of it."""

    name: str
    """What was expected, in words."""
    passed: bool
    """Whether it held."""
    severity: Literal["error", "warning"]
    """error = the gate does not pass; warning = the report mentions it."""
    observed: str
    """What was seen."""
    failing: tuple[str, ...] = ()
    """Ids of failing rows, at most 20."""


class Registration(Row):
    """What a run declared before it trained or scored anything."""

    pipeline: str
    """Name of the pipeline."""
    seed: Count
    """The run's seed."""
    policy: str
    """Name of the policy."""
    policy_digest: str
    """sha256 of the policy's rules."""
    rules: dict[str, object]
    """The policy, key by key."""
    settings_digest: str
    """sha256 of the parameters of every step."""
