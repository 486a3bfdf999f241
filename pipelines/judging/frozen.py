"""A judging of earlier, put before its judge again: has the judge changed?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.contracts import bind
from components.contracts import manifest as manifests
from components.contracts.errors import UsageError
from components.contracts.evidence_rows import Judgment
from components.contracts.ports import Input
from components.judge import step
from components.judge.rows import DriftCheck
from pipelines.judging.materials import BASE, CANDIDATE, MADE_OF_BASE, REFERENCE
from pipelines.judging.request import Judge, JudgingRequest
from pipelines.judging.run import JUDGMENTS, Judging, judge

DRIFT = "drift"


@dataclass(frozen=True)
class Drift:
    """A frozen set and what came of it."""

    judging: Judging
    checks: tuple[DriftCheck, ...]
    was: str
    """The judge of the frozen judgments."""


def judge_again(
    frozen: Path, out: Path, *, asked: Judge, limit: int | None = None, alpha: float = 0.05, max_changed: float = 0.1
) -> Drift:
    """Judge the pairs of an earlier judging again, by the same template, and compare.

    Args:
        frozen: What `touchstone judge answers` wrote.
        out: Where the new judgments go; its name begins the questions' ids, so another folder asks anew.
        asked: The judge; what is left empty is taken from the frozen judging.
        limit: At most so many prompts.
        alpha: Intervals are at 1 - alpha.
        max_changed: Share of pairs that may come out differently.

    Raises:
        UsageError: `frozen` is no judging by verdicts.
        TouchstoneError: as `judge`.
    """
    if out.resolve() == frozen.resolve():
        raise UsageError("the frozen set would be overwritten", expected="another folder for --out")
    notes = _finished(frozen)
    sides = [frozen / port for port in (CANDIDATE, *MADE_OF_BASE.values()) if (frozen / port).is_dir()]
    made = judge(
        JudgingRequest(
            out=out,
            candidates=[str(path) for path in sides],
            reference=str(frozen / REFERENCE),
            base=str(frozen / BASE) if (frozen / BASE).is_dir() else "",
            judge=_completed(asked, frozen),
            limit=limit,
            verdicts={**_questions(frozen), "round": out.resolve().name},
        )
    )
    bind.call(
        step.check_drift,
        params={"alpha": alpha, "max_changed": max_changed},
        frozen=frozen / JUDGMENTS,
        judgments=out / JUDGMENTS,
        drift=out / DRIFT,
    )
    was = notes.get("judge")
    return Drift(
        judging=made,
        checks=tuple(Input(out / DRIFT, DriftCheck).rows()),
        was=str(was.get("name", "")) if isinstance(was, Mapping) else "",
    )


def _finished(frozen: Path) -> Mapping[str, object]:
    at = frozen / JUDGMENTS
    if not (at / manifests.FILE_NAME).is_file() or not (frozen / "pairs" / manifests.FILE_NAME).is_file():
        raise UsageError(
            f"{frozen} is no finished judging by verdicts",
            expected="the folder that `touchstone judge answers` wrote, with its pairs and judgments",
            remedy="judge a set once and keep its folder as it is",
        )
    return Input(at, Judgment).manifest.notes


def _completed(asked: Judge, frozen: Path) -> Judge:
    """The judge with what the frozen judging says of it where nothing else is said."""
    declared = manifests.read(frozen / JUDGMENTS).params
    before = manifests.read(frozen / "completions").params
    api: dict[str, Any] = dict(asked.generation.get("api") or {})
    told = before.get("api")
    if asked.checkpoint is None and before.get("backend") in {"api", "vllm"} and isinstance(told, Mapping):
        api = {**told, **api}
    model = asked.model or str(declared.get("judge", ""))
    if api:
        api["model"] = model
    template = declared.get("template", "pairwise")
    return replace(
        asked,
        model=model,
        # Another model has another revision.
        revision=asked.revision or (str(declared.get("revision", "")) if not asked.model else ""),
        generation={**asked.generation, **({"api": api} if api else {})},
        template=template if isinstance(template, str | Mapping) else "pairwise",
    )


def _questions(frozen: Path) -> dict[str, Any]:
    told = manifests.read(frozen / "pairs").params
    return {key: told[key] for key in ("seed", "longest_answer_chars", "max_tokens") if key in told}
