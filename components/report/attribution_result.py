"""Rows of two attributions -> the part of a verdict that says whose the answers are taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.contracts.attribution_results import AttributionResult, ClassifierResult, TakenShare, ToldApart
from components.contracts.attribution_rows import Attribution, Classifier
from components.contracts.errors import TouchstoneError

By = Mapping[tuple[Classifier, str], Attribution]
"""(classifier, author) -> row."""


def attribution_result(rows: Sequence[Attribution], apart: Sequence[Attribution] = ()) -> AttributionResult | None:
    """What a comparison's answers are taken for; None where nobody was asked.

    Args:
        rows: Base and target as candidates.
        apart: Imitator and target as candidates; may be absent.

    Raises:
        TouchstoneError: the candidates are others, or no classifier was asked about the imitator.
    """
    if not rows:
        return None
    _check(rows, {"base", "target"}, "attributions")
    _check(apart, {"imitator", "target"}, "told_apart")
    by = {(row.classifier, row.author): row for row in rows}
    between = {(row.classifier, row.author): row for row in apart}
    # Always naming one author takes nothing or everything for the target's.
    names = [name for name in dict.fromkeys(row.classifier for row in rows) if name != "majority"]
    made = [found for name in names if (found := _of(name, by, between)) is not None]
    if not made:
        raise TouchstoneError(
            "attributions: no classifier was asked about the imitator's answers",
            expected="rows of the imitator by a classifier other than majority",
        )
    return AttributionResult(classifiers=tuple(made))


def _check(rows: Sequence[Attribution], candidates: set[str], port: str) -> None:
    for row in rows:
        found = {share.author for share in row.shares}
        if found != candidates:
            raise TouchstoneError(
                f"{port}: {row.classifier} chose among {', '.join(sorted(found)) or 'nobody'}",
                expected=f"the candidates {' and '.join(sorted(candidates))}",
                remedy=f"give attribute candidates: [{', '.join(sorted(candidates))}]",
            )


def _of(name: Classifier, by: By, between: By) -> ClassifierResult | None:
    imitator = _taken(by.get((name, "imitator")))
    if imitator is None:
        return None
    apart = between.get((name, "imitator"))
    return ClassifierResult(
        classifier=name,
        imitator=imitator,
        base=_taken(by.get((name, "base"))),
        target=_taken(by.get((name, "target"))),
        target_second=_taken(by.get((name, "target_second"))),
        base_or_target=told_apart(by[name, "imitator"]),
        imitator_or_target=None if apart is None else told_apart(apart),
    )


def _taken(row: Attribution | None) -> TakenShare | None:
    share = None if row is None else row.to("target")
    if row is None or share is None:
        return None
    return TakenShare(share=share.share, ci=share.ci, n=row.num_texts, unscored=row.unscored)


def told_apart(row: Attribution) -> ToldApart:
    """How well the row's classifier tells its candidates apart: the same on every row of it."""
    return ToldApart(accuracy=row.accuracy, ci=row.accuracy_ci, n=row.num_tested, chance=row.chance)
