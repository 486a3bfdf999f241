"""Identity of a prompt, the same in every file and for every model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from components.contracts import files
from components.contracts.errors import TouchstoneError
from components.contracts.files import Record

ID_KEYS = ("question_id", "prompt_id", "i", "id")
TEXT_KEYS = ("instruction", "prompt", "text", "question", "turns")
DIGEST_CHARS = 16


def normalise(text: str) -> str:
    """White space collapsed: exports differ in line ends and trailing blanks, not in words."""
    return " ".join(text.split())


def digest_id(text: str) -> str:
    """Identity of a prompt known only by its text: the head of the sha256 of the normalised text."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:DIGEST_CHARS]


def id_text(record: Record, key: str) -> str:
    """An id as text: a whole number or a string.

    Raises:
        TouchstoneError: anything else.
    """
    value = record.value.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise record.error(f"{key} is {files.show(value)}", expected=f"{key} as a number or text", remedy="correct the id")


def first_turn(record: Record, key: str) -> str:
    """Text, or the first entry of a list of turns."""
    value = record.value.get(key)
    if isinstance(value, list):
        if not value:
            raise record.error(f"{key} is empty", expected="at least one turn", remedy="correct the file")
        value = value[0]
    return Record(record.where, {key: value}).text(key)


class PromptIndex:
    """Prompts with an id of their own (`--prompts`). Empty: text is identified by its digest."""

    def __init__(self, texts: Mapping[str, str] | None = None, name: str = "") -> None:
        """Index `texts` (id -> prompt) of the file called `name`."""
        self.name = name
        self._texts = dict(texts or {})
        self._ids: dict[str, list[str]] = {}
        for prompt_id, text in self._texts.items():
            self._ids.setdefault(normalise(text), []).append(prompt_id)

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self._texts

    def text(self, prompt_id: str) -> str:
        """The prompt's text; empty when it is not known."""
        return self._texts.get(prompt_id, "")

    def id_of(self, text: str, record: Record) -> str:
        """The id that the prompts file gives to a text, else its digest.

        Raises:
            TouchstoneError: the prompts file has the text twice, under two ids.
        """
        ids = self._ids.get(normalise(text), [])
        if len(ids) > 1:
            raise record.error(
                f"{self.name} has this prompt under the ids {', '.join(ids)}: {files.show(text)}",
                expected="an id with the output, since the text does not tell which prompt was meant",
                remedy="give outputs with a prompt_id",
            )
        return ids[0] if ids else digest_id(text)


def read_prompts(path: Path) -> PromptIndex:
    """Prompts of a FastChat question file, AlpacaEval instructions with `i`, or any list of ids and texts.

    Raises:
        TouchstoneError: not readable, an id twice, or records without id or text.
    """
    texts: dict[str, str] = {}
    places: dict[str, str] = {}
    for record in files.records(path):
        id_key = next((key for key in ID_KEYS if key in record.value), None)
        text_key = next((key for key in TEXT_KEYS if key in record.value), None)
        if id_key is None or text_key is None:
            raise record.error(
                f"a prompt with only {', '.join(record.value) or 'nothing'}",
                expected=f"one of {', '.join(ID_KEYS)} and one of {', '.join(TEXT_KEYS)}",
                remedy="give the question file of the evaluation",
            )
        prompt_id = id_text(record, id_key)
        if prompt_id in texts:
            raise record.error(
                f"prompt {prompt_id} was already given ({places[prompt_id]})",
                expected="every id once",
                remedy="remove one of the two",
            )
        texts[prompt_id], places[prompt_id] = first_turn(record, text_key), record.where
    if not texts:
        raise TouchstoneError(f"{path} holds no prompts", expected="ids and texts", remedy="give another file")
    return PromptIndex(texts, str(path))
