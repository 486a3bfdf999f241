"""Pages that may leave the house: what was asked and answered is replaced by its length and digest."""

from __future__ import annotations

import hashlib
import re

from components.contracts.verdict import Verdict
from components.report.page_inputs import ExampleOutput, ReportExtras
from components.report.wording import count

DIGEST_CHARS = 12
_WORD = re.compile(r"\w+")


def stand_in(text: str) -> str:
    """What is printed in a text's place; equal texts have equal stand-ins, so that answers can still be told apart."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]
    return f"[{count(len(_WORD.findall(text)))} words, {count(len(text))} characters, sha256 {digest}]"


def redact_extras(extras: ReportExtras) -> ReportExtras:
    """The extras without any text of a prompt, an answer or a solution."""
    return extras.model_copy(
        update={
            "redacted": True,
            "examples": tuple(map(_example, extras.examples)),
            "sure_and_wrong": tuple(map(_example, extras.sure_and_wrong)),
        }
    )


def _example(example: ExampleOutput) -> ExampleOutput:
    texts = {name: getattr(example, name) for name in ("prompt", "base", "imitator", "target", "expected")}
    return example.model_copy(update={name: stand_in(text) if text else text for name, text in texts.items()})


def redact_verdict(verdict: Verdict) -> Verdict:
    """The verdict without ids of dialogues: where a file names none, the text itself is the id."""
    if verdict.data is None:
        return verdict
    checks = tuple(
        check.model_copy(update={"failing": tuple(map(stand_in, check.failing))}) for check in verdict.data.checks
    )
    return verdict.model_copy(update={"data": verdict.data.model_copy(update={"checks": checks})})
