"""Model outputs -> Completion rows: AlpacaEval model_outputs, FastChat answers, plain prompt and output, our own rows.

The record's keys tell the format; the file name never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.collect.folders import refuse_other_folder
from components.collect.prompts import PromptIndex, first_turn, id_text
from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.files import Record
from components.contracts.ports import Input
from components.contracts.rows import Completion, Role

PROMPT_KEYS = ("instruction", "prompt", "question", "query", "input")
OUTPUT_KEYS = ("output", "completion", "response", "answer", "text", "reply")
MODEL_KEYS = ("generator", "model_id", "model", "model_name")
PLAIN_ID_KEYS = ("prompt_id", "question_id", "id")
MAX_EMPTY_SHARE = 0.1
"""Above this share of empty outputs the file is taken for a failed generation, not for a model's silence."""
ACCEPTED = (
    "AlpacaEval (instruction, output, generator), FastChat answers (question_id, text or choices), or plain records"
    " with a prompt and an output"
)

_OTHER_KINDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"generator_1", "generator_2"}), "a judgment of two models", "give it with --judgments"),
    (frozenset({"answer1_id", "answer2_id"}), "a judgment of two models", "give it with --judgments"),
    (frozenset({"model", "baseline", "preference"}), "a judgment of two models", "give it with --judgments"),
    (frozenset({"conversations"}), "a conversation", "give imitation data with --train"),
    (frozenset({"messages"}), "a conversation", "give imitation data with --train"),
    (frozenset({"doc_id"}), "an item score", "give it with --scores ROLE=FILE"),
    (frozenset({"item_id"}), "an item score", "give it with --scores ROLE=FILE"),
    (frozenset({"task_id", "passed"}), "an item score", "give it with --scores ROLE=FILE"),
    (frozenset({"task_id", "is_solved"}), "an item score", "give it with --scores ROLE=FILE"),
    (frozenset({"results", "configs"}), "results of lm-evaluation-harness", "give it with --scores ROLE=FILE"),
)


@dataclass(frozen=True)
class Outputs:
    """One model's outputs in one role."""

    role: Role
    path: Path
    model: str
    """Its name in the verdict."""
    aliases: frozenset[str]
    """Names under which judgments may know it."""
    completions: tuple[Completion, ...]
    answers: Mapping[str, str]
    """FastChat answer_id -> prompt id."""
    num_empty: int
    """Outputs without a visible character; kept, since silence is an answer."""


def read_outputs(
    path: Path,
    role: Role,
    *,
    name: str | None = None,
    prompts: PromptIndex | None = None,
    option: str = "",
    unnamed: str = "",
) -> Outputs:
    """Read one model's outputs.

    Args:
        path: A file, or a folder of Completion rows.
        role: The part the model plays.
        option: How messages call what the path was given as; empty = the role's own option.
        unnamed: What to call a model that the file does not name; empty = as its role.
        name: Its name; else the one in the file, else the role.
        prompts: Ids and texts of prompts; FastChat answers carry no texts of their own.

    Raises:
        TouchstoneError: not readable, of another kind, a prompt answered twice, two models in one file, or more than a
            tenth of the outputs empty.
    """
    reader = _Reader(path, role, prompts or PromptIndex(), option or f"--{flag(role)}")
    if path.is_dir():
        refuse_other_folder(path, "outputs", reader.option)
        for number, row in enumerate(Input(path, Completion).rows(), 1):
            reader.add(Record(f"{path}, row {number}", {}), row.prompt_id, row.prompt, row.text, row.model)
    else:
        for record in files.records(path):
            reader.take(record)
    return reader.finish(name, unnamed or role)


