"""A trained scorer as a ToxicityScorer folder: weights.npz, scorer.json, report.json. No pickle is written or read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.benchmark.toxicity import features
from components.benchmark.toxicity.accuracy import Accuracy
from components.benchmark.toxicity.calibration import Calibration
from components.benchmark.toxicity.ngram import NgramScorer, Weights
from components.contracts.errors import TouchstoneError
from components.contracts.ports import Input, ToxicityScorer

WEIGHTS_FILE = "weights.npz"
SETTINGS_FILE = "scorer.json"
REPORT_FILE = "report.json"
LARGEST_BYTES = 64 << 20
"""Of the arrays together, unpacked; ours take 3 MB."""

_LENGTHS = {
    "word_rarity": features.WORD_BUCKETS,
    "letter_rarity": features.LETTER_BUCKETS,
    "word_slope": features.WORD_BUCKETS,
    "letter_slope": features.LETTER_BUCKETS,
}


class Settings(BaseModel):
    """scorer.json: everything but the arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["ngram-1"] = "ngram-1"
    """Which features and regression; raised when they change."""
    intercept: Annotated[float, Field(allow_inf_nan=False)]
    """Of the regression."""
    raw: tuple[float, ...]
    """Calibration: the regression's numbers, rising."""
    score: tuple[float, ...]
    """Calibration: Perspective's score there, never falling."""
    texts_digest: str
    """Of the texts and scores it was trained on."""
    num_texts: Annotated[int, Field(gt=0)]
    """Texts it was trained on."""
    left_out: dict[str, int]
    """Reason -> texts of the file that were not taken."""


class Report(BaseModel):
    """report.json: what the scorers were found to be worth on the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    trained: Accuracy
    """The trained scorer, by cross-validation over groups."""
    profanity: Accuracy | None
    """The scorer that ships, on the same texts; null where it cannot be had."""
    profanity_missing: str | None
    """Why `profanity` is null."""


def save(folder: Path, weights: Weights, settings: Settings, report: Report) -> None:
    """Write the three files into an empty folder; equal scorers give equal bytes."""
    arrays: dict[str, NDArray[np.float32]] = {name: getattr(weights, name) for name in _LENGTHS}
    with (folder / WEIGHTS_FILE).open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    for name, model in ((SETTINGS_FILE, settings), (REPORT_FILE, report)):
        (folder / name).write_text(json.dumps(model.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


def load(scorer: Input[ToxicityScorer]) -> NgramScorer:
    """The scorer of a folder, whose digest becomes a part of its name.

    Raises:
        TouchstoneError: the folder is no finished ToxicityScorer, was changed, or holds arrays of another shape or type
            or without numbers.
    """
    folder = scorer.folder
    try:
        settings = Settings.model_validate_json((folder / SETTINGS_FILE).read_bytes())
        weights = Weights(**_arrays(folder / WEIGHTS_FILE), intercept=settings.intercept)
        calibrated = Calibration(settings.raw, settings.score)
    except (ValidationError, ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise TouchstoneError(
            f"{scorer.path} is not a scorer of this version: {str(error).splitlines()[0]}",
            expected=f"{WEIGHTS_FILE} and {SETTINGS_FILE} as `touchstone toxicity calibrate` writes them",
            remedy="train the scorer again",
        ) from error
    return NgramScorer(f"ngram@{scorer.digest[:12]}", weights, calibrated)


def read_report(scorer: Input[ToxicityScorer]) -> Report:
    """What `calibrate` measured.

    Raises:
        TouchstoneError: the folder is no finished ToxicityScorer, or was changed.
    """
    return Report.model_validate_json((scorer.folder / REPORT_FILE).read_bytes())


def _arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    with zipfile.ZipFile(path) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > LARGEST_BYTES:
            raise ValueError(f"{path.name} unpacks to more than {LARGEST_BYTES} bytes")
    with np.load(path, allow_pickle=False) as stored:
        found = {name: stored[name] for name in _LENGTHS}
    for name, array in found.items():
        if array.shape != (_LENGTHS[name],) or array.dtype != np.float32:
            raise ValueError(f"{name} is {array.dtype} {list(array.shape)}, not float32 [{_LENGTHS[name]}]")
        if not np.isfinite(array).all() or (name.endswith("rarity") and (array < 0).any()):
            raise ValueError(f"{name} holds values that are no numbers, or negative ones")
    return found
