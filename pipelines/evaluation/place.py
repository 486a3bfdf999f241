"""The folder of an evaluation: new, or what an earlier call for the same model left there."""

from __future__ import annotations

from pathlib import Path

from components.contracts import manifest as manifests
from components.contracts.errors import TouchstoneError, UsageError

LOGS = "lm_eval"
"""The folder of the logs in lm-evaluation-harness's form."""
ROUNDS = ("requests", "completions", "text_scores", "choice_scores")
MEMBERS = frozenset(
    {"items", "heldout", "checkpoint", "outcomes", "ratings", "scores", "variants", "answers", LOGS}
    | {"asked_choice_scores", *ROUNDS, *(f"rival_{name}" for name in ROUNDS)}
)
"""Everything that an evaluation writes; names with a dot in front are the store's."""


def refuse_other_use(out: Path, name: str) -> None:
    """Neither a person's folder, nor another command's, nor another model's evaluation is written over.

    Raises:
        UsageError: `out` is one of these; nothing was touched.
    """
    if not out.exists():
        return
    found = "is not a folder"
    if out.is_dir():
        others = sorted(entry.name for entry in out.iterdir() if not entry.name.startswith("."))
        others = [entry for entry in others if entry not in MEMBERS]
        found = f"holds {', '.join(others[:3])}" if others else ""
    if found:
        raise UsageError(
            f"--out {out} {found}",
            expected="a new or empty folder, or an earlier evaluation with nothing added",
            remedy="choose another folder, or move what is in it away",
        )
    earlier = _model_of(out)
    if earlier not in ("", name):
        raise UsageError(
            f"--out {out} holds the evaluation of {earlier}, and this is {name}",
            expected="a folder of its own for every model",
            remedy=f"choose another folder; if it is the same model, say --name {earlier}",
        )


def _model_of(out: Path) -> str:
    try:
        return str(manifests.read(out / "requests").params.get("name", ""))
    except TouchstoneError:
        return ""  # nothing was asked yet