class _Reader:
    """Collects the outputs of one file."""

    def __init__(self, path: Path, role: Role, prompts: PromptIndex, option: str) -> None:
        self.path, self.role, self.prompts, self.option = path, role, prompts, option
        self.rows: dict[str, Completion] = {}
        self.places: dict[str, str] = {}
        self.model: str | None = None
        self.answers: dict[str, str] = {}
        self.empty: list[str] = []

    def take(self, record: Record) -> None:
        """Read one record by its keys."""
        value = record.value
        model = next((value[key] for key in MODEL_KEYS if isinstance(value.get(key), str) and value[key]), None)
        model_name = None if model is None else str(model)
        output_key = next((key for key in OUTPUT_KEYS if key in value), None)
        prompt_key = next((key for key in PROMPT_KEYS if key in value), None)
        id_key = next((key for key in PLAIN_ID_KEYS if key in value), None)
        self._refuse_other_kinds(record, output_key, has_prompt=bool(prompt_key or id_key))
        if "choices" in value and "question_id" in value:
            text = _first_choice(record)
        else:
            assert output_key is not None
            text = first_turn(record, output_key)
        prompt = "" if prompt_key is None or prompt_key == output_key else record.text(prompt_key)
        if id_key is not None:
            prompt_id = id_text(record, id_key)
            prompt = prompt or self.prompts.text(prompt_id)
        else:
            prompt_id = self.prompts.id_of(prompt, record)
        self.add(record, prompt_id, prompt, text, model_name)
        if isinstance(value.get("answer_id"), str):
            self.answers[str(value["answer_id"])] = prompt_id

    def add(self, record: Record, prompt_id: str, prompt: str, text: str, model: str | None) -> None:
        """Keep one output, once a prompt and of one model only."""
        if prompt_id in self.rows:
            raise record.error(
                f"prompt {files.show(prompt) if prompt else prompt_id} was already answered ({self.places[prompt_id]})",
                expected="one output for each prompt",
                remedy="keep one of them; a second sample of the target goes into --target-second",
            )
        if self.model is not None and model is not None and model != self.model:
            raise record.error(
                f"an output of {model}, after outputs of {self.model}",
                expected="one model a file",
                remedy=f"split the file and give each model its role; this one is {self.option}",
            )
        self.model = self.model or model
        if not text.strip():
            self.empty.append(record.where)
        self.rows[prompt_id] = Completion(prompt_id=prompt_id, model=model or "", prompt=prompt, text=text)
        self.places[prompt_id] = record.where

    def finish(self, name: str | None, unnamed: str) -> Outputs:
        """Check the whole and give every row the model's name."""
        if not self.rows:
            raise TouchstoneError(f"{self.path} holds no outputs", expected=ACCEPTED, remedy="give another file")
        if len(self.empty) > MAX_EMPTY_SHARE * len(self.rows):
            raise TouchstoneError(
                f"{self.empty[0]}: the output is empty, as are {len(self.empty)} of {len(self.rows)} in this file",
                expected=f"at most {MAX_EMPTY_SHARE:.0%} empty outputs",
                remedy=f"generate the outputs of {self.option} again",
            )
        model = name or self.model or unnamed
        completions = tuple(row.model_copy(update={"model": model}) for row in self.rows.values())
        aliases = {model, self.model or model}
        # FastChat writes NAME:VERSION in answers and NAME in review file names.
        aliases |= {alias.partition(":")[0] for alias in aliases}
        return Outputs(
            self.role, self.path, model, frozenset(aliases), completions, dict(self.answers), len(self.empty)
        )

    def _refuse_other_kinds(self, record: Record, output_key: str | None, *, has_prompt: bool) -> None:
        value = record.value
        other = next(((kind, remedy) for keys, kind, remedy in _OTHER_KINDS if keys <= value.keys()), None)
        if other is None and has_prompt and (output_key is not None or "choices" in value):
            return
        kind, remedy = other or (f"a record with only {', '.join(value) or 'nothing'}", "rename its fields")
        raise record.error(f"{self.option} got {kind}", expected=ACCEPTED, remedy=remedy.replace("ROLE", self.role))


def _first_choice(record: Record) -> str:
    """The first turn of the first choice: later turns answer other prompts."""
    choices = record.value["choices"]
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return first_turn(Record(record.where, choices[0]), "turns")
    raise record.error("choices holds no answer", expected="choices: [{turns: [text]}]", remedy="correct the file")


def flag(role: Role) -> str:
    """The role as a command-line option."""
    return role.replace("_", "-")
