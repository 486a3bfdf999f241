"""What a judge is told and how its reply is to end: a small YAML file with a name and a version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from components.contracts import canonical
from components.contracts.errors import UsageError
from components.contracts.yaml_documents import read_mapping

SHIPPED = Path(__file__).parent / "templates"
PLACES = ("instruction", "first", "second")
NO_TEXT = "(no text)"
"""Stands for an answer without a visible character."""
MARK_CHARS = 10
_PLACEHOLDER = re.compile(r"\{(instruction|first|second|mark)\}")
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ]*$", max_length=30)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ChoiceForm(_Part):
    """The reply ends with a line `KEYWORD: CHOICE`."""

    form: Literal["choice"]
    """Told from `grades` by this word."""
    keyword: Word = "Verdict"
    """Opens the line of the verdict."""
    first: Word = "A"
    """Says that the answer shown first is better."""
    second: Word = "B"
    """Says that the other is."""
    tie: Word = "TIE"
    """Says that neither is."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({self.first.casefold(), self.second.casefold(), self.tie.casefold()}) < 3:
            raise ValueError("first, second and tie must differ")
        return self


class GradesForm(_Part):
    """The reply ends with a line `KEYWORD: NUMBER / NUMBER`."""

    form: Literal["grades"]
    """Told from `choice` by this word."""
    keyword: Word = "Grades"
    """Opens the line of the grades."""
    lowest: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """Smallest grade."""
    highest: Annotated[float, Field(allow_inf_nan=False)] = 10.0
    """Largest grade."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("lowest must be below highest")
        return self


class Template(_Part):
    """A judge's question."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=40)]
    """Goes into the source of every judgment."""
    version: Annotated[int, Field(gt=0)]
    """Raised whenever the words change: judgments of two versions are never mixed."""
    about: str = ""
    """What it asks for, in a sentence."""
    prompt: str
    """What the judge is told. {instruction}, {first} and {second} once each; {mark} on the lines that part them."""
    verdict: Annotated[ChoiceForm | GradesForm, Field(discriminator="form")]
    """How a reply ends."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Longest reply."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for place in PLACES:
            if self.prompt.count(f"{{{place}}}") != 1:
                raise ValueError(f"prompt must hold {{{place}}} once")
        if "{mark}" not in self.prompt:
            raise ValueError("prompt must hold {mark}, on the lines that part instruction and answers")
        if self.verdict.keyword not in self.prompt:
            raise ValueError(f"prompt must tell the judge to close with a line of {self.verdict.keyword}")
        return self

    @property
    def digest(self) -> str:
        """sha256 of everything that the judge is told and its reply is read by."""
        return canonical.digest(self.model_dump(mode="json", exclude={"about"}))

    @property
    def label(self) -> str:
        """Name and version; of a template that is not shipped also the head of its digest."""
        known = _shipped_digests().get((self.name, self.version)) == self.digest
        return f"{self.name} {self.version}" + ("" if known else f" {self.digest[:8]}")

    def render(self, instruction: str, first: str, second: str) -> str:
        """The judge's prompt for two answers in this order.

        The parting lines carry a code drawn from the texts themselves: an answer cannot know it, and so cannot close
        its own part and go on in the judge's voice.
        """
        texts = {"instruction": instruction, "first": _shown(first), "second": _shown(second)}
        filled = {**texts, "mark": _mark(tuple(texts.values()))}
        # In one go: an answer may itself hold the word {second}.
        return _PLACEHOLDER.sub(lambda match: filled[match[1]], self.prompt)


def shipped() -> list[str]:
    """Names of the templates that come with the box."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_template(given: str | Mapping[str, Any], *, where: str = "template") -> Template:
    """The template called `given`, or the one it describes.

    Raises:
        UsageError: no such template, or a field is missing, unknown or impossible.
    """
    if not isinstance(given, str):
        return _checked(given, where)
    if given not in shipped():
        raise UsageError(
            f"no judge's template called {given}",
            expected=f"{', '.join(shipped())}, or the path of a YAML file",
            remedy="write your own from components/judge/templates/pairwise.yaml",
        )
    return _shipped(given)


@cache
def _shipped(name: str) -> Template:
    path = SHIPPED / f"{name}.yaml"
    return _checked(read_mapping(path), path.name)


def _checked(fields: Mapping[str, Any], where: str) -> Template:
    try:
        return Template.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{where}: {f'{place}: ' if place else ''}{first['msg'].removeprefix('Value error, ')}",
            expected=f"the fields {', '.join(Template.model_fields)}",
            remedy="correct the template; components/judge/templates/pairwise.yaml is one to copy",
        ) from error


def _shipped_digests() -> dict[tuple[str, int], str]:
    made = [_shipped(name) for name in shipped()]
    return {(template.name, template.version): template.digest for template in made}


def _shown(text: str) -> str:
    return text if text.strip() else NO_TEXT


def _mark(texts: tuple[str, ...]) -> str:
    # Each side's text is in it, so that neither can hold it but by one chance in 16^MARK_CHARS.
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:MARK_CHARS]
