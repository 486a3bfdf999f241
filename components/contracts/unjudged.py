"""Judgments that were never asked for: one of the two answers does not exist. No judge is to blame for them."""

from __future__ import annotations

from components.contracts.evidence_rows import Judgment

_GAVE_NONE = "gave no answer"
_HAS_NONE = "has no answer to this prompt"


def no_answer_by(model: str, why: str | None = None) -> str:
    """The reason of a judgment without outcome, where this model's answer does not exist.

    Args:
        model: Its name.
        why: Why its row holds no answer; None = it has no row.
    """
    return f"{model} {_HAS_NONE}" if why is None else f"{model} {_GAVE_NONE}: {why}"


def lacks_answer(row: Judgment) -> bool:
    """Whether a judgment has no outcome because one of its two answers does not exist."""
    begins = tuple(f"{name} {words}" for name in (row.model, row.opponent) for words in (_GAVE_NONE, _HAS_NONE))
    return row.unscored is not None and row.unscored.startswith(begins)
