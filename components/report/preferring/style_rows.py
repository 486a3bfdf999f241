"""Votes and the surface of what was voted on, as the rows of one style regression (method section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.contracts.errors import TouchstoneError
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_rows import StyleFeatures
from components.report.clustered import Codes, Floats
from components.report.preferring.style_design import Design

FEATURES = ("words", "list_items", "headers", "bold_runs", "has_summary")
POSITION = "first_position"
FLOOR = 1e-6
"""Penalty of models and position: none that shows, yet a resample in which one model wins every vote stays finite."""
RATER_PENALTY = 1.0
"""Of a rater's leaning: raters are taken to differ by about one log-odds. Without it a rater of one vote would explain
that vote whatever stood in it."""
SAME = 1e-9
"""Share of a column's squares left beside other columns, below which it says nothing that they do not."""
_SCORE = {"win": 1.0, "tie": 0.5, "loss": 0.0}
_SIGN = {"model_first": 1.0, "opponent_first": -1.0, "none": 0.0}


class StyleRows(NamedTuple):
    """A regression and what its columns mean."""

    design: Design
    """Of all votes; column 0 is the model asked about, the opponent's strength is 0."""
    styles: tuple[str, ...]
    """Features that differ anywhere, in the order of their columns."""
    first_style: int
    """Column of the first of them."""
    has_position: bool
    """Whether the last column is the position."""
    asked: Codes
    """Rows on which exactly the pair asked about met."""

    def penalised(self, ridge: float) -> Design:
        """The design with the style terms' penalty."""
        penalty = self.design.penalty.copy()
        penalty[self.first_style : self.first_style + len(self.styles)] = max(ridge, FLOOR)
        return self.design._replace(penalty=penalty)

    @property
    def named(self) -> dict[str, int]:
        """What pulls -> its column."""
        found = {name: self.first_style + k for k, name in enumerate(self.styles)}
        return found | ({POSITION: self.design.x.shape[1] - 1} if self.has_position else {})


class _Meeting(NamedTuple):
    prompt: str
    first: str
    second: str
    sign: float
    rater: str


def surface(features: Iterable[StyleFeatures]) -> dict[tuple[str, str], Floats]:
    """(prompt, model) -> its counts, in the order of FEATURES.

    Raises:
        TouchstoneError: two rows of one prompt and model that differ.
    """
    found: dict[tuple[str, str], StyleFeatures] = {}
    for row in features:
        if found.setdefault((row.prompt_id, row.model), row) != row:
            raise TouchstoneError(
                f"two different style features of {row.model} on prompt {row.prompt_id}",
                expected="one row for each prompt and model",
                remedy="give the features of one set of outputs",
            )
    return {key: np.array([float(getattr(row, name)) for name in FEATURES]) for key, row in found.items()}


def style_rows(
    judgments: Iterable[Judgment], features: Mapping[tuple[str, str], Floats], pair: tuple[str, str]
) -> StyleRows | None:
    """The regression of all readable votes whose two outputs have features; None where the pair has none.

    A row's style columns are (a - b) / (a + b) of each count, 0 where both are 0, over the root mean square of all
    votes and not centred: a difference of zero must stay zero, for it is what 'style held equal' means.
    """
    votes = _meetings(judgments, features, pair)
    keys = sorted(votes)
    asked = [number for number, key in enumerate(keys) if (key.first, key.second) == pair]
    if not asked:
        return None
    size = np.array([float(len(votes[key])) for key in keys])
    models = [pair[0], *sorted({name for key in keys for name in (key.first, key.second)} - set(pair))]
    strengths = np.array([[float(m == key.first) - float(m == key.second) for m in models] for key in keys])
    delta = _differences(keys, features)
    rms = np.sqrt((size @ delta**2) / size.sum())
    differs = rms > 0
    columns = [strengths, delta[:, differs] / rms[differs]]
    sign = np.array([key.sign for key in keys])
    # Where the same model always stood first, its place and its strength are one thing.
    if has_position := bool(beside(sign, strengths) > SAME):
        columns.append(sign[:, None])
    x = np.concatenate(columns, axis=1)
    raters = {name: k for k, name in enumerate(sorted({key.rater for key in keys} - {""}))}
    design = Design(
        x=x,
        y=np.array([sum(votes[key]) for key in keys]) / size,
        size=size,
        prompt=np.unique([key.prompt for key in keys], return_inverse=True)[1].astype(np.int64),
        penalty=np.full(x.shape[1], FLOOR),
        rater=np.array([raters.get(key.rater, -1) for key in keys]),
        rater_penalty=np.full(len(raters), RATER_PENALTY),
    )
    styles = tuple(name for name, kept in zip(FEATURES, differs, strict=True) if kept)
    return StyleRows(design, styles, len(models), has_position, np.array(asked))


def beside(column: Floats, others: Floats) -> float:
    """Share of a column's sum of squares that the others leave unexplained; 0 for a column of zeros."""
    whole = float(column @ column)
    if whole == 0 or others.shape[1] == 0:
        return float(whole > 0)
    left = column - others @ np.linalg.lstsq(others, column, rcond=None)[0]
    return float(left @ left) / whole


def _meetings(
    judgments: Iterable[Judgment], features: Mapping[tuple[str, str], Floats], pair: tuple[str, str]
) -> dict[_Meeting, list[float]]:
    """Votes that read the same -> their outcomes for `first`. The pair asked about is written its own way round."""
    rows = [row for row in judgments if row.outcome is not None]
    several = len({row.rater for row in rows if pair[0] in (row.model, row.opponent)}) > 1
    found: dict[_Meeting, list[float]] = {}
    for row in rows:
        if not {(row.prompt_id, row.model), (row.prompt_id, row.opponent)} <= features.keys():
            continue
        turned = row.opponent == pair[0] or (row.model != pair[0] and row.model > row.opponent)
        first, second = (row.opponent, row.model) if turned else (row.model, row.opponent)
        sign, value = _SIGN[row.order], _SCORE[row.outcome or "tie"]
        key = _Meeting(
            row.prompt_id, first, second, -sign if turned else sign, row.rater if several and first == pair[0] else ""
        )
        found.setdefault(key, []).append(1 - value if turned else value)
    return found


def _differences(keys: Sequence[_Meeting], features: Mapping[tuple[str, str], Floats]) -> Floats:
    """(rows, features) normalised differences of the two outputs' counts."""
    first = np.stack([features[key.prompt, key.first] for key in keys])
    second = np.stack([features[key.prompt, key.second] for key in keys])
    total = first + second
    delta: Floats = (first - second) / np.where(total > 0, total, 1.0)
    return delta
